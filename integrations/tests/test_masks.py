"""Masks of SAM: on the image where SAM saw them, for each mask and prompt."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from gsjbu.errors import SignalError, SignalWarning
from gsjbu.hf import masks
from gsjbu.models.torchvision_compat import torchvision

torchvision()
import transformers as t  # noqa: E402

HEIGHT, WIDTH, SEEN, MASK = 96, 256, 64, 16  # a wide picture: more than half of the square is padding
Y, X = np.mgrid[:HEIGHT, :WIDTH]
DISC = np.hypot(Y - 40, X - 90) < 28
PICTURE = Image.fromarray(np.stack([60 + 120 * DISC] * 3, axis=-1).astype(np.uint8))


@pytest.fixture(scope="module")
def sam():
    """A SAM of 64×64 with random weights, what its processor makes of PICTURE, and what it gives for two prompts."""
    vision = {
        "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": SEEN, "patch_size": 16,
        "output_channels": 16, "global_attn_indexes": [0], "window_size": 2, "mlp_dim": 16, "num_pos_feats": 8,
    }  # fmt: skip
    prompt = {"hidden_size": 16, "image_size": SEEN, "patch_size": 16, "mask_input_channels": 4}
    decoder = {
        "hidden_size": 16, "mlp_dim": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
        "iou_head_hidden_dim": 16, "iou_head_depth": 2,
    }  # fmt: skip
    config = t.SamConfig(vision_config=vision, prompt_encoder_config=prompt, mask_decoder_config=decoder)
    sizes = {"size": {"longest_edge": SEEN}, "pad_size": {"height": SEEN, "width": SEEN}}
    processor = t.SamProcessor(t.SamImageProcessor(**sizes))
    inputs = processor(PICTURE, input_points=[[[[90, 40]], [[10, 10]]]], return_tensors="pt")
    with torch.no_grad():
        outputs = t.SamModel(config).eval()(**inputs)
    return outputs, inputs


def test_each_mask_of_each_prompt_comes_at_full_size(sam):
    outputs, inputs = sam
    assert outputs.pred_masks.shape == (1, 2, 3, MASK, MASK)
    made = masks(PICTURE, outputs, inputs)
    assert made.shape == (6, HEIGHT, WIDTH) and 0 <= made.min() <= made.max() <= 1


def test_what_lies_on_the_padding_is_left_out(sam):
    """The disc as SAM would find it, in its own frame: where it is in the picture, it is afterwards."""
    outputs, inputs = sam
    assert inputs["reshaped_input_sizes"].tolist() == [[24, SEEN]]
    seen = F.interpolate(torch.from_numpy(DISC).float()[None, None], size=(6, MASK), mode="area")
    outputs.pred_masks = F.pad(seen * 12 - 6, (0, 0, 0, MASK - 6), value=-6)[None]
    found = masks(PICTURE, outputs, inputs)[0].numpy() > 0.5
    assert (found & DISC).sum() / (found | DISC).sum() > 0.97


def test_masks_of_two_images_are_refused(sam):
    outputs, inputs = sam
    outputs.pred_masks = torch.zeros(2, 1, 3, MASK, MASK)
    with pytest.raises(SignalError, match="of one image"):
        masks(PICTURE, outputs, inputs)


def test_masks_of_a_squashed_image_are_no_doubt(sam, recwarn):
    """SAM 2 pads nothing: its processor says no sizes."""
    inputs = {"pixel_values": sam[1]["pixel_values"]}
    seen = F.interpolate(torch.from_numpy(DISC).float()[None, None], size=(MASK, MASK), mode="area")
    found = masks(PICTURE, {"pred_masks": seen[None] * 12 - 6}, inputs)[0].numpy() > 0.5
    assert (found & DISC).sum() / (found | DISC).sum() > 0.9
    assert not [said for said in recwarn if issubclass(said.category, SignalWarning)]
