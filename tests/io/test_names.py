"""Names of classes by number."""

from __future__ import annotations

import numpy as np
import pytest

from gsjbu.errors import SignalError
from gsjbu.io.names import names_of
from gsjbu.io.signals import understand


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_line_is_a_name_whatever_else_it_holds(tmp_path, end):
    (tmp_path / "names.txt").write_bytes(end.join(["road", "a\u2028b\x85c\x0cd", "", "sky", ""]).encode())
    assert names_of(tmp_path / "names.txt") == ("road", "a\u2028b\x85c\x0cd", "", "sky")


@pytest.mark.parametrize(
    "names",
    [
        ["sky", "class 1", "road"],
        {0: "sky", 2: "road"},
        {"0": "sky", "2": "road"},
        {"id2label": {"0": "sky", "2": "road"}},
    ],
)
def test_the_library_takes_a_list_or_a_map_of_numbers(names):
    classes = np.array([[0, 2], [2, 0]]).repeat(3, 0).repeat(4, 1)
    assert understand(classes, names=names).names == ("sky", "road")


@pytest.mark.parametrize("names", [["sky", 1], [None] * 3, {"sky": "road"}, {-1: "sky"}, 7, "sky"])
def test_what_is_no_list_of_names_is_refused(names):
    with pytest.raises(SignalError, match="names"):
        understand(np.array([[0, 2], [2, 0]]).repeat(3, 0), names=names)
