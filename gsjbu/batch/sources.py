"""Where a batch's images and signals come from: a folder, a list, a glob or tar shards.

Whatever the source, it becomes a list of :class:`Item`: a key, and where the bytes of the image and of its signal
lie. Only names and offsets are gathered here; the bytes are read by whoever does the work, so a list of a million
items is small and travels well.
"""

from __future__ import annotations

import errno
import glob
import os
import stat
import tarfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

from gsjbu.errors import GsjbuError
from gsjbu.io import addresses

IMAGES = (".jpg", ".jpeg", ".png", ".webp", ".avif", ".bmp", ".tif", ".tiff")
#: Endings of signals beside their images, likeliest first; in a folder of their own they may be pictures too.
SIGNALS = (".npy", ".npz", ".safetensors", ".pt", ".pth", ".pfm", ".pgm", ".flo", ".exr", ".mat")
LISTS = (".txt", ".lst")
SHARDS = (".tar",)
BESIDE, BACKBONE = "beside", "backbone"


class SourceError(GsjbuError):
    """A batch's input cannot be listed."""

    def __init__(self, message: str) -> None:
        super().__init__("batch_source_invalid", message)


@dataclass(frozen=True, slots=True)
class Blob:
    """Bytes at rest: a whole file, or ``size`` bytes from ``offset`` of a tar shard. ``name`` tells the format."""

    path: str
    name: str
    offset: int = 0
    size: int = -1

    def read(self) -> bytes:
        """The bytes; OSError if the file is gone, is none, or is shorter than it was when it was listed."""
        # A pipe would be waited for; a folder says itself that it is none.
        at_once = getattr(os, "O_NONBLOCK", 0)  # Windows has no pipes among its files
        with open(self.path, "rb", opener=lambda path, flags: os.open(path, flags | at_once)) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise OSError(errno.EINVAL, "it is not a regular file", self.path)
            file.seek(self.offset)
            data = file.read(self.size)
        if 0 <= self.size != len(data):
            raise OSError(errno.EIO, f"it is cut short: {len(data)} of {self.size} bytes are there", self.path)
        return data

    @property
    def is_member(self) -> bool:
        """Whether it lies in a shard."""
        return self.size >= 0

    def stamp(self) -> list[Any] | None:
        """What differs once the bytes have changed; None where there is no file."""
        try:
            found = os.stat(self.path)
        except OSError:
            return None
        return [self.name, self.offset, self.size, found.st_size, found.st_mtime_ns]


@dataclass(frozen=True, slots=True)
class Item:
    """One image to work on. ``key`` is a relative path without an ending; ``signal`` None means backbone features.

    ``refusal``: why nothing can be made of it, where its names say so.
    """

    key: str
    image: Blob
    signal: Blob | None
    refusal: str = ""


def find(source: str, signals: str = BESIDE) -> list[Item]:
    """Every image of ``source``, in the order of their keys, with its signal.

    source: a folder (searched to the bottom, shards included, names that begin with a dot left out), a ``.tar`` shard,
        a ``.txt`` list of paths (one a line, relative to the list), or a glob such as ``photos/**/*.jpg``.
    signals: ``beside`` – the signal has the image's name and one of the endings ``SIGNALS``; ``backbone`` – none is
        looked for; an ending such as ``.depth.npy`` – beside, with that one; otherwise a folder that holds the
        signals, pictures among them, under the images' names.

    An image whose signal is missing stays in the list: it is reported as failed, with the rest done.
    Raises SourceError if there is no such source or no image in it.
    """
    paths, base = _paths(source)
    addresses.named(signals, "The name of the folder of signals")
    if _is_folder(signals) and not os.path.isdir(signals):
        raise SourceError(
            f"There is no folder {signals} of signals; give one, {BESIDE} (the images' own folder), the ending of "
            f"those beside (.depth.npy) or {BACKBONE}."
        )
    items = [item for path in paths if path.suffix.lower() in SHARDS for item in _from_shard(path, base, signals)]
    pictures = [path for path in paths if is_picture(path.name, signals)]
    items += _from_files(pictures, base, signals)
    if not items:
        raise SourceError(f"{source} holds no image: {', '.join(IMAGES)} files, or .tar shards of them, are needed.")
    twice = [key for key, count in Counter(item.key for item in items).items() if count > 1]
    if twice:
        raise SourceError(f"Two images would both be written as {twice[0]}; rename one of them.")
    return sorted(items, key=lambda item: item.key)


def is_ending(signals: str) -> bool:
    """Whether ``signals`` is how the names of the signals beside the images end."""
    return signals.startswith(".") and Path(signals).name == signals and signals.lower().endswith((*SIGNALS, *IMAGES))


def _is_folder(signals: str) -> bool:
    return signals not in (BESIDE, BACKBONE) and not is_ending(signals)


def is_picture(name: str, signals: str) -> bool:
    """Whether a file of that ``name`` is a picture, and not a signal as it is called."""
    name = name.lower()
    return name.endswith(IMAGES) and not (is_ending(signals) and name.endswith(signals.lower()))


def _paths(source: str) -> tuple[list[Path], Path]:
    """Candidate files and the folder that their keys are relative to."""
    path = addresses.named(source)
    if os.path.isdir(path):
        return sorted(p for p in _below(path) if _counts(p) and not is_hidden(p, path)), path
    if os.path.isfile(path):
        if path.suffix.lower() in LISTS:
            return _from_list(path)
        if path.suffix.lower() in (*SHARDS, *IMAGES):
            return [path], path.parent
        raise SourceError(f"{source} is neither a picture, a .tar shard nor a .txt list of paths.")
    if glob.has_magic(source):
        found = sorted(Path(p) for p in glob.glob(source, recursive=True) if _counts(Path(p)))
        if found:
            return found, _fixed_part(source)
    raise SourceError(f"{addresses.missing(source)} Give a folder, a .tar shard, a .txt list of paths, or a glob.")


def _below(folder: Path, above: tuple[str, ...] = ()) -> Iterator[Path]:
    """What is in ``folder``, to the bottom: through links to folders too, but into none from within itself."""
    place = os.path.realpath(folder)
    if place in above:
        return
    try:
        there = list(os.scandir(folder))
    except OSError:  # as of a disk's lost+found: nobody means it
        return
    for entry in there:
        yield folder / entry.name
        if entry.is_dir():
            yield from _below(folder / entry.name, (*above, place))


def is_hidden(path: Path, base: Path) -> bool:
    """Whether a name under ``base`` begins with a dot: what systems leave beside pictures (``._a.jpg``)."""
    return any(part.startswith(".") for part in path.relative_to(base).parts)


def _counts(path: Path) -> bool:
    """A file, or what is called like a picture: a dangling link, say, which is then reported as failed."""
    return path.suffix.lower() in IMAGES or path.is_file()


def _fixed_part(pattern: str) -> Path:
    """The folders of a glob before its first wildcard."""
    parts: list[str] = []
    for part in Path(pattern).parts[:-1]:
        if glob.has_magic(part):
            break
        parts.append(part)
    return Path(*parts)


def is_one_of(source: str, path: Path) -> bool:
    """Whether ``path``, once it is there, is a picture of ``source``, a folder or a glob."""
    if path.suffix.lower() not in IMAGES:
        return False
    top, path = Path(os.path.abspath(source)), Path(os.path.abspath(path))
    if os.path.isdir(top):
        return top in path.parents and not is_hidden(path, top)
    anywhere = "**" in top.parts and _fixed_part(str(top)) in path.parents and path.match(top.name)
    return glob.has_magic(source) and (anywhere or path.match(str(top)))


def goes_before(path: Path, signal: Blob) -> bool:
    """Whether ``path``, once it is there, is taken for the signal instead of ``signal``."""
    own = Path(os.path.abspath(signal.path))
    beside = own.with_suffix("") == Path(os.path.abspath(path)).with_suffix("")
    there = [ending for ending in (*SIGNALS, *IMAGES) if ending in (path.suffix.lower(), own.suffix.lower())]
    return beside and there[:1] == [path.suffix.lower()]


def _from_list(path: Path) -> tuple[list[Path], Path]:
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SourceError(f"{path.name} is not UTF-8 text; a list has one path a line.") from error
    except OSError as error:
        raise SourceError(addresses.unreadable(path, error)) from error
    lines = [line.strip() for line in text.split("\n")]
    listed = [path.parent / line for line in lines if line and not line.startswith("#")]
    places = [os.path.normpath(one) for one in listed]
    for one, count in Counter(places).items():
        if count > 1:
            name = Path(os.path.relpath(one, path.parent)).as_posix()
            raise SourceError(f"{path.name} lists {name} {count} times; leave it there once.")
    return listed, _base_of(listed, path.parent)


def _base_of(listed: list[Path], folder: Path) -> Path:
    """The list's own ``folder``, or, where some of what it lists lies elsewhere, what all of it has in common."""
    top = os.path.abspath(folder)
    folders = {os.path.dirname(os.path.abspath(path)) for path in listed}
    try:
        return (
            folder
            if all(os.path.commonpath((top, one)) == top for one in folders)
            else Path(os.path.commonpath(folders))
        )
    except ValueError:  # on several drives
        return folder


def _key(path: Path, base: Path) -> str:
    """``path`` under ``base`` without its ending; what lies on another drive keeps only its name."""
    try:
        relative = Path(os.path.abspath(path)).relative_to(os.path.abspath(base))
    except ValueError:
        relative = Path(path.name)
    return relative.with_suffix("").as_posix()


def _from_files(pictures: list[Path], base: Path, signals: str) -> Iterator[Item]:
    stems = Counter(_key(path, base) for path in pictures)
    for path in pictures:
        stem = _key(path, base)
        # a.jpg and a.png in one folder keep their endings in their keys: a.jpg, a.png
        key = stem if stems[stem] == 1 else stem + path.suffix
        picture = Blob(str(path), path.name)
        where = path.with_suffix("") if signals == BESIDE or is_ending(signals) else Path(signals) / stem
        yield Item(key, picture, _signal_file(picture, where, signals))


def _signal_file(picture: Blob, where: Path, signals: str) -> Blob | None:
    """The signal of a ``picture`` that is called ``where`` among the signals."""
    if signals == BACKBONE:
        return None
    if signals == BESIDE:
        return _named(where, SIGNALS, picture)
    if is_ending(signals):
        return _named(where, (signals.lower(),), picture)
    return _named(where, (*SIGNALS, *IMAGES), picture)


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


def passed_over(source: str, items: list[Item], signals: str = BESIDE, out: Path | None = None) -> list[str]:
    """Files of a folder or a list, of a folder of signals and members of shards that are neither an image nor the
    signal of one, by their places there; without those in ``out``, a folder of results in it."""
    paths, base = _paths(source)
    out = None if out is None else out.absolute()
    places = [(path, base) for path in paths]
    if _is_folder(signals):
        folder = Path(signals)
        there = sorted(p for p in _below(folder) if p.is_file() and not is_hidden(p, folder))
        places += [(path, folder) for path in there]
    blobs = [blob for item in items for blob in (item.image, item.signal) if blob is not None]
    used = {blob.path for blob in blobs}
    left = [
        (path, top)
        for path, top in places
        if not (out is not None and top.absolute() != out and out in path.absolute().parents)
        and str(path) not in used
        and str(path.with_suffix("")) not in used  # what a signal's numbers mean, beside it
        and path.suffix.lower() not in SHARDS
        and not path.name.startswith(".")
    ]
    taken = {(blob.path, blob.offset) for blob in blobs if blob.is_member}
    left += [
        (path / name, base)
        for path in paths
        if path.suffix.lower() in SHARDS
        for name, blob in _members(path)
        if (blob.path, blob.offset) not in taken
    ]
    return [(path.relative_to(top) if path.is_relative_to(top) else path).as_posix() for path, top in left]


def _members(path: Path) -> list[tuple[PurePosixPath, Blob]]:
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


def _from_shard(path: Path, base: Path, signals: str) -> Iterator[Item]:
    """WebDataset's grouping: members that agree up to the first dot of their file name are one sample."""
    samples: dict[str, Sample] = defaultdict(dict)
    for name, blob in _members(path):
        if not name.is_absolute() and ".." not in name.parts:
            stem, dot, rest = name.name.partition(".")
            samples[(name.parent / stem).as_posix()][dot + rest] = blob
    prefix = _key(path, base)
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
    elif not _is_inside(signals) or all(_meant(part, _endings(signals)) for part in parts.values()):
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
    if not _is_inside(signals):
        return Item(key, image, _signal_file(image, Path(signals) / key, signals))
    part, endings = _part(sample, rest), _endings(signals)
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


def _is_inside(signals: str) -> bool:
    """Whether the signals of a shard's pictures are in the shard."""
    return signals == BESIDE or is_ending(signals)


def _endings(signals: str) -> tuple[str, ...]:
    return (signals.lower(),) if is_ending(signals) else SIGNALS
