"""timm's backbones by name: random weights of many families, odd sizes, and where their values lie on the image."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from safetensors.torch import save_file

from gsjbu.core.grid import Grid
from gsjbu.errors import ModelError
from gsjbu.models import catalogue, features, timm_backbones

CPU = torch.device("cpu")
# name, the channels at stride 4 and at stride 16, and what is special
FAMILIES = {
    "vit_little_patch16_reg1_gap_256": (320, 320),  # a ViT with a register token
    "test_vit": (64, 64),
    "test_convnext": (24, 48),
    "swin_tiny_patch4_window7_224": (96, 384),  # windows, channels last
    "test_efficientnet": (24, 48),
    "test_resnet": (32, 192),
    "tf_efficientnet_lite0": (24, 112),  # TensorFlow's padding
    "test_maxvit": (16, 48),  # takes one size only
}


@pytest.fixture(scope="module")
def loaded():
    """Each family with random weights, made once."""
    return {name: timm_backbones.load(name, None, name, "") for name in FAMILIES}


def picture(height: int, width: int) -> torch.Tensor:
    return torch.rand(3, height, width, generator=torch.Generator().manual_seed(height * width))


@pytest.mark.parametrize("size", [(64, 160), (75, 50), (33, 97)])
@pytest.mark.parametrize("name", FAMILIES)
def test_the_nearest_stage_covers_images_of_any_size(loaded, name, size):
    for stride, channels in zip((4, 16), FAMILIES[name], strict=True):
        found = loaded[name].features(picture(*size), stride, CPU)
        if loaded[name].size is None:
            assert found.values.shape[0] == channels
        assert torch.isfinite(found.values).all() and found.values.std() > 0
        for pixels, count, step, first in zip(size, found.values.shape[1:], found.step, found.first, strict=True):
            assert count * step == pytest.approx(pixels) and 0 < first < step
        grid = Grid.from_stride(*size, stride)
        assert features.to_grid(found, grid).shape == (found.values.shape[0], grid.rows, grid.cols)


@pytest.mark.parametrize("name", FAMILIES)
def test_values_lie_where_it_is_said(loaded, name):
    """A dot's response, weighed by its strength, is centred on the dot, to a third of the stride."""
    net = loaded[name]
    stride = min(net.strides.values())
    side = net.size[0] if net.size else 6 * max(net.strides.values())
    image = torch.full((3, side, side), 0.5)
    at = side // 2 + 3
    changed = image.clone()
    changed[:, at - 1 : at + 2, at - 1 : at + 2] = 1.0
    a, b = (net.features(x, stride, CPU) for x in (image, changed))
    power = (a.values - b.values).square().sum(0)
    power = torch.where(power > 0.05 * power.max(), power, 0)  # attention answers everywhere, a little
    for axis, lines in ((0, power.sum(1)), (1, power.sum(0))):
        centres = a.first[axis] + a.step[axis] * torch.arange(len(lines))
        assert float((lines * centres).sum() / lines.sum()) == pytest.approx(at + 0.5, abs=0.6 * stride)


def test_random_weights_follow_the_seed_and_leave_the_global_state(loaded):
    before = torch.get_rng_state()
    image = picture(64, 64)
    same, other = (timm_backbones.load("test_resnet", None, "", "", seed) for seed in (0, 1))
    first = loaded["test_resnet"].features(image, 8, CPU).values
    assert torch.equal(same.features(image, 8, CPU).values, first)
    assert not torch.equal(other.features(image, 8, CPU).values, first)
    assert torch.equal(torch.get_rng_state(), before) and not loaded["test_resnet"].pretrained


@pytest.fixture
def store(tmp_path, monkeypatch):
    """A folder of models with test_vit in it as ``hf download timm/test_vit.r160_in1k`` brings it."""
    for name in ("HF_HUB_CACHE", "GSJBU_MODEL_NAMES"):
        monkeypatch.delenv(name, raising=False)
    for name in ("XDG_CACHE_HOME", "HF_HOME", "TORCH_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("GSJBU_MODELS_DIR", str(tmp_path))
    monkeypatch.setattr(catalogue, "_named", [])
    with torch.random.fork_rng():
        torch.manual_seed(7)
        network = timm_backbones.package().create_model("test_vit").eval()
    place = tmp_path / "test_vit.r160_in1k"
    place.mkdir()
    save_file(network.state_dict(), place / "model.safetensors")
    catalogue.release()
    yield place, network
    catalogue.release()


def test_the_files_weights_are_used(store):
    _, network = store
    image = picture(96, 64)
    out = features.extract(image, Grid.from_stride(96, 64, 16), "timm:test_vit.r160_in1k")
    assert out.pretrained and out.status == "test_vit.r160_in1k (timm), from this machine."
    network.set_input_size((96, 64))
    with torch.inference_mode():
        expected = network.forward_intermediates((image[None] - 0.5) / 0.5, intermediates_only=True)[-1][0]
    found = catalogue.backbone("timm:test_vit.r160_in1k").features(image, 16, CPU)
    torch.testing.assert_close(found.values, expected, atol=1e-4, rtol=1e-3)


def test_a_folder_that_timm_wrote_is_a_local_model(store):
    place, _ = store
    mine = place.parent / "mine"
    shutil.copytree(place, mine)
    (mine / "config.json").write_text(json.dumps({"architecture": "test_vit", "num_classes": 1000}))
    assert catalogue.local_choices("backbone")["local:mine"] == "mine (local test_vit)"
    image, grid = picture(64, 64), Grid.from_stride(64, 64, 16)
    out = features.extract(image, grid, "local:mine")
    assert torch.equal(out.values, features.extract(image, grid, "timm:test_vit.r160_in1k").values)
    (mine / "config.json").write_text(json.dumps({"architecture": "local-dir:/etc"}))
    with pytest.raises(ModelError) as caught:
        catalogue.backbone("local:mine")
    assert "timm knows no" in caught.value.message


def test_a_file_that_fills_the_model_in_part_is_refused(store):
    place, network = store
    some = dict(list(network.state_dict().items())[:-8])
    save_file(some, place / "model.safetensors")
    with pytest.raises(ModelError) as caught:
        catalogue.backbone("timm:test_vit.r160_in1k")
    assert caught.value.code == "model_corrupt" and str(place.parent) not in caught.value.message


@pytest.mark.parametrize(
    "value", ["timm:no_such_net", "timm:test_vit.no_tag", "timm:../etc", "timm:hf-hub:x/y", "timm:"]
)
def test_names_that_timm_does_not_know_are_refused(value):
    with pytest.raises(ModelError) as caught:
        catalogue.spec_of(value)
    assert caught.value.code == "model_unknown"


def test_the_operator_may_list_timms_names_and_the_page_offers_only_those(store, monkeypatch):
    from gsjbu.errors import SettingError
    from gsjbu.settings import Settings

    with pytest.raises(SettingError):
        Settings.parse({"backbone": "timm:test_vit"})
    monkeypatch.setenv("GSJBU_MODEL_NAMES", "timm:test_vit, timm:test_vit, timm:../x")
    assert Settings.parse({"backbone": "timm:test_vit"}).backbone == "timm:test_vit"
    assert [v for v in catalogue.local_choices("backbone") if v.startswith("timm:")] == ["timm:test_vit"]


def test_the_command_line_takes_any_of_timms_names(store):
    import argparse

    from gsjbu.cli.options import add_settings

    parser = argparse.ArgumentParser()
    add_settings(parser, ["backbone"])
    assert parser.parse_args(["--backbone", "timm:test_vit"]).backbone == "timm:test_vit"
    with pytest.raises(SystemExit):
        parser.parse_args(["--backbone", "test_vit"])


def test_weights_are_fetched_under_timms_own_address(store, monkeypatch):
    asked = []
    monkeypatch.setattr(catalogue.downloads, "fetch", lambda repo, files, *_: asked.append((repo, files)))
    catalogue.obtain(catalogue.spec_of("timm:vit_small_patch16_dinov3"))
    assert asked == [("timm/vit_small_patch16_dinov3.lvd1689m", ("model.safetensors",))]
