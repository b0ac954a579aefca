"""Mask2Former by its real classes, tiny and random: what it gives is what the model says, at the size asked for."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from gsjbu.errors import ModelError
from gsjbu.models import catalogue, downloads, networks, segmentation
from gsjbu.models.feature_map import normalised
from tests import tiny_models

IMAGE = torch.rand(3, 96, 128, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("segmenters")
    tiny_models.mask2former(root / "tiny")
    return root


@pytest.fixture(autouse=True)
def here(store, monkeypatch, tmp_path):
    monkeypatch.setenv("GSJBU_MODELS_DIR", str(store))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    for name in ("_probe", "_failed"):
        monkeypatch.setattr(downloads, name, {})
    yield
    catalogue.release()


def test_class_probabilities_over_the_whole_image():
    rng = torch.get_rng_state()
    out = segmentation.segment(IMAGE, "local:tiny", 128)
    assert out.names == tiny_models.CLASSES
    assert out.probabilities.shape == (5, 24, 32) and out.probabilities.dtype == torch.float32
    torch.testing.assert_close(out.probabilities.sum(0), torch.ones(24, 32))
    assert float(out.probabilities.min()) >= 0
    assert "tiny" in out.status and "128×96" in out.status
    assert torch.equal(torch.get_rng_state(), rng)


def test_it_is_what_the_real_model_says(store):
    """The library's own post-processing of the real model's output, held against ours."""
    t = tiny_models.transformers()
    net = t.Mask2FormerForUniversalSegmentation.from_pretrained(str(store / "tiny")).eval()
    processor = t.AutoImageProcessor.from_pretrained(str(store / "tiny"))
    mean, std = (torch.tensor(v)[:, None, None] for v in (processor.image_mean, processor.image_std))
    with torch.inference_mode():
        raw = net(pixel_values=((IMAGE - mean) / std)[None])
    votes = torch.zeros(5, 24, 32)
    for query in range(raw.class_queries_logits.shape[1]):
        chances = raw.class_queries_logits[0, query].softmax(0)
        for name in range(5):
            votes[name] += chances[name] * raw.masks_queries_logits[0, query].sigmoid()
    out = segmentation.segment(IMAGE, "local:tiny", 128)
    torch.testing.assert_close(out.probabilities, votes / votes.sum(0), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("resolution", "rows"), [(64, 16), (128, 24), (1024, 24)])
def test_the_resolution_asked_for(resolution, rows):
    """64 px on the long side are 64×48, run as 64×64 (whole 32s), a quarter of it in masks; never enlarged."""
    out = segmentation.segment(IMAGE, "local:tiny", resolution)
    assert out.probabilities.shape[1] == rows
    assert f"{min(resolution, 128)}×" in out.status


@pytest.mark.parametrize("channels", [1, 3, 5])
def test_guides_that_are_not_rgb(channels):
    assert segmentation.segment(torch.rand(channels, 40, 50), "local:tiny", 64).probabilities.shape[0] == 5


def test_without_weights_a_sentence():
    with pytest.raises(ModelError) as caught:
        segmentation.segment(IMAGE, "mask2former-ade")
    assert caught.value.code == "model_unavailable" and "A folder " in caught.value.message


def test_a_failing_accelerator_falls_back_to_the_cpu_and_says_so(monkeypatch):
    real = networks._run

    def failing(network, label, x, device):
        if device.type == "cuda":
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real(network, label, x, device)

    monkeypatch.setattr(networks, "_run", failing)
    monkeypatch.setattr(networks, "normalised", lambda x, *a: normalised(x.cpu(), *a))
    monkeypatch.setattr(torch.Tensor, "to", _stay_on_cpu(torch.Tensor.to))
    out = segmentation.segment(IMAGE, "local:tiny", 64, device="cuda")
    assert "CUDA failed (OutOfMemoryError); the CPU did it." in out.status
    assert out.probabilities.shape[0] == 5


def _stay_on_cpu(to):
    def moved(self, *args, **kwargs):
        args = tuple(torch.device("cpu") if isinstance(a, torch.device) else a for a in args)
        return to(self, *args, **kwargs)

    return moved
