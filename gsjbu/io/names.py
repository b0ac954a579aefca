"""Names of classes by their number: from a text or JSON file, or of the data sets that everybody uses."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gsjbu.errors import SignalError
from gsjbu.io import addresses

#: A list, or a map from class number to name, or one that has such a map under ``id2label``.
Names = Sequence[str] | Mapping[Any, Any]

MAX_BYTES = 1 << 20
MAX_NAMES = 65536

KNOWN: dict[str, tuple[str, ...]] = {
    "voc": tuple(
        "background,aeroplane,bicycle,bird,boat,bottle,bus,car,cat,chair,cow,dining table,dog,horse,motorbike,person,"
        "potted plant,sheep,sofa,train,television".split(",")
    ),
    "cityscapes": tuple(
        "road,sidewalk,building,wall,fence,pole,traffic light,traffic sign,vegetation,terrain,sky,person,rider,car,"
        "truck,bus,train,motorcycle,bicycle".split(",")
    ),
    "coco": tuple(
        "person,bicycle,car,motorcycle,aeroplane,bus,train,truck,boat,traffic light,fire hydrant,stop sign,"
        "parking meter,bench,bird,cat,dog,horse,sheep,cow,elephant,bear,zebra,giraffe,backpack,umbrella,handbag,tie,"
        "suitcase,frisbee,skis,snowboard,sports ball,kite,baseball bat,baseball glove,skateboard,surfboard,"
        "tennis racket,bottle,wine glass,cup,fork,knife,spoon,bowl,banana,apple,sandwich,orange,broccoli,carrot,"
        "hot dog,pizza,donut,cake,chair,couch,potted plant,bed,dining table,toilet,television,laptop,mouse,remote,"
        "keyboard,mobile phone,microwave,oven,toaster,sink,refrigerator,book,clock,vase,scissors,teddy bear,"
        "hair drier,toothbrush".split(",")
    ),
}  # fmt: skip


def names_of(source: str | Path) -> tuple[str, ...]:
    """Names by number from ``voc``, ``cityscapes`` or ``coco``, or from a file: one name a line, or JSON.

    JSON is a list, a map from number to name, or a Hugging Face config with ``id2label``. Raises SignalError.
    """
    if str(source).lower() in KNOWN:
        return KNOWN[str(source).lower()]
    path = addresses.named(source)
    try:
        data = path.read_bytes()[: MAX_BYTES + 1]
        text = data.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SignalError(
            "signal_names",
            f"{path.name} cannot be read as names; give one a line, JSON with id2label, or {', '.join(KNOWN)}.",
        ) from error
    if len(data) > MAX_BYTES:
        raise SignalError("signal_names", f"{path.name} is larger than names are.")
    return _of_text(text, path.name)


def names_in(text: str) -> tuple[str, ...]:
    """The same from the text that such a file holds, or the word for a data set."""
    return KNOWN.get(text.strip().lower()) or _of_text(text, "names")


def check_word(text: str, classes: int) -> None:
    """Refuse one line that is no known word, where there are several classes to name. Raises SignalError."""
    one = text.strip()
    if classes > 1 and one and len(one.splitlines()) == 1 and one[0] not in "{[" and one.lower() not in KNOWN:
        raise SignalError(
            "signal_names",
            f"names is {one[:40]!r}, and there are {classes} classes; give a name a line, JSON (a list or id2label), "
            f"or {', '.join(KNOWN)}.",
        )


def _of_text(text: str, name: str) -> tuple[str, ...]:
    if text.lstrip()[:1] in ("{", "["):
        return _of_json(text, name)
    return tuple(line.strip() for line in io.StringIO(text, newline=None))[:MAX_NAMES]


def listed(names: Names) -> tuple[str, ...]:
    """Names by number. Raises SignalError."""
    if isinstance(names, str) or not isinstance(names, Iterable):
        raise SignalError(
            "signal_names", f"names is {str(names)[:40]!r}; it must be a list, or a map from class number to name."
        )
    return _in_order(names if isinstance(names, Mapping) else list(names), "names")


def _of_json(text: str, name: str) -> tuple[str, ...]:
    try:
        found: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _no_names(name) from error
    return _in_order(found, name)


def _in_order(found: Any, name: str) -> tuple[str, ...]:
    """A name for each number, from a list or a map; those that are left out have their number's."""
    try:
        found = found.get("id2label", found) if isinstance(found, Mapping) else found
        by_number = dict(enumerate(found)) if isinstance(found, list) else {int(k): v for k, v in found.items()}
        most = max(by_number, default=-1)
        if min(by_number, default=0) < 0 or most >= MAX_NAMES:
            raise ValueError("numbers out of range")
        if not all(isinstance(name, str) for name in by_number.values()):
            raise ValueError("no text")
    except (ValueError, TypeError, AttributeError) as error:
        raise _no_names(name) from error
    return tuple(by_number.get(number, f"class {number}") for number in range(most + 1))


def _no_names(name: str) -> SignalError:
    return SignalError("signal_names", f"{name} holds no names: a list, or a map from class number to name (id2label).")
