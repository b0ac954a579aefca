"""All signals of a film are of one kind, told from all of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gsjbu.cli.glances import Glance, are_of_one_grid, of_one_kind
from gsjbu.errors import GsjbuError
from gsjbu.io.signals import understand

DEPTH = Glance("depth", 1, False, (), (0.5, 4.0))
LABELS = Glance("labels", 1, True, (0, 3), (0.0, 3.0))


def named(*glances: Glance) -> dict[Path, Glance]:
    return {Path(f"{k}.npy"): one for k, one in enumerate(glances)}


def test_a_glance_tells_what_was_brought():
    y, x = np.mgrid[:12, :18]
    assert Glance.at(understand((1 + 0.1 * x + 0.05 * y).astype("f4"))) == Glance(
        "depth", 1, False, (), (1.0, pytest.approx(1 + 1.7 + 0.55)), (12, 18)
    )
    labels = Glance.at(understand((3 * (x // 6 + y // 6) % 9).astype("u1")))
    assert (labels.kind, labels.channels, labels.whole, labels.codes) == ("labels", 1, True, (0, 3, 6))
    assert Glance.at(understand(np.full((4, 6), 2.0, "f4"))).flat and not labels.flat


def test_enlargements_of_a_film_are_of_one_grid_or_are_kept():
    one = replace(DEPTH, size=(8, 8), enlarged=True)
    other, blank = replace(DEPTH, size=(16, 16)), replace(DEPTH, size=(16, 16), range=(1.0, 1.0))
    assert are_of_one_grid([one, one], whole=True) and are_of_one_grid([other, blank], whole=True)
    assert not are_of_one_grid([one, other], whole=False)
    assert are_of_one_grid([one, blank], whole=False) and not are_of_one_grid([one, blank], whole=True)


def test_the_kind_of_most_is_that_of_all_and_it_is_said():
    heat = replace(DEPTH, kind="heat_map")
    kinds, told = of_one_kind(named(DEPTH, heat, DEPTH))
    assert kinds == {Path("1.npy"): "depth"}
    assert len(told) == 1 and "1.npy heat map" in told[0] and "--kind" in told[0]
    assert of_one_kind(named(DEPTH, DEPTH)) == ({}, [])
    assert of_one_kind({}) == ({}, [])


def test_a_flat_file_says_nothing_of_the_kind_and_takes_that_of_the_others():
    flat = replace(LABELS, codes=(0,), range=(0.0, 0.0))
    assert of_one_kind(named(flat, DEPTH)) == ({Path("0.npy"): "depth"}, [])
    assert of_one_kind(named(flat, flat)) == ({}, [])


@pytest.mark.parametrize("other", [LABELS, replace(DEPTH, channels=3)])
def test_files_that_differ_in_what_they_hold_are_refused_by_name(other):
    with pytest.raises(GsjbuError, match=r"0\.npy is depth .*, 2\.npy is .*Give those of one kind"):
        of_one_kind(named(DEPTH, DEPTH, other))
