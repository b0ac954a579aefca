"""CIELAB against known colours, and against opencv's where it is."""

from __future__ import annotations

import numpy as np
import pytest

from gsjbu.core.refinement.lab import colours
from tests.core.refinement.cases import THREADS, draw

# Colour, and its L*, a*, b* (D65) by the published formulas.
KNOWN = (
    ((0, 0, 0), (0, 0, 0)),
    ((1, 1, 1), (100, 0, 0)),
    ((1, 0, 0), (53.24, 80.09, 67.20)),
    ((0, 1, 0), (87.73, -86.18, 83.18)),
    ((0, 0, 1), (32.30, 79.19, -107.86)),
    ((0.02, 0.02, 0.02), (1.40, 0, 0)),  # the straight parts near black
)


@pytest.mark.parametrize(("rgb", "lab"), KNOWN)
def test_known_colours(rgb, lab) -> None:
    got = colours(np.array(rgb, np.float32).reshape(3, 1, 1)).ravel() * 100
    np.testing.assert_allclose(got, lab, atol=0.05)


def test_as_opencv_has_it() -> None:
    cv2 = pytest.importorskip("cv2", reason="opencv is not installed")
    guide = draw().random((3, 19, 23)).astype(np.float32)
    theirs = cv2.cvtColor(np.ascontiguousarray(guide.transpose(1, 2, 0)), cv2.COLOR_RGB2LAB) / 100
    # Theirs is read from tables: 4e-3 at most was measured.
    np.testing.assert_allclose(colours(guide), theirs.transpose(2, 0, 1), atol=8e-3)


def test_other_guides_stay_as_they_are_and_threads_change_nothing() -> None:
    for channels in (1, 2, 4):
        guide = draw().random((channels, 5, 6)).astype(np.float32)
        assert colours(guide) is guide
    guide = draw(1).random((3, 11, 7)).astype(np.float32)
    assert all(np.array_equal(colours(guide, n), colours(guide, 1)) for n in THREADS)
