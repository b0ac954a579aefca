"""The door to numba: a reason where it does not work, and no place on the disk is no obstacle."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numba
import pytest

from gsjbu.core import compiler


def test_where_numba_works_there_is_no_reason() -> None:
    assert compiler.unavailable_reason() is None


def test_the_reason_is_what_its_import_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numba", None)
    assert "numba" in str(compiler.unavailable_reason())


def test_with_no_room_at_all_it_compiles_without_keeping(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[object] = []

    def njit(**options):  # type: ignore[no-untyped-def]
        kept.append(options["cache"])
        if options["cache"]:
            raise RuntimeError("cannot cache function 'f': no locator available for file 'f.py'")
        return lambda function: function

    def full(**_options: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(numba, "njit", njit)
    monkeypatch.setattr(compiler.tempfile, "mkdtemp", full)
    monkeypatch.setattr(numba.config, "CACHE_DIR", numba.config.CACHE_DIR)
    with pytest.warns(RuntimeWarning, match="NUMBA_CACHE_DIR"):
        compiled = compiler.njit(cache=True)(lambda x: x + 1)
    assert (compiled(1), kept) == (2, [True, False])


def test_another_error_is_nobodys_to_hide(monkeypatch: pytest.MonkeyPatch) -> None:
    def njit(**_options):  # type: ignore[no-untyped-def]
        raise RuntimeError("something else")

    monkeypatch.setattr(numba, "njit", njit)
    with pytest.raises(RuntimeError, match="something else"):
        compiler.njit(cache=True)(abs)


class Older(NamedTuple):
    value: float


def halved(data: bytes) -> bytes:
    return data[: len(data) // 2]


def of_a_class_that_is_gone(data: bytes) -> bytes:
    assert b"Older" in data
    return data.replace(b"Older", b"Elder")


@pytest.mark.parametrize(("ending", "damage"), [(".nbi", halved), (".nbi", of_a_class_that_is_gone), (".nbc", halved)])
def test_what_was_kept_and_cannot_be_read_is_compiled_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str, damage: Callable[[bytes], bytes]
) -> None:
    """After an upgrade that renamed a class, or a machine that went down while it wrote."""
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))

    def double(pair):  # type: ignore[no-untyped-def]
        return 2 * pair.value

    assert compiler.njit(**compiler.FAST)(double)(Older(2.0)) == 4
    kept = list(tmp_path.rglob("*" + ending))
    assert kept
    for file in kept:
        file.write_bytes(damage(file.read_bytes()))
    assert compiler.njit(**compiler.FAST)(double)(Older(3.0)) == 6
