"""The items in a tar shard, which may hold images alone or images with their signals."""

from __future__ import annotations

import tarfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from gsjbu.batch.items import Blob, Item, SourceError
from gsjbu.batch.signal_files import IMAGES, are_beside, endings_of, is_picture, signal_file
from gsjbu.io import addresses

SHARDS = (".tar",)


def members(path: Path) -> list[tuple[PurePosixPath, Blob]]:
    """The files in a shard by their names, without those that begin with a dot."""
    try:
        with tarfile.open(path, "r:") as shard:
            return [
                (name, Blob(str(path), name.name, member.offset_data, member.size))
                for member in shard
                if member.isfile() and not (name := PurePosixPath(member.name)).name.startswith(".")
            ]
    except tarfile.TarError as error:
        raise SourceError(f"{path.name} is not a plain tar shard (compressed ones must be unpacked).") from error
    except OSError as error:
        raise SourceError(addresses.unreadable(path, error)) from error


#: A sample's members by what follows its own name: .jpg, .depth.npy.
Sample = dict[str, Blob]


def items_in(path: Path, prefix: str, signals: str) -> Iterator[Item]:
    """The items of a shard, their keys under ``prefix``. As in WebDataset, members whose file names agree up to the
    first dot are one sample."""
    samples: dict[str, Sample] = defaultdict(dict)
    for name, blob in members(path):
        if not name.is_absolute() and ".." not in name.parts:
            stem, dot, rest = name.name.partition(".")
            samples[(name.parent / stem).as_posix()][dot + rest] = blob
    for stem, sample in samples.items():
        yield from _of_sample(f"{prefix}/{stem}", sample, signals)


def _of_sample(key: str, sample: Sample, signals: str) -> Iterator[Item]:
    """Its picture, or its pictures, where each has a name with further dots and its own signal (cam1.0900.jpg and
    cam1.0900.npy, cam1.1000.jpg …)."""
    images = _meant({rest: blob for rest, blob in sample.items() if is_picture(blob.name, signals)}, IMAGES)
    if not images:
        return
    image = sample[images[0]]
    parts = {rest[: rest.rindex(".")]: _part(sample, rest) for rest in images}
    if len(images) == 1:
        yield _with_signal(key, images[0], sample, signals)
    elif not are_beside(signals) or all(_meant(part, endings_of(signals)) for part in parts.values()):
        for own, part in parts.items():
            yield from _of_sample(key + own, part, signals)
    else:
        names = ", ".join(sample[rest].name for rest in images)
        yield Item(
            key, image, None,
            f"{Path(image.path).name} has several pictures for the sample {key.rpartition('/')[2]}, which is what they "
            f"are called up to the first dot: {names}. Call one of them so and no more, or give each a signal of its "
            "own name.",
        )  # fmt: skip


def _with_signal(key: str, rest: str, sample: Sample, signals: str) -> Item:
    """The picture whose name ends in ``rest``, and its signal."""
    image = sample[rest]
    if not are_beside(signals):
        return Item(key, image, signal_file(image, Path(signals) / key, signals))
    part, endings = _part(sample, rest), endings_of(signals)
    own = _meant(part, endings)
    found = [part[name] for name in own] or [sample[name] for name in _meant(sample, endings)]
    if len(found) == 1:
        return Item(key, image, found[0])
    shard = Path(image.path).name
    if found:
        names = ", ".join(blob.name for blob in found)
        other = found[0].name[found[0].name.index(".") :]
        return Item(
            key, image, None,
            f"{image.name} has several signals in {shard}: {names}. Name the ending of the one that is meant, signals="
            f"{other!r} (--signals {other}).",
        )  # fmt: skip
    looked = f"{image.name} has no signal in {shard}: an ending of {', '.join(endings)} was looked for"
    others = [blob.name for blob in sample.values() if blob is not image][:3]
    alike = f"; {', '.join(others)} is there and is none of them" if others else ""
    other = next((name[name.index(".") :] for name in others if name.lower().endswith(IMAGES)), "")
    return Item(key, image, None, f"{looked}{alike}{f' (--signals {other} takes it)' if other else ''}.")


def _part(sample: Sample, picture: str) -> Sample:
    """What has all of a picture's name but its ending."""
    own = picture[: picture.rindex(".")]
    return {rest[len(own) :]: blob for rest, blob in sample.items() if rest.startswith(own + ".")}


def _meant(sample: Sample, endings: tuple[str, ...]) -> list[str]:
    """Which of a sample's members have one of ``endings``: the likeliest of those that have nothing before it, or, if
    there is none, all."""
    names = sorted(sample)
    plain = [name for ending in endings for name in names if name.lower() == ending]
    return plain[:1] or [name for name in names if name.lower().endswith(endings)]
