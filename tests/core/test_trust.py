"""A guide is followed as far as its colours help to predict the signal."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from benchmarks import families
from gsjbu.core import trust
from gsjbu.core.grid import Grid
from gsjbu.core.threads import torch_threads
from gsjbu.core.trust import GAIN_TRUSTED, Explained, trust_in, trust_of, trust_of_scores, trust_of_shares
from gsjbu.samples import SAMPLES
from tests.quarters import quarter


def test_the_guide_is_trusted_where_its_colours_foretell_the_signal() -> None:
    scene = quarter("spheres", "labels", 8)
    own = scene.grid.cell_means(scene.image)
    gain = Explained(scene.signal, own).gain()
    assert gain > GAIN_TRUSTED
    assert Explained(scene.signal, own.flip(1, 2)).gain() < gain / 2
    many = scene.signal.repeat(20, 1, 1)  # the projection to a few channels changes little
    assert Explained(many, own).gain() == pytest.approx(gain, rel=0.3)
    assert Explained(torch.ones(2, 5, 5), torch.rand(3, 5, 5)).gain() == 0
    assert Explained(torch.rand(2, 1, 1), torch.rand(3, 1, 1)).gain() == 0


def test_scores_are_put_to_the_test_with_their_logarithms() -> None:
    scene = quarter("spheres", "labels", 16)
    guide = scene.grid.cell_means(scene.image)
    off = torch.randn(scene.signal.shape, generator=torch.Generator().manual_seed(0))
    own = torch.softmax(6 * scene.signal + 0.3 * off, 0)
    assert trust_of_scores(Explained(own, guide)) == 1
    for name in ("paper", "still_life"):
        foreign = scene.grid.cell_means(quarter(name, "labels", 16).image)
        assert trust_of_scores(Explained(own, foreign)) == 0


def test_scores_are_followed_where_the_gain_shows_in_most_cells_though_their_logarithms_are_noise() -> None:
    scene = SAMPLES["paper"]
    grid = Grid.from_stride(*scene.image.shape[1:], 8)
    shares = grid.cell_means(F.one_hot(scene.labels, len(scene.label_names)).permute(2, 0, 1).float())
    soft = F.avg_pool2d(F.pad(shares[None], (1, 1, 1, 1), mode="replicate"), 3, 1)[0]
    off = torch.randn(soft.shape, generator=torch.Generator().manual_seed(0))
    output = (1.3 * (soft + 0.01).log() + 0.35 * off).softmax(0)
    own = Explained(output, grid.cell_means(scene.image))
    assert own.gain() + 2 * own.logs.gain() < 0
    assert trust_of_scores(own) == 1
    for name in ("spheres", "wires", "still_life"):
        assert trust_of_scores(own.over(grid.cell_means(SAMPLES[name].image))) == 0


def by_hand(values: np.ndarray, guide: np.ndarray, kappa: float) -> np.ndarray:
    """Each cell from a plane through its neighbours, by numpy's least squares; squared errors [h, w]."""
    rows, cols = values.shape[1:]
    out = np.zeros((rows, cols))
    for i in range(rows):
        for j in range(cols):
            near = [(y, x) for y in range(-2, 3) for x in range(-2, 3) if (y or x)
                    and 0 <= i + y < rows and 0 <= j + x < cols]  # fmt: skip
            at = tuple(np.array([(i + y, j + x) for y, x in near]).T)
            y, x = np.array(near, float).T
            unlike = np.square(guide[:, at[0], at[1]] - guide[:, i, j][:, None]).sum(axis=0)
            w = np.exp(-(x * x + y * y) / (2 * trust.GAIN_SIGMA**2) - kappa * unlike) + 1e-9
            # the ridge is on steps from the centre of gravity: two rows more, of weight w
            cx, cy = (w * x).sum() / w.sum(), (w * y).sum() / w.sum()
            root = np.sqrt(np.append(w, [trust.RIDGE * w.sum()] * 2))
            design = np.stack([np.append(np.ones_like(x), [0, 0]), np.append(x - cx, [1, 0]),
                               np.append(y - cy, [0, 1])], axis=1)  # fmt: skip
            for v in values:
                right = np.append(v[at], [0, 0])
                level, a, b = np.linalg.lstsq(root[:, None] * design, root * right, rcond=None)[0]
                out[i, j] += (level - a * cx - b * cy - v[i, j]) ** 2
    return out


def test_planes_through_neighbours_are_least_squares() -> None:
    draw = np.random.default_rng(0)
    values, guide = (draw.random((c, 6, 7)).astype(np.float32) for c in (2, 3))
    got = trust._errors(values, torch.from_numpy(guide), None, ramps=True)
    for found, kappa in zip(got, (0.0, *(0.5 / t**2 for t in trust.GAIN_TOLERANCES)), strict=True):
        np.testing.assert_allclose(found, by_hand(values, guide, kappa), rtol=2e-4, atol=1e-6)


@pytest.mark.parametrize("ramps", [False, True])
def test_bands_are_seams_that_do_not_show(monkeypatch, ramps) -> None:
    draw = torch.Generator().manual_seed(0)
    values, guide = torch.rand(2, 13, 9, generator=draw).numpy(), torch.rand(3, 13, 9, generator=draw)
    for seen in (None, torch.rand(13, 9, generator=draw) > 0.3):
        right = trust._errors(values, guide, seen, ramps)
        monkeypatch.setattr(trust, "BAND", 1)
        np.testing.assert_array_equal(trust._errors(values, guide, seen, ramps), right)
        monkeypatch.undo()


def test_what_rises_evenly_is_explained_by_planes() -> None:
    """Ground in perspective, and bodies on it: means over neighbours of one colour lose, planes gain."""
    scenes = list(families._quantity(families.nearness, 8))
    guides = [scene.grid.cell_means(scene.image) for scene in scenes]
    for k in range(2):
        explained = Explained(scenes[k].signal, guides[k])
        assert explained.gain() < 0 < explained.gain(ramps=True)
        assert trust_of(explained) > 0.9
        assert trust_in("sampled", explained) == 0  # samples are mixed only, and no mixture follows a plane
        assert trust_of(Explained(scenes[k].signal, guides[k - 1])) == 0
        few = Explained(scenes[k].signal[:, ::2, ::2], guides[k][:, ::2, ::2])
        assert trust_of(few) < 1  # few cells tell less


def test_shares_are_trusted_where_the_gain_is_not_a_corners() -> None:
    foam = list(families._labels(families.foam, 8))
    assert Explained(foam[1].signal, foam[1].grid.cell_means(foam[1].image)).gain() > trust.GAIN_UNRELATED
    for scene in foam:
        assert trust_of_shares(Explained(scene.signal, scene.grid.cell_means(scene.image))) == 0
    scene = quarter("paper", "labels", 16)
    assert trust_of_shares(Explained(scene.signal, scene.grid.cell_means(scene.image))) == 1


def test_each_figure_is_asked_once(monkeypatch) -> None:
    scene = quarter("spheres", "labels", 16)
    own = scene.grid.cell_means(scene.image)
    other = own.flip(1)
    afresh = {
        "own": lambda: Explained(scene.signal, own),
        "other": lambda: Explained(scene.signal, other),
        "logs": lambda: Explained(scene.signal, other).logs,
    }
    wanted = {(name, ramps): made().gain(ramps) for name, made in afresh.items() for ramps in (False, True)}
    asked = []
    monkeypatch.setattr(trust, "_errors", lambda *given, real=trust._errors: asked.append(given[3]) or real(*given))
    explained = Explained(scene.signal, own)
    there = explained.over(other)
    for ramps in (False, True, False):
        assert explained.gain(ramps) == wanted["own", ramps]
        assert explained.more(there, ramps) == wanted["other", ramps] - wanted["own", ramps]
        assert there.logs.gain(ramps) == wanted["logs", ramps]
    assert not trust.is_smoother(explained) and trust_of_shares(explained) > 0  # of the same errors
    assert asked == [False, False, False, True, True, True]
    assert explained.logs.lr_guide is own and explained.over(own).logs is not explained.logs
    assert explained.cells == own[0].numel()
    assert Explained(scene.signal, own, torch.eye(*own.shape[1:]) > 0).cells == min(own.shape[1:])


def test_what_is_smoother_than_the_guide_tells_is_told() -> None:
    y, x = np.mgrid[:40, :50] / 8
    field = torch.from_numpy(np.sin(x + 0.5 * y) + np.cos(y)).float()[None]
    texture = torch.rand(3, 40, 50, generator=torch.Generator().manual_seed(0))
    shown = 0.5 + 0.2 * field + 0.1 * (texture - 0.5)
    for guide in (texture, shown):
        assert trust.is_smoother(Explained(field, guide))
        assert trust.is_smoother(Explained(field.repeat(12, 1, 1), guide))
    holes = torch.rand(40, 50) < 0.9
    assert not trust.is_smoother(Explained(field, texture, holes))
    assert not trust.is_smoother(Explained(field[:, :4], texture[:, :4]))
    for scene in (quarter("spheres", "depth", 8), *families._quantity(families.nearness, 8)):
        assert not trust.is_smoother(Explained(scene.signal, scene.grid.cell_means(scene.image)))


def test_where_no_border_stands_out_a_surface_need_not_be_much_better() -> None:
    draw = torch.Generator().manual_seed(1)
    near = torch.exp(-(torch.arange(-5, 6) ** 2) / 2)
    weights = (near / near.sum()).view(1, 1, 1, -1)
    smoke = torch.randn(1, 1, 50, 60, generator=draw)
    smoke = F.conv2d(F.conv2d(smoke, weights), weights.mT)[0]
    smoke = smoke / smoke.std()
    shown = Explained(smoke, 0.5 + 0.2 * smoke + 0.05 * torch.randn(3, *smoke.shape[1:], generator=draw))
    assert trust.is_smoother(shown) and not trust.is_smoother(shown, trust.SMOOTHER)
    x = torch.arange(60.0)
    ramps = torch.where(x < 30, x, 70 - x).expand(1, 50, 60) / 64
    shown = Explained(ramps, 0.5 + 0.2 * ramps + 0.05 * torch.randn(3, 50, 60, generator=draw))
    assert trust.is_smoother(shown) == trust.is_smoother(shown, trust.SMOOTHER)


def test_many_cells_are_asked_in_bands_over_the_image(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = quarter("spheres", "labels", 4)
    own = scene.grid.cell_means(scene.image)
    for ramps in (False, True):
        of_all = Explained(scene.signal, own)
        with monkeypatch.context() as patch:
            patch.setattr(trust, "MOST_CELLS", scene.grid.rows * scene.grid.cols // 2)
            patch.setattr(trust, "STRIPE", 4)
            some = Explained(scene.signal, own)
            assert some.errors(ramps).shape[1] == pytest.approx(scene.grid.rows / 2, abs=4)
            assert some.gain(ramps) == pytest.approx(of_all.gain(ramps), rel=0.2)
            assert all(0 <= rows.start < rows.stop <= 100 for cols in (1, 7, 5000) for rows in stripes_of(100, cols))


def stripes_of(rows: int, cols: int) -> list[slice]:
    return trust._stripes(rows, cols, max(1, trust.BAND // cols))


def test_the_same_for_any_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trust, "BAND", 500)
    scene = quarter("spheres", "labels", 8)
    own = scene.grid.cell_means(scene.image)
    errors = []
    for count in (1, 2, 3):
        with torch_threads(count):
            errors.append(Explained(scene.signal, own).errors(ramps=True))
    assert errors[0].tobytes() == errors[1].tobytes() == errors[2].tobytes()
