"""What each way is there for, and which measured best."""

from __future__ import annotations

import pytest

from gsjbu.run.methods import methods

TRIO = ("bilinear", "gsjbu", "auto")


def roles(objective: str, ids: tuple[str, ...], family: str | None) -> dict[str, str]:
    return {one.id: one.role for one in methods("signal", ids, objective, family)}


def best(objective: str, ids: tuple[str, ...], family: str | None) -> list[str]:
    return [one.id for one in methods("signal", ids, objective, family) if one.measured_best]


def test_three_stand_side_by_side():
    assert roles("suited", TRIO, "depth") == {"bilinear": "plain", "gsjbu": "paper", "auto": "suited"}
    assert best("suited", TRIO, "depth") == ["auto"]


def test_the_image_is_what_the_papers_kernel_is_for():
    assert best("suited", TRIO[:2], None) == ["gsjbu"]


@pytest.mark.parametrize(
    ("objective", "role", "is_best"), [("rgb", "paper", []), ("signal", "chosen", []), ("auto", "suited", ["gsjbu"])]
)
def test_an_objective_chosen_by_hand_is_what_goes_by_gs_jbu(objective, role, is_best):
    assert roles(objective, TRIO[:2], "depth")["gsjbu"] == role
    assert best(objective, TRIO[:2], "depth") == is_best


def test_every_way_of_a_run_has_a_role():
    every = (*TRIO, "bicubic", "fixed", "tto_rgb", "tto_signal")
    assert set(roles("suited", every, "labels")) == set(every)
