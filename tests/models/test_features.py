"""Features land on the cells they come from; their colours are one fixed projection."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from gsjbu.core.grid import Grid
from gsjbu.errors import ShapeError
from gsjbu.models import features, networks
from gsjbu.models.feature_map import FeatureMap, normalised
from gsjbu.models.pca import pca3


@pytest.fixture(autouse=True)
def no_weights(monkeypatch, tmp_path):
    """Random weights on every machine: no folder, no cache, and nobody is asked."""
    monkeypatch.delenv("GSJBU_MODELS_DIR", raising=False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for name in ("XDG_CACHE_HOME", "HF_HOME", "TORCH_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)


def picture(height: int = 96, width: int = 80, seed: int = 0) -> torch.Tensor:
    return torch.rand(3, height, width, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("stride", "stage", "channels"),
    [
        (2, "stem", 64),
        (3, "layer1", 64),
        (8, "layer2", 128),
        (16, "layer3", 256),
        (20, "layer3", 256),
        (64, "layer4", 512),
    ],
)
def test_the_stage_with_the_nearest_stride(stride, stage, channels):
    image = picture()
    grid = Grid.from_stride(96, 80, stride)
    out = features.extract(image, grid, "resnet18")
    assert out.stage.startswith(stage) and out.values.shape == (channels, grid.rows, grid.cols)
    assert out.values.dtype == torch.float32 and torch.isfinite(out.values).all()


def test_the_streamlined_network_is_torchvisions_own():
    """Batch norm with statistics that matter, held against torchvision's forward pass."""
    network = networks.empty_resnet18(3)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.uniform_(-0.1, 0.1, generator=torch.Generator().manual_seed(0))
            module.running_var.uniform_(0.5, 2, generator=torch.Generator().manual_seed(1))
    image = picture()
    x = normalised(image)[None]
    with torch.inference_mode():
        x = network.maxpool(network.relu(network.bn1(network.conv1(x))))
        expected = network.layer3(network.layer2(network.layer1(x)))[0]
    loaded = networks.ResNet18(networks.streamlined(network), "", False)
    found = loaded.features(image, 16, torch.device("cpu"))
    torch.testing.assert_close(found.values.contiguous(), expected, atol=1e-4, rtol=1e-4)


def test_random_weights_are_said_and_follow_the_seed():
    image, grid = picture(), Grid.from_stride(96, 80, 16)
    one, again, other = (features.extract(image, grid, "resnet18", seed=s) for s in (0, 0, 1))
    assert "andom weights" in one.status and "seed 0" in one.status and "seed 1" in other.status
    assert torch.equal(one.values, again.values) and not torch.equal(one.values, other.values)


def test_global_random_state_and_threads_are_left_alone():
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    out = features.extract(picture(), Grid.from_stride(96, 80, 16), "resnet18", seed=12345)
    pca3(out.values)
    assert torch.equal(torch.get_rng_state(), before) and torch.get_num_threads() == threads


@pytest.mark.parametrize("shape", [(16, 16), (97, 61), (1, 40), (33, 200)])
def test_any_size_works(shape):
    grid = Grid.from_stride(*shape, 7)
    assert features.extract(picture(*shape), grid).values.shape[1:] == (grid.rows, grid.cols)


def test_non_integer_ratios_and_other_channels():
    grid = Grid.from_sizes(96, 80, 15, 11)
    assert features.extract(torch.rand(1, 96, 80), grid).values.shape[1:] == (15, 11)
    assert features.extract(torch.rand(7, 96, 80), grid).values.shape[1:] == (15, 11)
    with pytest.raises(ShapeError):
        features.extract(picture(32, 32), grid)


@pytest.mark.parametrize("first", [0.5, 4.0])
def test_features_land_on_their_own_cells(first):
    """A feature map that holds its own centres' coordinates must read as the cells' centres."""
    step, rows, cols = 8.0, 12, 10
    y = (first + step * torch.arange(rows, dtype=torch.float32))[:, None].expand(rows, cols)
    x = (first + step * torch.arange(cols, dtype=torch.float32))[None].expand(rows, cols)
    for grid in (Grid.from_stride(88, 72, 8), Grid.from_stride(88, 72, 16), Grid.from_sizes(88, 72, 15, 13)):
        out = features.to_grid(FeatureMap(torch.stack([y, x]), (step, step), (first, first), ""), grid)
        starts = torch.as_tensor(grid.row_starts), torch.as_tensor(grid.col_starts)
        middle_y, middle_x = ((s[1:] + s[:-1]) / 2 for s in starts)
        inner = (slice(1, -2), slice(1, -2))  # at the rim the reading stops at the outermost feature
        torch.testing.assert_close(out[0][inner], middle_y[:, None].expand_as(out[0])[inner].float())
        torch.testing.assert_close(out[1][inner], middle_x[None].expand_as(out[1])[inner].float())


def test_a_strided_convolution_looks_where_it_is_said_to():
    """The response to a dot is centred on the dot, for the stem and for a deep stage."""
    for stride in (2, 4):
        image = torch.zeros(3, 64, 64)
        changed = image.clone()
        changed[:, 40, 24] = 1.0
        grid = Grid.from_stride(64, 64, stride)
        a, b = (features.extract(x, grid, "resnet18").values for x in (image, changed))
        power = (a - b).abs().sum(0)
        y, x = torch.arange(grid.rows) + 0.5, torch.arange(grid.cols) + 0.5
        assert float((power.sum(1) * y).sum() / power.sum()) * stride == pytest.approx(40.5, abs=stride)
        assert float((power.sum(0) * x).sum() / power.sum()) * stride == pytest.approx(24.5, abs=stride)


def test_pca_is_the_exact_one():
    x = torch.randn(40, 12, 15, generator=torch.Generator().manual_seed(0)) * torch.linspace(5, 0.1, 40)[:, None, None]
    basis = pca3(x)
    flat = x.flatten(1).double()
    flat = flat - flat.mean(1, keepdim=True)
    _, vectors = torch.linalg.eigh(flat @ flat.T)
    for k in range(3):
        assert float((vectors[:, -1 - k].float() @ basis.components[k]).abs()) == pytest.approx(1, abs=1e-3)
    torch.testing.assert_close(basis.components @ basis.components.T, torch.eye(3), atol=1e-5, rtol=0)


def test_projection_and_mixing_commute():
    x = torch.randn(20, 5, 6, generator=torch.Generator().manual_seed(1))
    weights = torch.rand(30, 30, generator=torch.Generator().manual_seed(2))
    weights /= weights.sum(1, keepdim=True)
    basis = pca3(x)
    after = basis.apply((x.flatten(1) @ weights.T).reshape(20, 5, 6))
    before = (basis.apply(x).flatten(1) @ weights.T).reshape(3, 5, 6)
    torch.testing.assert_close(after, before, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_few_channels_and_flat_features(channels):
    basis = pca3(torch.rand(channels, 6, 6))
    colours = basis.colours(basis.apply(torch.rand(channels, 6, 6)))
    assert colours.shape == (3, 6, 6) and 0 <= float(colours.min()) <= float(colours.max()) <= 1
    flat = pca3(torch.full((channels, 6, 6), 3.0))
    assert torch.isfinite(flat.colours(flat.apply(torch.full((channels, 6, 6), 3.0)))).all()


def test_a_map_serves_exactly_the_strides_it_is_nearest_to():
    strides = {"a": 2, "b": 4, "c": 8, "d": 32}
    for stage in strides:
        first, last = networks.served(strides, stage)
        for stride in np.geomspace(1, 100, 997):
            assert (networks.nearest(strides, stride) == stage) == (first <= stride <= last)
    assert networks.served({"only": 14}, "only") == (0, math.inf)
