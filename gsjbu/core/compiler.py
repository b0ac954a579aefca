"""The door to numba: whether it works here, and a place on the disk for what it compiles.

numba keeps compiled loops beside their modules or in the user's cache, and refuses to compile where it can write to
neither: an installation and a home that are read-only, a container. There they are kept for the time of this process
and of those that it starts.
"""

from __future__ import annotations

import atexit
import logging
import os
import shutil
import tempfile
import warnings
from collections.abc import Callable
from copy import copy
from functools import partial
from typing import Any

log = logging.getLogger("gsjbu")

FAST: dict[str, Any] = {"nogil": True, "cache": True, "error_model": "numpy"}
# Sums may be taken in any order: in what follows mixing, whose steps are the same for any number of threads anyway.
LOOSE: dict[str, Any] = {"nogil": True, "cache": True, "fastmath": True}
# For functions that neither make arrays nor return any: they count no references. Counted, those of the arrays that
# inner loops hand on took more than half of a step.
NO_COUNT: dict[str, Any] = {"_nrt": False}
BORROWS, LOOSE_BORROWS = FAST | NO_COUNT, LOOSE | NO_COUNT
# For parts of inner loops that take tuples of arrays: each field is an argument, and two hundred of them pushed on the
# stack took a sixth of a step of small cells.
INLINED: dict[str, Any] = BORROWS | {"forceinline": True}


def unavailable_reason() -> str | None:
    """Why nothing can be compiled here, or None: numba is not installed, or not made for this Python or numpy."""
    try:
        import numba  # noqa: F401
    except Exception as error:  # it raises more than ImportError where versions do not fit
        return f"{type(error).__name__}: {error}".splitlines()[0][:200]
    return None


def njit(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """As numba's, and where it finds no place to keep what it compiles, one is made."""
    import numba

    def compiled(function: Callable[..., Any]) -> Any:
        try:
            return _read_again(numba.njit(**options)(function))
        except RuntimeError as error:
            if "cannot cache" not in str(error):
                raise
        place = numba.config.CACHE_DIR = _place_for_now()  # type: ignore[attr-defined]
        return numba.njit(**{**options, "cache": bool(place)})(function)

    return compiled


def _read_again(dispatcher: Any) -> Any:
    """``dispatcher``, which compiles anew what it cannot read: numba unpickles what was kept before it looks whether
    that is of the same source, and fails at a class that an upgrade has renamed, or at a file cut short."""
    file = getattr(getattr(dispatcher, "_cache", None), "_cache_file", None)
    for name, nothing in (("_load_index", {}), ("_load_data", None)):
        if (read := getattr(file, name, None)) is not None:  # numba's own, and may be gone in another numba
            setattr(file, name, partial(_or_nothing, read, nothing))
    return dispatcher


def _or_nothing(read: Callable[..., Any], nothing: Any, *args: Any) -> Any:
    try:
        return read(*args)
    except Exception as error:
        log.info("Compiled anew, as what was kept cannot be read: %r", error)
        return copy(nothing)


def _place_for_now() -> str:
    """A folder that goes with this process, or nothing where there is no room for temporary files either."""
    try:
        place = tempfile.mkdtemp(prefix="gsjbu-compiled-")
    except OSError:
        place = ""
    else:
        atexit.register(shutil.rmtree, place, ignore_errors=True)
        os.environ["NUMBA_CACHE_DIR"] = place  # for processes that this one starts
    warnings.warn(
        "Compiled code cannot be kept: neither the installation nor the cache folder can be written, so each start "
        "compiles it again. NUMBA_CACHE_DIR names a folder that can.",
        RuntimeWarning, stacklevel=2,
    )  # fmt: skip
    return place
