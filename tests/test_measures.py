"""Whether more of a figure is better is said in one place, and the page says the same."""

from __future__ import annotations

import re
from itertools import chain
from pathlib import Path

from gsjbu.measures import MORE_IS_BETTER, UNITS
from gsjbu.run.scores import DECISIVE

REPORT_JS = Path(__file__).parents[1] / "static" / "js" / "report.js"


def test_the_page_says_the_same_of_every_measure() -> None:
    script = REPORT_JS.read_text(encoding="utf-8")
    found = re.findall(r"^  (\w+): \{ words: .*better: (-?1)", script, re.MULTILINE)
    assert {name: way == "1" for name, way in found} == MORE_IS_BETTER


def test_what_decides_and_has_a_unit_is_a_measure() -> None:
    assert {*chain(*DECISIVE.values()), *UNITS} <= MORE_IS_BETTER.keys()
