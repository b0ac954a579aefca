"""The objective auto: it tells kinds of signals apart, never does worse than bilinear, and says what it did."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.ndimage import gaussian_filter

import gsjbu
from benchmarks import families, spoilt
from benchmarks.scenes import Scene, fitted_to, label_scene, noisy, read_labels
from examples.probability_upsampling import coarse_network
from gsjbu.core import auto, clipping
from gsjbu.core.gaps import fill, is_filled, without_stand_ins
from gsjbu.core.grid import Grid
from gsjbu.core.interpolation import bicubic, bilinear
from gsjbu.core.kind import kind_of
from gsjbu.core.recipes import RECIPES
from gsjbu.errors import ShapeError
from gsjbu.samples import SAMPLES
from tests.oracle_cases import one_torch_thread
from tests.quarters import quarter

__all__ = ["one_torch_thread"]  # a fixture: it is used by being here


def auto_fit(image, grid, signal, **options) -> gsjbu.Kernel:
    """A fit by the objective ``auto`` on a grid of one's own."""
    return gsjbu.fit(image, grid=grid, signal=signal, objective="auto", **options)


def error(result: torch.Tensor, scene: Scene) -> float:
    """Lower is better: RMSE of depth, share of wrong pixels of labels."""
    valid = torch.from_numpy(scene.valid)
    if scene.classes is None:
        off = result[0].double() - torch.from_numpy(scene.truth)
        return float(off[valid].square().mean().sqrt())
    wrong = torch.from_numpy(scene.classes)[result.argmax(0)] != torch.from_numpy(scene.truth)
    return float(wrong[valid].double().mean())


def upsampled(scene: Scene, image: torch.Tensor | None = None) -> tuple[torch.Tensor, gsjbu.Kernel]:
    kernel = gsjbu.fit(
        scene.image if image is None else image, objective="auto", signal=scene.signal,
        lr_size=tuple(scene.signal.shape[1:]), threads=1,
    )  # fmt: skip
    return kernel.render(scene.signal), kernel


CASES = [(name, kind, s) for name in SAMPLES for kind in ("depth", "labels") for s in (8, 16)]


@pytest.mark.parametrize(("name", "kind", "s"), CASES)
def test_on_built_in_scenes_better_than_bilinear_and_bicubic(name, kind, s) -> None:
    scene = quarter(name, kind, s)
    result, _ = upsampled(scene)
    plain = min(error(way(scene.signal, scene.grid), scene) for way in (bilinear, bicubic))
    assert error(result, scene) <= 1.01 * plain


@pytest.mark.parametrize("noise", ["gauss", "salt10", "salt20"])
@pytest.mark.parametrize(("name", "kind"), [("spheres", "labels"), ("paper", "depth")])
def test_noise_in_the_guide_is_survived_and_told(name, kind, noise) -> None:
    scene = quarter(name, kind, 16)
    result, kernel = upsampled(scene, noisy(scene.image, noise))
    plain = min(error(way(scene.signal, scene.grid), scene) for way in (bilinear, bicubic))
    assert error(result, scene) <= 1.01 * plain
    assert ("salt-and-pepper" if noise != "gauss" else "noisy") in kernel.notes[0]


@pytest.mark.parametrize(("name", "kind"), [("spheres", "labels"), ("spheres", "depth"), ("paper", "labels")])
def test_an_unrelated_guide_costs_nothing_against_bilinear_and_is_told(name, kind) -> None:
    scene = quarter(name, kind, 16)
    stranger = fitted_to(SAMPLES["wires"].image, scene)
    result, kernel = upsampled(scene, stranger)
    assert error(result, scene) <= 1.01 * error(bilinear(scene.signal, scene.grid), scene)
    assert any("does not explain" in note or "explains little" in note for note in kernel.notes)
    own = upsampled(scene)[1]
    assert not any("explain" in note for note in own.notes)
    assert own.blend is not None and kernel.blend is not None
    assert kernel.blend.plain_share > own.blend.plain_share


@pytest.mark.parametrize(("folder", "s"), [("camvid_0001TP_008550", 16), ("voc_2007_004189", 16)])
def test_on_photographs_better_than_bilinear_and_bicubic(data_dir, folder, s) -> None:
    image, labels = read_labels(data_dir / "seg" / folder)
    scene = label_scene(folder, image, labels, s)
    result, kernel = upsampled(scene)
    assert not kernel.is_pure
    plain = min(error(way(scene.signal, scene.grid), scene) for way in (bilinear, bicubic))
    assert error(result, scene) < plain


def test_measured_depth_is_better_than_the_plain_signal_fit(data_dir) -> None:
    from benchmarks.scenes import ROWS

    row = next(r for r in ROWS if r.name == "depth ×8")
    scene = next(s for s in row.load() if s.name == "mb03_cones")
    result, _ = upsampled(scene)
    only_fit = gsjbu.fit(scene.image, objective="signal", signal=scene.signal, grid=scene.grid, iters=20, threads=1)
    assert error(result, scene) < 0.98 * error(only_fit.render(scene.signal), scene)
    assert error(result, scene) < 0.75 * error(bilinear(scene.signal, scene.grid), scene)


# --- kinds of signals ----------------------------------------------------------------------------------------------


def test_a_networks_output_is_only_mixed_and_smoothed() -> None:
    sample = SAMPLES["spheres"]
    grid = Grid.from_stride(512, 512, 16)
    scores = torch.softmax(torch.randn(5, 32, 32, generator=torch.Generator().manual_seed(0)), 0)
    kernel = auto_fit(sample.image, grid, scores, iters=2, threads=1)
    high = kernel.render(scores)
    assert float(high.min()) >= 0 and float(high.max()) <= 1
    assert kernel.blend is not None and kernel.blend.is_pure
    torch.testing.assert_close(high.sum(0), torch.ones(512, 512), atol=1e-4, rtol=0)


def test_a_mask_is_upsampled_as_its_log_odds() -> None:
    """Those of what the refinement makes of the mixture of log odds; gaps stay gaps; other signals are mixed."""
    scene = quarter("spheres", "labels", 16)
    mask = (0.1 + 0.8 * scene.signal[1:2]).logit().sigmoid()
    kernel = auto_fit(scene.image, scene.grid, mask, kind="probabilities", iters=5, threads=1)
    assert kernel.refinement is not None and kernel.refinement.odds
    high = kernel.render(mask, threads=1)
    plain = replace(kernel, refinement=replace(kernel.refinement, odds=False))
    torch.testing.assert_close(high, plain.render(mask.logit(), threads=1).sigmoid(), atol=1e-6, rtol=0)
    assert float(high.min()) >= 0 and float(high.max()) <= 1

    known = torch.ones(mask.shape[1:], dtype=torch.bool)
    known[2:4, 3:5] = False
    hole = kernel.render(torch.where(known, mask, torch.nan).nan_to_num(0.5), mask=known, threads=1)
    other = kernel.render(torch.where(known, mask, 0.99), mask=known, threads=1)
    torch.testing.assert_close(hole, other, equal_nan=True)

    two = torch.cat([mask, 1 - mask])
    torch.testing.assert_close(kernel.render(two), replace(kernel, refinement=None).render(two))


@pytest.mark.parametrize("low", [0.03, 0.4, 0.65])
@pytest.mark.parametrize("holed", [False, True])
def test_clip_holds_a_mask_in_the_range_of_its_window_too(low: float, holed: bool) -> None:
    """No pixel is of an object that no cell around is of."""
    scene = quarter("spheres", "labels", 16)
    noise = torch.rand(scene.signal[:1].shape, generator=torch.Generator().manual_seed(0))
    mask = low + 0.25 * scene.signal[1:2] + 0.05 * noise
    known = torch.ones(mask.shape[1:], dtype=torch.bool)
    known[2:5, 3:6] = not holed
    mask = torch.where(known, mask, 0.99)
    kernel = auto_fit(scene.image, scene.grid, mask, kind="probabilities", iters=2, mask=known, threads=1)
    assert kernel.refinement is not None and kernel.refinement.odds
    free, held = (kernel.render(mask, mask=known, clip=clip, threads=1) for clip in (False, True))
    around = clipping.clip_(torch.full_like(free, 9), mask, scene.grid, kernel.radius, known)
    beneath = clipping.clip_(torch.full_like(free, -9), mask, scene.grid, kernel.radius, known)
    there = held.isfinite() & around.isfinite()
    assert bool((free > around)[there].any())  # or there is nothing to hold
    assert bool((held <= around)[there].all()) and bool((held >= beneath)[there].all())
    inside = there & (free <= around) & (free >= beneath)
    assert torch.equal(held[inside], free[inside])


def test_the_image_is_followed_where_a_masks_log_odds_follow_it() -> None:
    """A network's mask of a ball: nearer the truth than its logits interpolated, and than its probabilities mixed."""
    scene = quarter("spheres", "labels", 16)
    logits = 12 * (scene.signal[1:2] - 0.5) + 0.5 * torch.randn(
        scene.signal[1:2].shape, generator=torch.Generator().manual_seed(1)
    )
    truth = torch.from_numpy(scene.truth == 1)

    def miss(high: torch.Tensor) -> float:
        return float((truth ^ (high[0] > 0.5)).float().mean())

    ours = gsjbu.upsample(scene.image, logits, kind="logits", threads=1)
    assert miss(ours) < 0.8 * miss(bilinear(logits, scene.grid).sigmoid())


def test_cell_means_are_given_back() -> None:
    scene = quarter("paper", "labels", 16)
    result, kernel = upsampled(scene)
    again = scene.grid.cell_means(result)
    fitted = gsjbu.fit(scene.image, objective="signal", signal=scene.signal, grid=scene.grid, iters=20, threads=1)
    alone = scene.grid.cell_means(fitted.render(scene.signal))
    assert (again - scene.signal).square().mean() < 0.1 * (alone - scene.signal).square().mean()
    assert any("not pure mixing" in note for note in kernel.notes)


@pytest.mark.parametrize("name", ["paper", "spheres"])
def test_soft_labels_are_shared_out_as_their_counts_say(name) -> None:
    scene = quarter(name, "labels", 16)
    result, kernel = upsampled(scene)
    assert kernel.refinement is not None and kernel.refinement.counts
    assert any("shares say" in note for note in kernel.notes)
    assert float(result.min()) >= 0 and float(result.max()) <= 1 + 1e-5
    torch.testing.assert_close(scene.grid.cell_means(result), scene.signal, atol=0.05, rtol=0)
    only_mixed = replace(kernel, refinement=None).render(scene.signal)
    assert error(result, scene) < 0.9 * error(only_mixed, scene)


def test_the_graph_makes_depth_better_and_an_untrusted_guide_has_none() -> None:
    scene = quarter("paper", "depth", 16)
    result, kernel = upsampled(scene)
    assert kernel.refinement is not None and kernel.refinement.graph == 0.5
    assert error(result, scene) < error(replace(kernel, refinement=None).render(scene.signal), scene)
    stranger = upsampled(scene, fitted_to(SAMPLES["wires"].image, scene))[1]
    assert stranger.refinement is None or stranger.refinement.graph < 0.5


@pytest.mark.parametrize("name", ["spheres", "paper", "still_life"])
def test_a_map_of_one_class_a_cell_follows_the_whole_images_edges(name) -> None:
    """More than a fifth of the pixels that mixing alone has wrong, it has right."""
    scene = SAMPLES[name]
    truth = scene.labels
    low = F.one_hot(truth[8::16, 8::16], len(scene.label_names)).permute(2, 0, 1).float()
    kernel = gsjbu.fit(scene.image, objective="auto", signal=low, lr_size=low.shape[1:])
    wrong, before = (
        float((k.render(low).argmax(0) != truth).float().mean()) for k in (kernel, replace(kernel, refinement=None))
    )
    assert wrong < 0.8 * before, (wrong, before)


def test_cells_without_a_value_are_found_filled_and_told() -> None:
    scene = quarter("spheres", "depth", 8)
    known = torch.rand(scene.signal.shape[1:], generator=torch.Generator().manual_seed(0)) > 0.5
    held = torch.where(known, scene.signal, scene.signal[:, known].mean())
    kernel = gsjbu.fit(scene.image, objective="auto", signal=held, grid=scene.grid, threads=1)
    assert any("cells without a value" in note for note in kernel.notes)
    got = kernel.render(held)
    torch.testing.assert_close(got, kernel.render(scene.signal, mask=known), equal_nan=True)
    got = torch.where(got.isnan(), scene.signal.mean(), got)
    plain = bilinear(fill(scene.signal, known), scene.grid)
    assert error(got, scene) < error(plain, scene)


def test_blurred_shares_are_told_and_the_blur_is_undone() -> None:
    scene = quarter("paper", "labels", 8)
    blurred = spoilt.blurred(scene)
    assert kind_of(blurred.signal) == "soft"
    result, kernel = upsampled(blurred)
    assert kernel.blur == "1 2 1" and kernel.refinement is not None and kernel.refinement.counts
    assert error(result, scene) < 0.7 * error(bicubic(blurred.signal, scene.grid), scene)


@pytest.mark.parametrize("stride", [8, 16])
def test_shares_that_were_resized_with_antialiasing_are_cells_own_again(stride) -> None:
    scene = quarter("paper", "labels", stride)
    assert scene.classes is not None
    classes = torch.from_numpy((scene.truth == scene.classes[:, None, None]).astype(np.float32))
    wide = F.interpolate(classes[None], scene.signal.shape[1:], mode="bilinear", antialias=True)[0]
    result, kernel = upsampled(replace(scene, signal=wide))
    assert kernel.blur in ("1 10 1", "1 6 1") and kernel.refinement is not None and kernel.refinement.counts
    assert error(result, scene) < 0.85 * error(bicubic(wide, scene.grid), scene)


def test_counts_of_shares_that_are_soft_in_another_way_are_not_matched() -> None:
    scene = quarter("paper", "labels", 8)
    blurred = spoilt.blurred(scene)
    uneven = 0.5 * (blurred.signal + blurred.signal.roll(1, 2))
    soft = replace(blurred, signal=0.98 * uneven + 0.02 * uneven.roll(2, 1))
    assert kind_of(soft.signal) == "soft"
    _, kernel = upsampled(soft)
    assert kernel.blur is None and kernel.refinement is None
    assert any("soft borders" in note for note in kernel.notes)


@pytest.mark.parametrize("stranger", [False, True])
def test_gaps_are_left_out_whether_the_guide_is_trusted_or_not(stranger) -> None:
    scene = quarter("spheres", "depth", 8)
    known = torch.rand(scene.signal.shape[1:], generator=torch.Generator().manual_seed(0)) > 0.5
    held = torch.where(known, scene.signal, scene.signal[:, known].mean())
    image = fitted_to(SAMPLES["wires"].image, scene).flip(1) if stranger else scene.image
    kernel = gsjbu.fit(image, objective="auto", signal=held, grid=scene.grid, threads=1)
    wild = torch.where(known, scene.signal, torch.tensor(1e6))
    torch.testing.assert_close(kernel.render(held), kernel.render(wild, mask=known), equal_nan=True)


@pytest.mark.parametrize("stride", [8, 16])
@pytest.mark.parametrize(
    ("load", "sentence"),
    [
        (partial(families._quantity, families.nearness), "rises evenly"),
        (families._filled, "repeat a neighbour"),
        (partial(families._quantity, families.sparse), "cells without a value"),
    ],
    ids=["nearness", "filled", "sparse"],
)
def test_ground_scans_and_filled_scans_are_no_worse_than_interpolation(load, sentence, stride) -> None:
    """In no scene by more than 2 % (measured: 1.4 %, of scanned ground ×8), and on the whole better."""
    ratios, told = [], 0
    for scene in load(stride):
        known = without_stand_ins(scene.signal)
        kernel = gsjbu.fit(scene.image, objective="auto", signal=scene.signal, grid=scene.grid, threads=1)
        got = kernel.render(scene.signal).nan_to_num(float(scene.signal.mean()))
        whole = scene.signal if known is None else fill(scene.signal, known)
        plain = min(error(way(whole, scene.grid), scene) for way in (bilinear, bicubic))
        ratios.append(error(got, scene) / plain)
        told += any(sentence in note for note in kernel.notes)
    assert max(ratios) <= 1.02
    assert sum(ratios) / len(ratios) <= 0.98
    assert told >= 2


def test_filled_gaps_are_told_from_flat_and_rounded_values() -> None:
    draw = torch.Generator().manual_seed(0)
    signal = torch.rand(1, 32, 32, generator=draw)
    held = fill(signal, torch.rand(32, 32, generator=draw) > 0.5)
    assert is_filled(held) and not is_filled(signal)
    assert not is_filled((4 * signal).round()) and not is_filled((255 * held).round())
    assert not is_filled(signal[:, :, :1].expand(1, 32, 32))
    image = F.interpolate(signal[None], scale_factor=8)[0].expand(3, -1, -1)
    kernel = gsjbu.fit(image, objective="auto", signal=held, lr_size=(32, 32), threads=1)
    assert any("repeat a neighbour" in note for note in kernel.notes)
    assert kernel.losses == []


@pytest.mark.parametrize(("share", "fitted"), [(0.1, True), (0.6, False), ("half", True)])
def test_gaps_all_over_leave_nothing_to_fit_and_it_is_said(share, fitted) -> None:
    scene = quarter("paper", "depth", 8)
    known = torch.rand(scene.signal.shape[1:], generator=torch.Generator().manual_seed(0)) > (
        0 if share == "half" else share
    )
    if share == "half":
        known[:, :16] = False
    kernel = gsjbu.fit(
        scene.image,
        objective="auto",
        signal=fill(scene.signal, known),
        grid=scene.grid,
        mask=known,
        threads=1,
    )
    assert bool(kernel.losses) == fitted
    assert any("too little of them" in note for note in kernel.notes) != fitted


# --- the rest of the contract --------------------------------------------------------------------------------------


def test_a_large_images_fit_looks_at_some_of_its_pixels_and_says_so(monkeypatch) -> None:
    image = F.interpolate(next(iter(SAMPLES.values())).image[None], size=(96, 120), mode="area")[0]
    signal = Grid.from_stride(96, 120, 12).cell_means(image[:1]) * 5
    whole = gsjbu.fit(image, objective="auto", signal=signal, lr_size=(8, 10), threads=1)
    monkeypatch.setattr(auto, "LARGE", 96 * 120 - 1)
    some = gsjbu.fit(image, objective="auto", signal=signal, lr_size=(8, 10), threads=1)
    assert any("one in 9 of them" in note for note in some.notes)
    assert not any("megapixels" in note for note in whole.notes)
    assert not torch.equal(some.raw, whole.raw)
    off = some.render(signal) - whole.render(signal)
    assert float(off.square().mean().sqrt()) < 0.1 * float(whole.render(signal).std())


@pytest.mark.parametrize(("stride", "steps"), [(2, auto.STEPS), (4, auto.STEPS_OF_SMALL), (12, auto.STEPS)])
def test_where_a_step_skips_pixels_of_small_cells_fewer_are_enough(monkeypatch, stride, steps) -> None:
    recipe, grid = RECIPES["measured"], Grid.from_stride(96, 120, stride)
    assert auto._most_steps(recipe, grid) == auto.STEPS
    monkeypatch.setattr(auto, "LARGE", 96 * 120 - 1)
    assert auto._most_steps(recipe, grid) == steps


def test_upsample_uses_it_and_any_size_works() -> None:
    image = torch.rand(3, 37, 50, generator=torch.Generator().manual_seed(0))
    high = gsjbu.upsample(image, torch.rand(2, 7, 9), threads=1)
    assert high.shape == (2, 37, 50) and bool(torch.isfinite(high).all())
    for size in ((1, 1, 1), (3, 2, 3), (40, 3, 4)):
        assert gsjbu.upsample(image, torch.rand(size), threads=1).shape == (size[0], 37, 50)
    flat = gsjbu.upsample(image, torch.full((3, 4, 4), 7.0), threads=1)
    torch.testing.assert_close(flat, torch.full((3, 37, 50), 7.0), atol=1e-4, rtol=0)


def test_without_a_signal_the_guides_own_colours_are_it() -> None:
    image = SAMPLES["paper"].image[:, :128, :128]
    kernel = gsjbu.fit(image, objective="auto", stride=8, threads=1)
    assert kernel.objective == "auto" and len(kernel.losses) == 2 * auto.STEPS
    assert kernel.fits == [auto.STEPS, auto.STEPS]


def test_few_steps_and_progress() -> None:
    scene = quarter("paper", "depth", 16)
    seen: list[int] = []
    kernel = auto_fit(scene.image, scene.grid, scene.signal, iters=5, progress=lambda step, _: seen.append(step))
    assert seen == list(range(20)) and kernel.fits == [10, 10]  # one after the other, two steps an iteration
    assert not auto_fit(scene.image, scene.grid, scene.signal, iters=0).losses
    stopped = auto_fit(scene.image, scene.grid, scene.signal, iters=5, progress=lambda step, _: step < 2)
    assert len(stopped.losses) == 3
    with pytest.raises(KeyError):
        auto_fit(scene.image, scene.grid, scene.signal, iters=5, progress=lambda step, _: {}[step])


def test_same_bits_every_time() -> None:
    scene = quarter("wires", "labels", 16)
    assert torch.equal(upsampled(scene)[0], upsampled(scene)[0])


def test_bad_signals_are_refused() -> None:
    scene = quarter("wires", "labels", 16)
    bad = scene.signal.clone()
    bad[0, 0, 0] = float("nan")
    for signal in (bad, scene.signal[:, 1:], scene.signal[None]):
        with pytest.raises(ShapeError):
            auto_fit(scene.image, scene.grid, signal)


def test_few_edges_are_enough_to_tell_half_a_cell() -> None:
    """One disc: the edges alone are too few to be sure of (DAVIS ×16 is such); what the image explains tells."""
    y, x = np.mgrid[:256, :320]
    inside = (y - 120) ** 2 + (x - 170) ** 2 < 70**2
    image = torch.from_numpy(0.3 + 0.4 * inside + np.random.default_rng(0).normal(0, 0.03, (3, 256, 320))).float()
    grid = Grid.from_stride(256, 320, 16)

    def shares(scene: np.ndarray) -> torch.Tensor:
        return grid.cell_means(torch.from_numpy(np.stack([~scene, scene])).float())

    off = shares(np.roll(inside, (8, 8), (0, 1)))
    kernel = gsjbu.fit(image, grid=grid, objective="auto", signal=off, threads=1)
    assert kernel.offset == (8, 8)
    found = kernel.render(off).argmax(0).numpy() == 1
    assert (found == inside).mean() > 0.99
    for lies in (shares(inside), shares(np.roll(inside, (-8, -8), (0, 1)))):
        assert gsjbu.fit(image, grid=grid, objective="auto", signal=lies, threads=1).offset == (0, 0)


@pytest.mark.parametrize(
    ("stride", "size", "shown"), [(4, 256, True), (4, 254, True), (8, 256, False), (8, 250, False)]
)
def test_a_smooth_quantity_is_better_than_bicubic_whatever_the_image(stride, size, shown) -> None:
    field = torch.from_numpy(
        gaussian_filter(np.random.default_rng(1).normal(size=(size, size)), 9, mode="wrap")
    ).float()[None]
    field = (field - field.min()) / (field.max() - field.min())
    texture = torch.rand(3, size, size, generator=torch.Generator().manual_seed(0))
    image = 0.2 * texture + 0.6 * field if shown else texture
    low = torch.nn.functional.interpolate(field[None], (size // stride,) * 2, mode="area")[0]
    grid = Grid.from_sizes(size, size, *low.shape[1:])
    kernel = auto_fit(image, grid, low, kind="depth")
    assert any("smoother than the image tells" in note for note in kernel.notes)

    def rmse(high: torch.Tensor) -> float:
        return float((high - field).square().mean().sqrt())

    assert rmse(kernel.render(low)) < 0.95 * min(rmse(bilinear(low, grid)), rmse(bicubic(low, grid)))


def test_shares_sum_to_one_where_mixing_overshoots() -> None:
    scene = quarter("paper", "labels", 8)
    blurred = torch.nn.functional.avg_pool2d(scene.signal[None], 3, 1, 1, count_include_pad=False)[0]
    kernel = auto_fit(scene.image, scene.grid, blurred)
    plain = replace(kernel, refinement=None, blur=None)
    held, free = plain.render(blurred, clip=True), plain.render(blurred, clip=False)
    assert free.min() < -1e-3  # or there is nothing to clip
    torch.testing.assert_close(held.sum(dim=0), torch.ones(held.shape[1:]), atol=1e-5, rtol=0)
    assert held.min() >= 0 and held.max() <= 1
    out = np.empty(held.shape, np.float32)
    assert torch.equal(plain.render(blurred, out, clip=True), held) and np.array_equal(out, held.numpy())
    asking = blurred.clone().requires_grad_()
    torch.testing.assert_close(plain.render(asking, clip=True).detach(), held, atol=1e-5, rtol=0)


@pytest.mark.parametrize("stride", [4, 8])
def test_heat_maps_of_several_things_given_as_features_are_interpolated_and_features_are_not(
    stride: int,
) -> None:
    photo = SAMPLES["spheres"].image[:, :256, :256]
    grid = Grid.from_stride(256, 256, stride)
    y, x = (np.mgrid[:256, :256] + 0.5) / 256
    draw = np.random.default_rng(0)
    blobs = np.stack([np.exp(-((x - a) ** 2 + (y - b) ** 2) / 0.01) for a, b in draw.random((12, 2))])
    truth = torch.from_numpy(blobs).float()
    low = grid.cell_means(truth).float()
    kernel = auto_fit(photo, grid, low, kind="features")
    assert kernel.notes[0] == RECIPES["smooth"].sentence

    def rmse(high: torch.Tensor) -> float:
        return float((high - truth).square().mean().sqrt())

    assert rmse(kernel.render(low)) < min(rmse(bilinear(low, grid)), rmse(bicubic(low, grid)))
    rough = torch.from_numpy(draw.normal(size=(12, 3))).float() @ grid.cell_means(photo).float().flatten(1)
    assert auto_fit(photo, grid, rough.reshape(low.shape), kind="features").notes[0] == RECIPES["features"].sentence


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("soft", [10, 12])  # pixels; a cell has 16
def test_soft_maps_of_some_objects_are_no_blur_and_do_not_snap_to_them(seed, soft) -> None:
    y, x = np.mgrid[:320, :320]
    draw = np.random.default_rng(seed)
    image, heat = np.full((320, 320, 3), draw.random(3)), np.zeros((320, 320))
    for i in range(9):
        (cy, cx), (a, b) = draw.uniform(20, 300, 2), draw.uniform(15, 50, 2)
        inside = ((y - cy) / a) ** 2 + ((x - cx) / b) ** 2 < 1
        image[inside] = draw.random(3)
        if i % 3 == 2:
            heat = np.maximum(heat, draw.uniform(0.5, 1) * gaussian_filter(inside.astype(float), soft))
    image = (image + draw.normal(0, 0.03, image.shape)).clip(0, 1)
    truth = torch.from_numpy(heat).float()[None]
    grid = Grid.from_stride(320, 320, 16)
    low = grid.cell_means(truth)
    ours = torch.as_tensor(gsjbu.upsample(image, low[0], kind="heat_map"))
    assert (ours - truth[0]).square().mean() < 0.7 * (bicubic(low, grid) - truth).square().mean()


def test_a_matte_counts_no_pixels_and_a_mask_does_also_in_8_bits() -> None:
    grid = Grid.from_stride(128, 128, 8)
    y, x = np.mgrid[:128, :128]
    away = np.hypot(y - 60, x - 66) - 40
    for inside, levels, counts in (
        (away < 0, None, True), (away < 0, 255, True), ((0.5 - away / 3).clip(0, 1), None, False),
    ):  # fmt: skip
        shares = grid.cell_means(torch.from_numpy(inside.astype(np.float32))[None])
        shares = shares if levels is None else (levels * shares).round() / levels
        assert grid.are_counts(shares.numpy()) is counts
        image = torch.from_numpy(np.stack([inside] * 3)).float() * 0.8 + 0.1
        kernel = auto_fit(image, grid, shares, kind="soft_labels")
        assert (kernel.refinement is not None and kernel.refinement.counts) is counts


def test_a_matte_of_8_bits_whose_cells_have_more_pixels_than_levels_is_told_by_its_edges() -> None:
    """Any level may then be a number of pixels: sampled at single pixels it was shared out as a mask is."""
    y, x = np.mgrid[:512, :512]
    hair = 0.5 + 0.5 * np.sin(x / 9 + np.sin(y / 40)) * np.clip(1.6 - np.hypot(y - 250, x - 260) / 180, 0, 1)
    levels = (255 * hair.clip(0, 1)).astype(np.uint8)
    grid = Grid.from_stride(512, 512, 16)
    sampled = torch.from_numpy(levels[8::16, 8::16].astype(np.float32))[None] / 255
    assert grid.are_counts(sampled.numpy()) and float(grid.rounded(sampled.numpy()).max()) > auto.UNTOLD
    kernel = auto_fit(torch.from_numpy(np.stack([levels] * 3)).float() / 255, grid, sampled, kind="soft_labels")
    assert kernel.refinement is None or not kernel.refinement.counts
    mask = grid.cell_means(torch.from_numpy((np.hypot(y - 250, x - 260) < 150).astype(np.float32))[None])
    kernel = auto_fit(torch.rand(3, 512, 512), grid, (255 * mask).round() / 255, kind="soft_labels")
    assert kernel.refinement is not None and kernel.refinement.counts


def test_a_shift_where_the_image_tells_nothing_is_none() -> None:
    """Edges of a coarse network's outputs agree 22 px off, by chance."""
    sample = SAMPLES["spheres"]
    grid = Grid.from_stride(*sample.labels.shape, 16)
    scores = coarse_network(sample.labels, grid)
    kernel = auto_fit(sample.image, grid, scores, kind="probabilities")
    assert not any("constant shift" in note for note in kernel.notes)
    assert kernel.refinement is not None and kernel.refinement.graph > 0
