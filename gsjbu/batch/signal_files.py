"""Which file is the signal of an image, by its name.

The word ``signals`` says where they are: beside the images with one of the usual endings, beside them with a given
ending, or in another folder under the images' names.
"""

from __future__ import annotations

import os
from collections import defaultdict
from functools import lru_cache
from pathlib import Path

from gsjbu.batch.items import Blob, Item

IMAGES = (".jpg", ".jpeg", ".png", ".webp", ".avif", ".bmp", ".tif", ".tiff")
#: Endings of signals beside their images, likeliest first; in a folder of their own they may be pictures too.
SIGNALS = (".npy", ".npz", ".safetensors", ".pt", ".pth", ".pfm", ".pgm", ".flo", ".exr", ".mat")
#: Words for ``signals``; BACKBONE: no file is looked for, the features of a network are upsampled.
BESIDE, BACKBONE = "beside", "backbone"


def is_ending(signals: str) -> bool:
    """Whether ``signals`` is how the names of the signals beside the images end."""
    return signals.startswith(".") and Path(signals).name == signals and signals.lower().endswith((*SIGNALS, *IMAGES))


def are_beside(signals: str) -> bool:
    """Whether signals lie beside their images: in the same folder or the same shard."""
    return signals == BESIDE or is_ending(signals)


def endings_of(signals: str) -> tuple[str, ...]:
    """The endings that a signal's name may have, likeliest first."""
    if is_ending(signals):
        return (signals.lower(),)
    return SIGNALS if signals == BESIDE else (*SIGNALS, *IMAGES)


def is_picture(name: str, signals: str) -> bool:
    """Whether a file of that ``name`` is a picture, and not a signal as it is called."""
    name = name.lower()
    return name.endswith(IMAGES) and not (is_ending(signals) and name.endswith(signals.lower()))


def signal_file(picture: Blob, where: Path, signals: str) -> Blob | None:
    """The signal of ``picture``, found at ``where`` plus one of the endings; None where no file is looked for."""
    return None if signals == BACKBONE else _named(where, endings_of(signals), picture)


def goes_before(path: Path, signal: Blob) -> bool:
    """Whether ``path``, once it is there, is taken for the signal instead of ``signal``."""
    own = Path(os.path.abspath(signal.path))
    beside = own.with_suffix("") == Path(os.path.abspath(path)).with_suffix("")
    there = [ending for ending in (*SIGNALS, *IMAGES) if ending in (path.suffix.lower(), own.suffix.lower())]
    return beside and there[:1] == [path.suffix.lower()]


def mask_file(folder: str, item: Item) -> Blob:
    """The file in ``folder`` under the name of an item's image, with its ending where two differ in it alone."""
    where = Path(folder) / item.key
    own = _named(where, (*SIGNALS, *IMAGES), item.image)
    if where.name != item.image.name or os.path.exists(own.path):
        return own
    return _named(where.with_suffix(""), (*SIGNALS, *IMAGES), item.image)


def _named(where: Path, endings: tuple[str, ...], picture: Blob) -> Blob:
    """The file called ``where`` with the first of ``endings`` that is there: by its name, or by that name in other
    letters (A.npy of a.png) where it is not the name of another picture beside ``picture``."""
    there = _by_name(where.parent)
    names = [name for ending in endings for name in there.get((where.name + ending).lower(), ())]
    exact = [name for name in names if name.startswith(where.name)]
    for name in exact or [name for name in names if not _is_of_another(name[: len(where.name)], picture)]:
        return Blob(str(where.with_name(name)), name)
    expected = where.with_name(where.name + endings[0])
    return Blob(str(expected), expected.name)  # reading it fails, with this name in the sentence


def _is_of_another(stem: str, picture: Blob) -> bool:
    """Whether ``stem``, the picture's own but for its letters, may be that of another picture."""
    if picture.is_member:
        return True  # which others its shard has is not asked again
    beside = _by_name(Path(picture.path).parent)
    return any(name.startswith(stem) for ending in IMAGES for name in beside.get((stem + ending).lower(), ()))


@lru_cache(maxsize=64)
def _listed(folder: str, changed: int) -> dict[str, list[str]]:
    """Names of a folder by themselves in small letters, which come first: A.NPY is a.npy's name too."""
    names: dict[str, list[str]] = defaultdict(list)
    for name in sorted(os.listdir(folder), reverse=True):
        names[name.lower()].append(name)
    return dict(names)


def _by_name(folder: Path) -> dict[str, list[str]]:
    try:
        return _listed(str(folder), folder.stat().st_mtime_ns)
    except OSError:
        return {}
