"""Names of classes by number."""

from __future__ import annotations

import pytest

from gsjbu.io.names import names_of


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_line_is_a_name_whatever_else_it_holds(tmp_path, end):
    (tmp_path / "names.txt").write_bytes(end.join(["road", "a\u2028b\x85c\x0cd", "", "sky", ""]).encode())
    assert names_of(tmp_path / "names.txt") == ("road", "a\u2028b\x85c\x0cd", "", "sky")
