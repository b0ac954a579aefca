"""What is said to have measured best is what benchmarks/QUALITY.md says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gsjbu.io import kinds
from gsjbu.run.measured import MEASURED, family_of

QUALITY = Path(__file__).resolve().parents[2] / "benchmarks" / "QUALITY.md"


def figures(row: str) -> set[float]:
    """All numbers of the lines that are about ``row``."""
    text = QUALITY.read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.startswith(f"| {row} |")]
    if row == "linear probe":
        lines = re.findall(r"^- (?:bilinear|rgb, 50 steps of Adam|auto): .*$", text, re.MULTILINE)
    return {float(number) for line in lines for number in re.findall(r"\d+\.\d+", line)}


@pytest.mark.parametrize("row", MEASURED.values(), ids=lambda row: row.family)
def test_every_figure_is_in_the_table_and_the_best_is_the_best(row):
    values = {"bilinear": row.bilinear, "gsjbu": row.gsjbu, "auto": row.auto}
    assert set(values.values()) <= figures(row.row), row.row
    best = min if "lower" in row.figure else max
    assert values[row.best] == best(values.values())
    assert row.why.endswith(".")
    assert row.sentence.startswith(f"Best for such a signal in our benchmark: {row.best} ({row.row}")


def test_every_kind_of_signal_has_a_family():
    for kind in kinds.KINDS:
        assert family_of(kind) in MEASURED
