"""The nodes, loaded as ComfyUI loads a folder, on its tensors."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import torch

FOLDER = Path(__file__).resolve().parents[1] / "comfyui"


@pytest.fixture(scope="module")
def nodes():
    about = importlib.util.spec_from_file_location("custom_nodes.upsample_anything", FOLDER / "__init__.py")
    module = importlib.util.module_from_spec(about)
    about.loader.exec_module(module)
    return module.NODE_CLASS_MAPPINGS


def scene():
    """IMAGE [2, 61, 83, 3] with a bright disc, and the disc [61, 83]."""
    y, x = torch.meshgrid(torch.arange(61), torch.arange(83), indexing="ij")
    disc = ((y - 30) ** 2 + (x - 40) ** 2 < 400).float()
    image = (0.2 + 0.6 * disc)[None, :, :, None].expand(2, -1, -1, 3)
    return image, disc


def test_every_node_says_what_it_takes_and_gives(nodes):
    for node in nodes.values():
        required = node.INPUT_TYPES()["required"]
        assert required["image"] == ("IMAGE",) and hasattr(node(), node.FUNCTION)
        assert isinstance(node.RETURN_TYPES, tuple) and node.CATEGORY


def test_a_blurred_mask_meets_the_edges_again(nodes):
    image, disc = scene()
    blurred = torch.nn.functional.avg_pool2d(disc[None, None], 9, 1, 4, count_include_pad=False)[0]
    (made,) = nodes["GSJBURefineMask"]().run(image, blurred, 8)
    assert made.shape == (2, 61, 83) and 0 <= float(made.min()) <= float(made.max()) <= 1
    assert (made[0] - disc).abs().mean() < 0.7 * (blurred[0] - disc).abs().mean()


def test_depth_and_latents(nodes):
    image, disc = scene()
    depth = (0.3 + 0.4 * disc)[None, :, :, None].expand(1, -1, -1, 3)
    (made,) = nodes["GSJBUSharpenDepth"]().run(image, depth, 8)
    assert made.shape == (2, 61, 83, 3) and (made - depth).abs().mean() < 0.05
    latent = {"samples": torch.randn(2, 4, 8, 11)}
    (made,) = nodes["GSJBUUpsampleLatentMap"]().run(image, latent, 3)
    assert made.shape == (2, 61, 83)
    film = {"samples": latent["samples"][:, :, None]}
    torch.testing.assert_close(nodes["GSJBUUpsampleLatentMap"]().run(image, film, 3)[0], made, atol=1e-3, rtol=0)
    with pytest.raises(ValueError, match="take one frame"):
        nodes["GSJBUUpsampleLatentMap"]().run(image, {"samples": film["samples"].repeat(1, 1, 2, 1, 1)}, 3)
    with pytest.raises(ValueError, match="channels 0 to 3"):
        nodes["GSJBUUpsampleLatentMap"]().run(image, latent, 4)
