"""The table of recipes: shares that add up, and a refinement that goes as far as the guide is trusted."""

from __future__ import annotations

import pytest

from gsjbu.core.recipes import RECIPE_OF, RECIPES, STEPS


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("step", [1.0, 8.0, 64.0])
def test_shares_leave_something_or_nothing_to_the_first_set(name, step):
    recipe = RECIPES[name]
    for trust in (0.0, 0.3, 1.0):
        plain, second = recipe.shares(step, trust)
        assert 0 <= plain <= 1 and 0 <= second <= 1 - plain
    assert recipe.shares(step, 0.0)[0] == recipe.plain_share_untrusted >= recipe.shares(step, 1.0)[0]


@pytest.mark.parametrize("name", RECIPES)
def test_an_untrusted_guides_edges_are_not_followed_afterwards(name):
    refined = RECIPES[name].refined(16.0, 0.0)
    assert refined is None or (refined.graph == 0 and not refined.strengths and refined.counts)
    whole = RECIPES[name].refined(14.0, 1.0)
    if whole is not None and whole.graph:
        half = RECIPES[name].refined(14.0, 0.5)
        assert half is not None and half.graph == whole.graph / 2


def test_finer_strides_smooth_more_down_to_eight_pixels_and_less_below():
    recipe = RECIPES["scores"]
    first = [recipe.refined(step, 1.0).strengths[0] for step in (2.0, 4.0, 8.0, 16.0)]
    assert first == pytest.approx([first[2] / 256, first[2] / 16, 2 * 24.5**2, first[2] / 4])


def test_what_a_person_says_leads_to_a_recipe_and_no_fit_is_longer_than_the_bound():
    assert set(RECIPE_OF.values()) <= set(RECIPES)
    assert all(max(r.first_steps, r.second_steps) <= STEPS for r in RECIPES.values())
    sentences = [recipe.sentence for recipe in RECIPES.values()]
    assert all(text.endswith(".") for text in sentences)


def test_the_more_cells_have_no_value_the_fewer_steps_a_fit_takes() -> None:
    gaps, whole = RECIPES["gaps"], RECIPES["measured"]
    assert gaps.steps(STEPS, 0.0, 0.5) == whole.steps(STEPS, 0.9, 0.0) == (STEPS, STEPS)
    assert gaps.steps(STEPS, 0.175, 0.5) == gaps.steps(STEPS, 0.0, 0.1) == (STEPS // 2, STEPS // 2)
    assert gaps.steps(STEPS, 0.35, 1.0) == gaps.steps(STEPS, 1.0, 1.0) == gaps.steps(STEPS, 0, -1.0) == (0, 0)
    assert [gaps.steps(most, 0.0, 1.0) for most in (0, 1, 2)] == [(0, 0), (1, 1), (2, 2)]
    for unfitted in (RECIPES["filled"], RECIPES["even"]):
        assert unfitted.first_steps == 0 and unfitted.second is None


def test_the_refinement_of_shares_is_weaker_at_fine_strides() -> None:
    shares = RECIPES["shares"]
    full, fine = shares.refined(16, 1.0), shares.refined(4, 1.0)
    assert full is not None and fine is not None
    assert shares.refined(32, 1.0) == full == shares.refinement
    assert fine.graph == full.graph / 2 and fine.counts and shares.refined(8, 1.0).graph == full.graph
    assert fine.strengths == tuple(s / 16 for s in full.strengths)


def test_the_graph_is_weaker_at_fine_strides_of_odds_at_finer_ones() -> None:
    measured, odds = RECIPES["measured"], RECIPES["odds"]
    graph = [measured.refined(step, 1.0).graph for step in (2, 4, 8, 16, 32)]
    assert graph == [0.125, 0.25, 0.5, 0.5, 0.5]
    assert [odds.refined(step, 1.0).graph for step in (2, 4, 8, 16, 32)] == [0.25, 0.5, 0.5, 0.5, 0.5]
