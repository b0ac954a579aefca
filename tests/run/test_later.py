"""A panel that is made when it is looked at: what is known of it before is what it turns out to be."""

from __future__ import annotations

import torch

from gsjbu.run import panels
from gsjbu.run.later import Later


def test_its_facts_cost_nothing_and_are_right():
    whole = panels.depth({"lr": torch.rand(1, 6, 8)})[0]
    made: list[int] = []

    def make() -> panels.Panel:
        made.append(1)
        return whole

    later = Later(panels.depth({"lr": torch.rand(1, 2, 2)})[0], (6, 8), make)
    facts = later.as_dict()
    assert made == []
    assert not later.is_made
    assert later.png() == whole.png()
    assert torch.equal(later.values, whole.values)
    assert later.picture is whole.picture
    assert made == [1]
    known = {"name", "group", "title", "sentence", "width", "height", "unit", "legend"}
    assert {key: facts[key] for key in known} == {key: whole.as_dict()[key] for key in known}
