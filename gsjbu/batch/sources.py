"""Where a batch's images and signals come from: a folder, a list, a glob or tar shards.

Whatever the source, it becomes a list of :class:`Item`: a key, and where the bytes of the image and of its signal
lie. Only names and offsets are gathered here; the bytes are read by whoever does the work, so a list of a million
items is small and travels well.
"""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from gsjbu.batch.items import Blob, Item, SourceError
from gsjbu.batch.shards import SHARDS, items_in, members
from gsjbu.batch.signal_files import BACKBONE, BESIDE, IMAGES, are_beside, is_picture, signal_file
from gsjbu.io import addresses

LISTS = (".txt", ".lst")


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
    items = [
        item for path in paths if path.suffix.lower() in SHARDS for item in items_in(path, _key(path, base), signals)
    ]
    pictures = [path for path in paths if is_picture(path.name, signals)]
    items += _from_files(pictures, base, signals)
    if not items:
        raise SourceError(f"{source} holds no image: {', '.join(IMAGES)} files, or .tar shards of them, are needed.")
    twice = [key for key, count in Counter(item.key for item in items).items() if count > 1]
    if twice:
        raise SourceError(f"Two images would both be written as {twice[0]}; rename one of them.")
    return sorted(items, key=lambda item: item.key)


def _is_folder(signals: str) -> bool:
    """Whether ``signals`` names a folder of signals."""
    return signals != BACKBONE and not are_beside(signals)


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
        if all(os.path.commonpath((top, one)) == top for one in folders):
            return folder
        return Path(os.path.commonpath(folders))
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
        where = path.with_suffix("") if are_beside(signals) else Path(signals) / stem
        yield Item(key, picture, signal_file(picture, where, signals))


def passed_over(source: str, items: list[Item], signals: str = BESIDE, out: Path | None = None) -> list[str]:
    """Files that are neither an image nor the signal of one, as paths relative to where they were looked for.

    Looked at are a folder or a list, the folder of signals and the members of shards; not the files in ``out``, a
    folder of results.
    """
    paths, base = _paths(source)
    places = [(path, base) for path in paths]
    if _is_folder(signals):
        folder = Path(signals)
        there = sorted(p for p in _below(folder) if p.is_file() and not is_hidden(p, folder))
        places += [(path, folder) for path in there]
    used = [blob for item in items for blob in (item.image, item.signal) if blob is not None]
    left = _unused_files(places, {blob.path for blob in used}, None if out is None else out.absolute())
    shards = [path for path in paths if path.suffix.lower() in SHARDS]
    taken = {(blob.path, blob.offset) for blob in used if blob.is_member}
    left += [
        (path / name, base) for path in shards for name, blob in members(path) if (blob.path, blob.offset) not in taken
    ]
    return [(path.relative_to(top) if path.is_relative_to(top) else path).as_posix() for path, top in left]


def _unused_files(places: list[tuple[Path, Path]], used: set[str], out: Path | None) -> list[tuple[Path, Path]]:
    """Which of ``places``, files and the folders they were found in, are not ``used``, no shard and not in ``out``."""
    return [
        (path, top)
        for path, top in places
        if not (out is not None and top.absolute() != out and out in path.absolute().parents)
        and str(path) not in used
        and str(path.with_suffix("")) not in used  # a sidecar: what the numbers of a signal mean
        and path.suffix.lower() not in SHARDS
        and not path.name.startswith(".")
    ]
