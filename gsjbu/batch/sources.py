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

    def stamp(self) -> list[Any] | None:
        """What differs once the bytes have changed; None where there is no file."""
        try:
            found = os.stat(self.path)
        except OSError:
            return None
        return [self.name, self.offset, self.size, found.st_size, found.st_mtime_ns]


@dataclass(frozen=True, slots=True)
class Item:
    """One image to work on. ``key`` is a relative path without an ending; ``signal`` None means backbone features."""

    key: str
    image: Blob
    signal: Blob | None


def find(source: str, signals: str = BESIDE) -> list[Item]:
    """Every image of ``source``, in the order of their keys, with its signal.

    source: a folder (searched to the bottom, shards included, names that begin with a dot left out), a ``.tar`` shard,
        a ``.txt`` list of paths (one a line, relative to the list), or a glob such as ``photos/**/*.jpg``.
    signals: ``beside`` – the signal has the image's name and one of the endings ``SIGNALS``; ``backbone`` – none is
        looked for; otherwise a folder that holds the signals, pictures among them, under the images' names.

    An image whose signal is missing stays in the list: it is reported as failed, with the rest done.
    Raises SourceError if there is no such source or no image in it.
    """
    paths, base = _paths(source)
    addresses.named(signals, "The name of the folder of signals")
    if signals not in (BESIDE, BACKBONE) and not os.path.isdir(signals):
        raise SourceError(
            f"There is no folder {signals} of signals; give one, {BESIDE} (the images' own folder) or {BACKBONE}."
        )
    items = [item for path in paths if path.suffix.lower() in SHARDS for item in _from_shard(path, base, signals)]
    pictures = [path for path in paths if path.suffix.lower() in IMAGES]
    items += _from_files(pictures, base, signals)
    if not items:
        raise SourceError(f"{source} holds no image: {', '.join(IMAGES)} files, or .tar shards of them, are needed.")
    twice = [key for key, count in Counter(item.key for item in items).items() if count > 1]
    if twice:
        raise SourceError(f"Two images would both be written as {twice[0]}; rename one of them.")
    return sorted(items, key=lambda item: item.key)


def _paths(source: str) -> tuple[list[Path], Path]:
    """Candidate files and the folder that their keys are relative to."""
    path = addresses.named(source)
    if os.path.isdir(path):
        return sorted(p for p in path.rglob("*") if _counts(p) and not is_hidden(p, path)), path
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
    return listed, path.parent


def _key(path: Path, base: Path) -> str:
    """``path`` under ``base`` without its ending; what lies elsewhere keeps only its name."""
    try:
        relative = path.relative_to(base)
    except ValueError:
        relative = Path(path.name)
    if ".." in relative.parts:
        relative = Path(path.name)
    return relative.with_suffix("").as_posix()


def _from_files(pictures: list[Path], base: Path, signals: str) -> Iterator[Item]:
    stems = Counter(_key(path, base) for path in pictures)
    for path in pictures:
        stem = _key(path, base)
        # a.jpg and a.png in one folder keep their endings in their keys: a.jpg, a.png
        key = stem if stems[stem] == 1 else stem + path.suffix
        yield Item(key, Blob(str(path), path.name), _signal_file(path, stem, signals))


def _signal_file(picture: Path, stem: str, signals: str) -> Blob | None:
    if signals == BACKBONE:
        return None
    if signals == BESIDE:
        return _named(picture.with_suffix(""), SIGNALS)
    return _named(Path(signals) / stem, (*SIGNALS, *IMAGES))


def mask_file(folder: str, item: Item) -> Blob:
    """The file in ``folder`` under the name of an item's image, with its ending where two differ in it alone."""
    where = Path(folder) / item.key
    own = _named(where, (*SIGNALS, *IMAGES))
    if where.name != item.image.name or os.path.exists(own.path):
        return own
    return _named(where.with_suffix(""), (*SIGNALS, *IMAGES))


def _named(where: Path, endings: tuple[str, ...]) -> Blob:
    """The file called ``where`` with the first of ``endings`` that is there."""
    there = _by_name(where.parent)
    for ending in endings:
        name = there.get((where.name + ending).lower())
        if name is not None:
            return Blob(str(where.with_name(name)), name)
    expected = where.with_name(where.name + endings[0])
    return Blob(str(expected), expected.name)  # reading it fails, with this name in the sentence


@lru_cache(maxsize=64)
def _listed(folder: str, changed: int) -> dict[str, str]:
    """Names of a folder by themselves in small letters: A.NPY is a.npy's name too."""
    return {name.lower(): name for name in sorted(os.listdir(folder), reverse=True)}


def _by_name(folder: Path) -> dict[str, str]:
    try:
        return _listed(str(folder), folder.stat().st_mtime_ns)
    except OSError:
        return {}


def passed_over(source: str, items: list[Item], signals: str = BESIDE, out: Path | None = None) -> list[str]:
    """Files of a folder or a list, and of a folder of signals, that are neither an image nor the signal of one, by
    their places there; without those in ``out``, a folder of results in it."""
    paths, base = _paths(source)
    out = None if out is None else out.absolute()
    places = [(path, base) for path in paths]
    if signals not in (BESIDE, BACKBONE):
        folder = Path(signals)
        there = sorted(p for p in folder.rglob("*") if p.is_file() and not is_hidden(p, folder))
        places += [(path, folder) for path in there]
    used = {blob.path for item in items for blob in (item.image, item.signal) if blob is not None}
    return [
        (path.relative_to(top) if path.is_relative_to(top) else path).as_posix()
        for path, top in places
        if not (out is not None and top.absolute() != out and out in path.absolute().parents)
        and str(path) not in used
        and str(path.with_suffix("")) not in used  # what a signal's numbers mean, beside it
        and path.suffix.lower() not in SHARDS
        and not path.name.startswith(".")
    ]


def _from_shard(path: Path, base: Path, signals: str) -> Iterator[Item]:
    """WebDataset's grouping: members that agree up to the first dot of their file name are one sample."""
    samples: dict[str, dict[str, Blob]] = defaultdict(dict)
    try:
        with tarfile.open(path, "r:") as shard:
            for member in shard:
                name = PurePosixPath(member.name)
                outside = name.is_absolute() or ".." in name.parts
                if outside or not member.isfile() or name.name.startswith("."):
                    continue
                stem, dot, ending = name.name.partition(".")
                blob = Blob(str(path), name.name, member.offset_data, member.size)
                samples[(name.parent / stem).as_posix()][(dot + ending).lower()] = blob
    except tarfile.TarError as error:
        raise SourceError(f"{path.name} is not a plain tar shard (compressed ones must be unpacked).") from error
    except OSError as error:
        raise SourceError(addresses.unreadable(path, error)) from error
    prefix = _key(path, base)
    for stem, members in samples.items():
        image = next((blob for ending, blob in members.items() if ending.endswith(IMAGES)), None)
        if image is None:
            continue
        key = f"{prefix}/{stem}"
        if signals == BESIDE:
            beside = next((blob for ending, blob in members.items() if ending.endswith(SIGNALS)), None)
            yield Item(key, image, beside or Blob(str(path) + "/" + stem + SIGNALS[0], stem + SIGNALS[0]))
        else:
            yield Item(key, image, _signal_file(path, key, signals))
