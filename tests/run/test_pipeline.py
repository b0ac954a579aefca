"""The whole run: what it shows, what it keeps, where it can be stopped, and how much it gains."""

from __future__ import annotations

import re
import statistics
from pathlib import Path

import numpy as np
import pytest
import torch

import gsjbu
from gsjbu.core.grid import Grid
from gsjbu.errors import Cancelled
from gsjbu.io import restoring
from gsjbu.io.pictures import decode, shrink
from gsjbu.io.signals import understand
from gsjbu.io.truths import downsampled
from gsjbu.models import catalogue, features, networks
from gsjbu.run import fits, metrics, pipeline
from gsjbu.run.stages import SHARES
from gsjbu.samples import SAMPLES
from gsjbu.settings import Settings
from tests.oracle_cases import one_torch_thread

__all__ = ["one_torch_thread"]  # a fixture: it is used by being here

RGB = "original lr bilinear_rgb gsjbu_rgb error_bilinear error_gsjbu".split()
FEATURES = "features_lr features_bilinear features_gsjbu features_auto".split()
SEGMENTS = [f"{what}_{way}" for what in ("segments", "foreground") for way in ("lr", "bilinear", "gsjbu", "auto")]
SEGMENTATION = "seg_lr seg_bilinear seg_gsjbu seg_auto".split()
KERNEL = "sigma_x sigma_y theta sigma_r anisotropy".split()
STAGES = "grid fit render rgb backbone features segmentation signal panels".split()

SMALL = {"resolution": 96, "iters": 6, "stride": 8}


@pytest.fixture(scope="module")
def photo(sample) -> torch.Tensor:
    return sample.image[:, 100:340, 60:380]  # 240×320


def run(image, **given) -> pipeline.Result:
    more = {k: given.pop(k) for k in ("signal", "sample", "cache", "progress") if k in given}
    return pipeline.run(image, Settings.parse({**SMALL, **given}), threads=1, **more)


def names(result: pipeline.Result) -> list[str]:
    return [p.name for p in result.panels]


# --- what it shows -----------------------------------------------------------------------------------------------


def test_a_run_shows_every_panel_of_the_contract(sample):
    result = run(sample.image, sample=sample, segmentation="labels")
    assert names(result) == RGB + FEATURES + SEGMENTS + SEGMENTATION + KERNEL
    height, width, rows, cols = 96, 96, 12, 12
    assert result.image == {
        "width": width, "height": height, "lr_width": cols, "lr_height": rows, "step_x": 8.0, "step_y": 8.0,
    }  # fmt: skip
    for panel in result.panels:
        low = panel.name in KERNEL or panel.name.split("_")[-1] == "lr" or panel.name == "lr"
        assert (panel.height, panel.width) == ((rows, cols) if low else (height, width)), panel.name
        assert panel.values.shape[1:] == (panel.height, panel.width)
        assert panel.title
        assert panel.sentence.endswith(".")


def test_the_numbers_are_those_of_the_pictures(photo):
    result = run(photo)
    panels = {p.name: p.values for p in result.panels}
    for way in ("bilinear", "gsjbu"):
        assert result.metrics["rgb"][way]["psnr"] == pytest.approx(
            metrics.psnr(panels[f"{way}_rgb"], panels["original"]), abs=1e-6
        )
    assert set(result.metrics["rgb"]) == {"bilinear", "gsjbu", "fixed"}
    assert set(result.metrics["rgb"]["gsjbu"]) == {"psnr", "ssim", "l1"}
    fixed = gsjbu.fit(panels["original"], stride=8, iters=0).render(panels["lr"])
    assert result.metrics["rgb"]["fixed"]["psnr"] == pytest.approx(metrics.psnr(fixed, panels["original"]), abs=1e-3)
    assert len(result.kernel.losses) == 6
    assert {k: sum(h["counts"]) for k, h in result.as_dict()["histograms"].items()} == dict.fromkeys(
        ("sigma_x", "sigma_y", "theta", "sigma_r"), 9 * 12
    )


def test_the_kernel_is_the_librarys(photo):
    """The page and the library say the same: same sizes, same bits."""
    result = run(photo)
    image = shrink(photo, 96)
    kernel = gsjbu.fit(image, stride=8, iters=6, threads=1)
    assert torch.equal(result.kernel.raw, kernel.raw)
    panels = {p.name: p.values for p in result.panels}
    assert torch.equal(panels["gsjbu_rgb"], kernel.render(kernel.lr_guide))
    assert torch.equal(panels["sigma_x"][0], kernel.sigma_x)


def test_every_stage_is_timed_and_every_part_has_a_status(photo):
    result = run(photo)
    assert list(result.timings_ms) == STAGES
    assert all(ms >= 0 for ms in result.timings_ms.values())
    assert result.status["features"]
    assert result.status["segmentation"] == "Off."
    assert "6 steps" in result.status["fit"]
    assert result.status["backend"].startswith("fused: ")
    assert (result.kernel.device, result.kernel.backend) == ("cpu", "fused")


def test_all_ways_side_by_side(sample):
    result = run(sample.image, sample=sample, segmentation="labels", methods="all")
    ways = "bilinear gsjbu bicubic fixed tto_rgb tto_signal".split()
    assert set(names(result)) == {
        *RGB, *KERNEL, *SEGMENTS,
        *(f"{way}_rgb" for way in ways),
        *(f"features_{way}" for way in ["lr", "auto", *ways]),
        *(f"seg_{way}" for way in ["lr", "auto", *ways]),
    }  # fmt: skip
    assert len(names(result)) == len(set(names(result)))
    assert set(result.metrics["rgb"]) == set(ways)
    panels = {p.name: p.values for p in result.panels}
    assert torch.equal(panels["tto_rgb_rgb"], panels["gsjbu_rgb"])  # of the image, rgb is what suits it
    assert not torch.equal(panels["tto_signal_rgb"], panels["gsjbu_rgb"])
    assert set(ways) <= set(result.metrics["segmentation"])
    assert 0 <= result.metrics["segmentation"]["gsjbu"]["miou"] <= 1


def test_features_and_segmentation_can_be_left_out(photo):
    result = run(photo, features=False)
    assert names(result) == RGB + KERNEL
    assert result.features_lr is None
    assert result.status["features"] == "Off."


def test_labels_need_a_built_in_scene(photo):
    result = run(photo, segmentation="labels", features=False)
    assert names(result) == RGB + KERNEL
    assert "built-in scenes only" in result.status["segmentation"]


def test_no_steps_is_the_fixed_kernel(photo):
    result = run(photo, iters=0, features=False)
    assert result.kernel.losses == []
    assert "fixed kernel" in result.status["fit"]
    assert result.metrics["rgb"]["gsjbu"] == result.metrics["rgb"]["fixed"]


# --- sizes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "resolution", "shown"),
    [((240, 320), 96, (72, 96)), ((240, 320), 4096, (240, 320)), ((320, 240), 32, (32, 24)), ((40, 20), 64, (40, 20))],
)
def test_the_resolution_bounds_the_long_side_and_never_enlarges(size, resolution, shown):
    image = torch.rand(3, *size, generator=torch.Generator().manual_seed(0))
    result = run(image, resolution=resolution, features=False, iters=1, stride=16)
    assert (result.image["height"], result.image["width"]) == shown


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (40, 1), (2, 3), (31, 33)])
@pytest.mark.parametrize("stride", [2, 16, 64])
def test_tiny_images_and_strides_beyond_them(size, stride):
    image = torch.rand(3, *size, generator=torch.Generator().manual_seed(0))
    result = run(image, stride=stride, features=size != (1, 1), methods="all", radius=3)
    panels = {p.name: p for p in result.panels}
    assert panels["gsjbu_rgb"].values.shape == (3, *size)
    assert all(torch.isfinite(p.values).all() for p in result.panels)
    assert panels["sigma_x"].values.shape[1:] == (-(-size[0] // stride), -(-size[1] // stride))
    assert result.window(0, 0)[0]["weight"] > 0


def test_a_uniform_image_runs_through():
    result = run(torch.full((3, 50, 70), 0.5))
    assert max(result.kernel.losses) < 1e-5
    assert all(torch.isfinite(p.values).all() for p in result.panels)


# --- a signal that a person brought ------------------------------------------------------------------------------


def test_a_depth_map_sets_the_grid_and_gets_its_panels(photo):
    depth = np.linspace(1, 9, 15 * 20).reshape(15, 20).astype(np.float32)
    depth[3, 4] = np.nan
    signal = understand(depth, kind="depth")
    result = run(photo, signal=signal, features=False)
    assert (result.image["lr_height"], result.image["lr_width"]) == (15, 20)
    assert result.image["step_y"] == pytest.approx(72 / 15)
    assert names(result) == [*RGB, "signal_lr", "signal_bilinear", "signal_gsjbu", "signal_auto", *KERNEL]
    high = next(p.values for p in result.panels if p.name == "signal_gsjbu")
    assert high.shape == (1, 72, 96)
    assert high.min() >= 1 - 1e-4
    assert high.max() <= 9 + 1e-4
    assert result.status["signal"]


def test_each_thing_shown_has_what_suits_it(photo):
    """RGB by the paper's kernel; the signal by it as well, with the same weights, and by what was fitted to it."""
    depth = np.random.default_rng(1).random((9, 12)).astype(np.float32)
    result = run(photo, signal=understand(depth, kind="depth"))
    panels = {p.name: p.values for p in result.panels}
    image, lr = shrink(photo, 96), torch.from_numpy(depth)[None]
    paper = gsjbu.fit(image, lr_size=(9, 12), iters=6, threads=1, lr_image="area")
    assert torch.equal(panels["signal_gsjbu"], paper.render(lr))
    assert torch.equal(panels["gsjbu_rgb"], paper.render(paper.lr_guide))
    suited = gsjbu.fit(image, lr_size=(9, 12), iters=6, threads=1, objective="auto", signal=lr, kind="depth")
    assert torch.equal(panels["signal_auto"], suited.render(lr, clip=True))
    assert result.signal_kernel.objective == "auto"
    features = gsjbu.fit(
        image, lr_size=(9, 12), iters=6, threads=1, objective="auto", signal=result.features_lr, kind="features"
    )
    assert torch.allclose(panels["features_auto"], features.render(panels["features_lr"]), atol=1e-6)
    assert [m.id for m in result.methods if m.group == "signal"] == ["bilinear", "gsjbu", "auto"]
    assert set(result.as_dict()["measured"]) == {"features"}, "the image tells nothing of noise"
    steps = {(m.group, m.id): m.steps for m in result.methods}
    assert steps["signal", "gsjbu"] == 6 and steps["signal", "auto"] == len(suited.losses)
    assert steps["signal", "bilinear"] is None
    assert steps["features", "auto"] == 0, "known, as its panel was looked at"


SCENE = SAMPLES["spheres"]


@pytest.mark.parametrize(("objective", "there"), [("suited", True), ("rgb", False), ("signal", False), ("auto", True)])
def test_what_was_measured_is_told_where_that_way_was_taken(objective, there):
    truth = SCENE.truth("depth")
    chosen = Settings.parse({"objective": objective, "features": False, "resolution": 256, "iters": 2})
    result = pipeline.run(SCENE.image, chosen, signal=downsampled(truth, 16, 16))
    assert set(result.as_dict()["measured"]) == ({"signal"} if there else set())
    assert result.as_dict()["fitted_to"] == ("signal" if objective in ("signal", "auto") else "image")


def test_what_was_measured_is_not_told_of_random_features(photo, monkeypatch):
    monkeypatch.setattr(catalogue, "_resnet18_weights", lambda *_: (None, "not here."))
    result = run(photo, backbone="resnet18")
    told = result.as_dict()
    assert "random weights" in told["status"]["features"] and told["pretrained"] is False
    assert told["measured"] == {}


def test_what_was_measured_is_not_told_where_an_interpolation_takes_over(photo):
    labels = (np.random.default_rng(0).integers(0, 4, (3, 4))).repeat(3, 0).repeat(3, 1).astype(np.uint8)
    result = run(photo, signal=understand(labels, kind="labels"), features=False)
    assert result.as_dict()["measured"] == {}


def test_one_cell_is_said(photo):
    assert "one low-resolution pixel" in run(photo, resolution=32, stride=64).status["image"]
    one = understand(np.full((1, 1), 3, np.float32), kind="depth")
    assert "one value for the whole" in run(photo, signal=one, features=False).status["image"]
    assert "one low-resolution pixel" not in run(photo).status.get("image", "")


def test_without_steps_nothing_is_said_to_be_fitted(photo):
    for steps, said in ((0, "nothing was fitted"), (3, "fitted kernels")):
        (shown,) = (p for p in run(photo, iters=steps, features=False).panels if p.name == "gsjbu_rgb")
        assert said in shown.sentence


@pytest.mark.parametrize("objective", ["rgb", "signal", "auto"])
def test_an_objective_chosen_by_hand_holds_for_everything(photo, objective):
    depth = np.random.default_rng(1).random((9, 12)).astype(np.float32)
    result = run(photo, signal=understand(depth, kind="depth"), objective=objective)
    assert not [name for name in names(result) if name.endswith("_auto")]
    assert result.kernel.objective == objective
    assert result.signal_kernel is result.kernel


def test_what_suits_the_features_is_made_when_it_is_looked_at(photo, counted):
    result = run(photo)
    panel = next(p for p in result.panels if p.name == "features_auto")
    assert not panel.is_made
    assert panel.as_dict()["width"] == 96
    assert panel.picture.shape == (72, 96, 3)
    assert panel.is_made


def test_a_signal_that_the_image_does_not_explain_is_warned_of(sample):
    grid = Grid.from_stride(512, 512, 16)
    own = understand(grid.cell_means(sample.depth[None])[0].numpy(), kind="depth")
    noise = understand(np.random.default_rng(0).random((32, 32), np.float32), kind="depth")
    settings = Settings(features=False)
    assert "warning" not in pipeline.run(sample.image, settings, signal=own, threads=1).status
    found = pipeline.run(sample.image, settings, signal=noise, threads=1)
    assert found.status["warning"] == pipeline.UNRELATED


@pytest.mark.parametrize("objective", ["rgb", "signal"])
def test_features_of_many_channels(photo, objective):
    draw = np.random.default_rng(0)
    signal = understand(draw.normal(size=(40, 9, 12)).astype(np.float32), kind="features")
    result = run(photo, signal=signal, features=False, objective=objective)
    assert [n for n in names(result) if n.startswith("signal")] == ["signal_lr", "signal_bilinear", "signal_gsjbu"]
    assert result.kernel.objective == objective


def test_probabilities_show_classes_and_confidence(photo):
    draw = np.random.default_rng(0)
    scores = draw.random((5, 9, 12)).astype(np.float32)
    result = run(photo, signal=understand(scores / scores.sum(0), kind="probabilities"), features=False)
    shown = [n for n in names(result) if n.startswith("signal")]
    assert "signal_gsjbu" in shown
    assert "signal_confidence_gsjbu" in shown


# --- what it keeps -----------------------------------------------------------------------------------------------


@pytest.fixture
def counted(monkeypatch) -> dict[str, int]:
    """How often the run fits (with steps) and extracts features."""
    calls = {"fit": 0, "features": 0}
    fit, extract = fits.fit_kernel, features.extract

    def counting_fit(*args, **kwargs):
        calls["fit"] += kwargs["iters"] > 0
        return fit(*args, **kwargs)

    def counting_extract(*args, **kwargs):
        calls["features"] += 1
        return extract(*args, **kwargs)

    monkeypatch.setattr(fits, "fit_kernel", counting_fit)
    monkeypatch.setattr(features, "extract", counting_extract)
    return calls


@pytest.mark.parametrize(
    ("changed", "fitted", "extractions"),
    [
        ({}, 0, 0),
        ({"seed": 5}, 0, 1),
        ({"features": False}, 0, 0),
        ({"methods": "pair", "segmentation": "labels"}, 0, 0),
        ({"iters": 7}, 1, 0),
        ({"radius": 1}, 1, 0),
        ({"optimiser": "adam"}, 1, 0),
        ({"lr_image": "area"}, 1, 0),
        ({"stride": 12}, 1, 1),
        ({"resolution": 64}, 1, 1),
    ],
    ids=str,
)
def test_a_second_run_does_again_only_what_changed(photo, counted, changed, fitted, extractions):
    cache: dict = {}
    first = run(photo, cache=cache)
    assert counted == {"fit": 1, "features": 1}
    second = run(photo, cache=cache, **changed)
    assert counted == {"fit": 1 + fitted, "features": 1 + extractions}
    fresh = run(photo, **changed)
    assert torch.equal(second.kernel.raw, fresh.kernel.raw)  # and what it kept was the right thing
    for kept, made in zip(second.panels, fresh.panels):
        assert kept.name == made.name
        assert torch.equal(kept.values, made.values), kept.name
    assert second.metrics == fresh.metrics  # the fixed kernel's too, which has no panel
    assert first.settings != second.settings or not changed


def test_a_stride_that_the_same_stage_serves_does_not_run_the_network_again(photo, monkeypatch):
    runs, features_of = [], networks.ResNet18.features
    monkeypatch.setattr(networks.ResNet18, "features", lambda *args: runs.append(args[2]) or features_of(*args))
    cache: dict = {}
    which = {"backbone": "resnet18"}
    for stride, ran in ((8, 1), (9, 1), (7, 1), (16, 2), (8, 3)):
        kept = run(photo, cache=cache, stride=stride, **which)
        assert len(runs) == ran, stride
        assert torch.equal(kept.features_lr, run(photo, stride=stride, **which).features_lr)
        runs.pop()
    run(photo, cache=cache, stride=8, seed=1, **which)
    assert len(runs) == 4, "other weights, another map"
    assert len(cache["feature maps"][1]) == 1


def test_without_a_cache_nothing_is_kept(photo, counted):
    run(photo)
    run(photo)
    assert counted == {"fit": 2, "features": 2}


def test_a_stopped_run_leaves_no_half_kernel_in_the_cache(photo):
    cache: dict = {}

    def stop(p: pipeline.Progress) -> None:
        if p.stage == "fit" and p.step == 3:
            raise Cancelled

    with pytest.raises(Cancelled):
        run(photo, cache=cache, progress=stop)
    result = run(photo, cache=cache)
    assert len(result.kernel.losses) == 6


# --- progress and stopping ---------------------------------------------------------------------------------------


def test_progress_tells_every_stage_every_step_and_never_goes_back(photo):
    seen: list[pipeline.Progress] = []
    result = run(photo, progress=seen.append)
    assert list(dict.fromkeys(p.stage for p in seen)) == STAGES
    steps = [p for p in seen if p.stage == "fit" and p.steps]
    assert [p.step for p in steps] == [1, 2, 3, 4, 5, 6]
    assert {p.steps for p in steps} == {6}
    assert [p.loss for p in steps] == pytest.approx(result.kernel.losses)
    shares = [p.share for p in seen]
    assert shares == sorted(shares)
    assert shares[0] >= 0
    assert shares[-1] <= 1
    assert sum(SHARES.values()) == pytest.approx(1)


@pytest.mark.parametrize("stage", STAGES)
def test_a_run_can_be_cancelled_at_every_stage(photo, stage):
    reached: list[str] = []

    def stop(p: pipeline.Progress) -> None:
        reached.append(p.stage)
        if p.stage == stage:
            raise Cancelled

    with pytest.raises(Cancelled):
        run(photo, progress=stop)
    assert list(dict.fromkeys(reached)) == STAGES[: STAGES.index(stage) + 1]  # and nothing came after


# --- how much it gains -------------------------------------------------------------------------------------------


def gains(data_dir, **given) -> dict[str, float]:
    """dB of RGB PSNR that GS-JBU has over bilinear: the built-in scenes and the photographs, 50 steps, stride 16."""
    pictures = {name: scene.image for name, scene in SAMPLES.items()}
    for path in sorted((data_dir / "photos").glob("*.[pj][np]g")):
        pictures[path.stem] = decode(path.read_bytes())
    assert len(pictures) >= 9
    out = {}
    for name, picture in pictures.items():
        settings = Settings.parse({"features": False, "stride": 16, "iters": 50, **given})
        scores = pipeline.run(picture, settings, threads=1).metrics["rgb"]
        out[name] = scores["gsjbu"]["psnr"] - scores["bilinear"]["psnr"]
    print({name: round(value, 2) for name, value in out.items()})
    return out


def test_fifty_steps_gain_eight_decibels_on_average(data_dir):
    """With the window of the paper's size, radius 8. Measured 8.93 (long side 224), 9.01 (256), 8.71 (512)."""
    assert statistics.mean(gains(data_dir, radius=8, resolution=224).values()) >= 8


def test_what_fifty_steps_gain_at_the_settings_a_person_meets_first(data_dir):
    """Radius 2, long side 512: measured 6.65 on average. That is short of 8, and more steps do not reach it (200
    steps: 7.09): 25 LR pixels of stride 16 do not hold the colours of a star field or of wires (2.4 and 4.7 dB;
    spheres gain 10.0). Radius 4 gains 7.76, radius 8 the 8.71 above."""
    found = gains(data_dir, radius=2, resolution=512)
    assert statistics.mean(found.values()) >= 6.4
    assert min(found.values()) >= 2


def test_the_page_has_words_for_all_that_a_run_tells(sample):
    page = Path(__file__).parents[2] / "static" / "js" / "report.js"
    named = set(re.findall(r'^  (\w+): "ran\.', page.read_text("utf-8"), re.MULTILINE))
    told = run(sample.image, sample=sample, segmentation="labels", signal=understand(np.eye(12))).status
    assert {*told, "objective", "image", "truth", "warning", "run", "files"} <= named


CODES = np.where(np.arange(16) < 7, 2**24 + 1, 2**24 + 3) * np.ones((12, 1), np.int64)


@pytest.mark.parametrize(
    ("array", "kind"),
    [
        (1e7 + np.add.outer(np.arange(12) * 0.1, np.arange(16) * 0.1), "depth"),
        (2**24 + np.add.outer(np.arange(12), np.arange(16)), "depth"),
        (1500 + np.add.outer(np.arange(12), np.arange(16)).astype(np.uint16), "depth"),
        (np.linspace(0, 1, 192, dtype=np.float32).reshape(12, 16), "heat_map"),
        (CODES, "labels"),
        (np.where(CODES > 2**24 + 2, 3, -5), "labels"),
        (np.where(CODES > 2**24 + 2, 15, 3).astype(np.uint8), "labels"),
    ],
)
def test_the_read_out_is_what_is_written(photo, array, kind):
    signal = understand(array, kind=kind)
    result = run(photo, signal=signal, features=False)
    written = restoring.restored(result.signal, result.signal_kernel)
    panel = next(p for p in result.panels if p.name == "signal_auto")
    assert written.dtype == array.dtype and len(np.unique(written)) > 1
    np.testing.assert_array_equal(panel.values[0].numpy(), written)
    for x, y in ((60, 50), (3, 4), (95, 71)):
        told = result.pixel(x, y)
        assert told["signal_auto"] == [written[y, x].item()]
        assert told["signal_lr"] == pytest.approx([array[int(y / 72 * 12), int(x / 96 * 16)].item()], rel=1e-14)
    if kind == "labels":
        assert {entry["index"] for entry in panel.legend} == set(np.unique(written).tolist())
        assert {n for n, _ in result.region(0, 0, 95, 71)["signal_auto"]["shares"]} <= set(array.ravel().tolist())
    else:
        assert len(np.unique(panel.picture.reshape(-1, 3), axis=0)) > 20  # an offset costs the picture nothing


def test_the_picture_itself_is_held_in_its_range(photo):
    """Whatever the objective: what is given back swings over edges."""
    result = run(photo, objective="auto", features=False)
    lr, high = (next(p.values for p in result.panels if p.name == name) for name in ("lr", "gsjbu_rgb"))
    assert not result.kernel.is_pure
    assert (high.amax((1, 2)) <= lr.amax((1, 2))).all() and (high.amin((1, 2)) >= lr.amin((1, 2))).all()
