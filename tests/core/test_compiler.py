"""The door to numba: a reason where it does not work, and no place on the disk is no obstacle."""

from __future__ import annotations

import sys

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
