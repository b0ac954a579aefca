"""Fixtures that several test files share."""

from __future__ import annotations

import gc
import multiprocessing
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import zygote
from tests.compiled import compile_all

# Tests never fetch weights; those of the downloads ask a server of their own.
os.environ.setdefault("HF_HUB_OFFLINE", "1")

ROOT = Path(__file__).resolve().parent.parent


# What takes longest starts first, or one process works on alone at the end (see WORKERS in the Makefile).
LONGEST = (
    "test_docs.py",
    "test_hostile.py",
    "test_cluster.py",
    "test_decoder.py",
    "test_module.py",
    "test_packaging.py",
)


def pytest_configure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput"):
        return
    compile_all()  # or the first calls of a test are answered without
    if getattr(config.option, "numprocesses", None):  # the process that starts the others
        zygote.python()  # one for all of them


def pytest_collection_finish() -> None:
    gc.freeze()  # what was imported is no garbage: each full collection would go through it, 0.2 s


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    place = {name: n for n, name in enumerate(LONGEST)}
    for item in items:
        if sys.platform == "win32" and "posix" in item.keywords:
            item.add_marker(pytest.mark.skip("Windows lacks the signals, pipes, links or shell that it needs"))
    items.sort(key=lambda item: place.get(item.path.name, len(LONGEST)))  # stable: else as collected


@pytest.fixture(scope="module")
def quick_workers() -> Iterator[None]:
    """Processes that gsjbu starts for its own work are forks that have loaded."""
    multiprocessing.set_executable(zygote.python())
    yield
    multiprocessing.set_executable(sys.executable)


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Photographs and ground truth beside the repository; they are measured with, never shipped."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("no ../shared/data beside the repository: the measuring data is not shipped")
    return folder
