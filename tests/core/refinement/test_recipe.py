"""A refinement as numbers: what it suits, what it says, what a file may say of it."""

from __future__ import annotations

import pytest
import torch

from gsjbu.core.refinement.recipe import Refinement, checked, log_odds

ALL = Refinement(graph=0.5, counts=True, strengths=(200.0, 100.0), lines=0.7)


@pytest.mark.parametrize("made", [Refinement(), ALL, Refinement(strengths=(3.0,), tolerance=0.01, logs=True)])
def test_a_file_gives_back_what_it_was_given(made) -> None:
    assert checked(made.as_dict()) == made


WRONG = [
    {"graph": -0.1}, {"graph": 2}, {"graph": float("nan")}, {"lines": 1.5}, {"counts": 1}, {"tolerance": 0},
    {"logs": 1}, {"odds": 1}, {"steps": -1}, {"steps": 1.5}, {"strengths": [-1.0]}, {"strengths": [float("inf")]},
    {"strengths": ["much"]}, {"strengths": [1.0] * 101},
]  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG, ids=str)
def test_numbers_that_make_no_sense_are_refused(wrong) -> None:
    with pytest.raises(ValueError):
        checked({**ALL.as_dict(), **wrong})


def test_unknown_and_missing_names_are_refused() -> None:
    with pytest.raises(TypeError):
        checked({**ALL.as_dict(), "sharpen": 1})
    with pytest.raises(KeyError):
        checked({"graph": 0.5})


def test_counts_and_logs_suit_shares_only_and_the_rest_suits_anything() -> None:
    shares = torch.softmax(torch.randn(3, 4, 5, generator=torch.Generator().manual_seed(0)), 0)
    assert ALL.suits(shares) and ALL.suits(shares[:2])
    assert not ALL.suits(3 * shares) and not ALL.suits(-shares)
    assert not Refinement(logs=True).suits(3 * shares)
    assert Refinement(graph=0.5).suits(3 * shares)


def test_log_odds_suit_one_mask() -> None:
    mask = torch.tensor([[[0.0, 1.0], [0.5, 0.9]]])
    assert Refinement(odds=True).suits(mask) and not Refinement(odds=True).suits(3 * mask)
    assert not Refinement(odds=True).suits(torch.cat([mask, 1 - mask]))
    got = log_odds(mask)
    assert torch.isfinite(got).all() and got[0, 1, 0] == 0
    torch.testing.assert_close(got.sigmoid(), mask, atol=1e-5, rtol=0)  # SUREST, and float32 near 1
    for dtype in (torch.float16, torch.bfloat16, torch.float64):  # of which 1 − SUREST may be 1
        assert log_odds(mask.to(dtype)).isfinite().all() and log_odds(mask.to(dtype)).dtype == torch.float32


def test_only_smoothing_is_pure_mixing() -> None:
    assert Refinement(strengths=(3.0,)).is_pure and Refinement().is_pure
    assert not Refinement(graph=0.5).is_pure and not Refinement(counts=True).is_pure
    assert not Refinement(strengths=(3.0,), logs=True).is_pure and not Refinement(odds=True).is_pure


def test_the_sentence_names_the_steps_there_are() -> None:
    assert "graph" in ALL.sentence and "line by line" in ALL.sentence and "classes" in ALL.sentence
    assert "graph" not in Refinement(counts=True).sentence
