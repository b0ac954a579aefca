"""Pipelines of transformers with tiny random models: what comes out has the picture's size and the pipeline's shape."""

from __future__ import annotations

import os

import numpy as np
import pytest
import torch
from PIL import Image

import gsjbu
from gsjbu.errors import ModelError, SignalWarning
from gsjbu.hf import Upsampled
from gsjbu.hf.placement import placed, spans
from gsjbu.models.torchvision_compat import torchvision

os.environ["HF_HUB_OFFLINE"] = "1"  # whatever is not given is not asked for
torchvision()
import transformers as t  # noqa: E402

PICTURE = Image.fromarray(np.random.default_rng(0).integers(0, 255, (75, 98, 3), np.uint8)).resize((196, 150))


def segformer():
    config = t.SegformerConfig(
        num_encoder_blocks=4, depths=[1] * 4, hidden_sizes=[8, 8, 16, 16], num_attention_heads=[1, 1, 2, 2],
        decoder_hidden_size=16, num_labels=3, id2label={0: "sky", 1: "road", 2: "tree"},
        label2id={"sky": 0, "road": 1, "tree": 2},
    )  # fmt: skip
    size = {"height": 64, "width": 96}
    return t.pipeline(
        "image-segmentation", model=t.SegformerForSemanticSegmentation(config).eval(),
        image_processor=t.SegformerImageProcessor(size=size),
    )  # fmt: skip


def mask2former(tmp_path):
    from tests import tiny_models

    place = tiny_models.mask2former(tmp_path / "m2f")
    return t.pipeline("image-segmentation", model=str(place), image_processor=str(place))


def depth(kind: str):
    torch.manual_seed(0)
    backbone = {"hidden_size": 12, "num_hidden_layers": 4, "num_attention_heads": 2, "image_size": 56}
    if kind == "dpt":
        config = t.DPTConfig(
            **backbone, patch_size=14, intermediate_size=16, backbone_out_indices=[0, 1, 2, 3], is_hybrid=False,
            neck_hidden_sizes=[8, 8, 8, 8], fusion_hidden_size=8, reassemble_factors=[4, 2, 1, 0.5],
        )  # fmt: skip
        model, made = t.DPTForDepthEstimation(config), t.DPTImageProcessor(size={"height": 56, "width": 56})
    else:
        dino = t.Dinov2Config(
            **backbone,
            patch_size=14,
            out_features=[f"stage{n}" for n in range(1, 5)],
            reshape_hidden_states=False,
        )
        config = t.DepthAnythingConfig(
            backbone_config=dino, reassemble_hidden_size=12, neck_hidden_sizes=[8, 8, 8, 8], fusion_hidden_size=8,
            head_hidden_size=4, patch_size=14,
        )  # fmt: skip
        model = t.DepthAnythingForDepthEstimation(config)
        # Its own random weights give a constant to seven digits, or what the last ReLU leaves of it.
        for weights in (w for w in [*model.neck.parameters(), *model.head.parameters()] if w.dim() > 1):
            torch.nn.init.xavier_normal_(weights)
        torch.nn.init.constant_(model.head.conv3.bias, 1.0)
        made = t.DPTImageProcessor(size={"height": 70, "width": 70}, keep_aspect_ratio=True, ensure_multiple_of=14)
    return t.pipeline("depth-estimation", model=model.eval(), image_processor=made)


def test_semantic_segmentation():
    pipe = segformer()
    plain, ours = pipe(PICTURE), Upsampled(pipe)(PICTURE)
    assert {"score", "label", "mask"} == set(ours[0])
    assert {part["label"] for part in ours} <= {"sky", "road", "tree"}
    assert all(part["mask"].size == PICTURE.size and part["mask"].mode == plain[0]["mask"].mode for part in ours)
    total = sum((np.asarray(part["mask"]) > 0).astype(int) for part in ours)
    assert (total == 1).all() and all(0 <= part["score"] <= 1 for part in ours)


def test_queries_of_mask2former(tmp_path):
    # Its processor enlarges pictures: the map must still be the smaller one.
    large = PICTURE.resize((784, 600))
    ours = Upsampled(mask2former(tmp_path))(large)
    assert ours and all(part["mask"].size == large.size for part in ours)


@pytest.mark.parametrize("kind", ["dpt", "depth anything"])
def test_depth(kind):
    pipe = depth(kind)
    plain, ours = pipe(PICTURE), Upsampled(pipe)([PICTURE, PICTURE])[1]
    assert ours["predicted_depth"].shape == PICTURE.size[::-1] == plain["predicted_depth"].shape[-2:]
    assert ours["depth"].size == PICTURE.size
    both = np.corrcoef(ours["predicted_depth"].flatten(), plain["predicted_depth"].flatten())
    assert both[0, 1] > 0.9  # the same depth, along other edges


@pytest.mark.parametrize(("family", "before"), [("dinov2", 1), ("registers", 4), ("dinov3", 5), ("vit", 1)])
def test_tokens(tmp_path, family, before):
    """What stands before the patches' tokens – the class, registers – takes no part."""
    from tests import tiny_models

    make = {"registers": lambda place: tiny_models.dinov2(place, registers=True)}
    place = make.get(family, getattr(tiny_models, family, None))(tmp_path / family)
    patch = 14 if family in ("dinov2", "registers") else 16
    rows, cols = (4, 4) if family == "vit" else (4, 6)
    processor = t.BitImageProcessor(
        size={"height": rows * patch, "width": cols * patch}, do_center_crop=False, image_mean=[0.5] * 3,
        image_std=[0.5] * 3,
    )  # fmt: skip
    pipe = t.pipeline("image-feature-extraction", model=str(place), image_processor=processor)
    with torch.no_grad():
        seen = pipe.model(**processor(PICTURE, return_tensors="pt")).last_hidden_state[0]
    assert len(seen) == before + rows * cols
    low = seen[before:].T.unflatten(1, (rows, cols))
    made = Upsampled(pipe, iters=0)(PICTURE)
    assert made.shape == (len(low), 150, 196)
    torch.testing.assert_close(made, gsjbu.upsample(PICTURE, low, kind="features", iters=0))


@pytest.mark.parametrize(
    ("processor", "rows", "cols"),
    [
        (t.BitImageProcessor(size={"shortest_edge": 256}, crop_size=224), (9.4, 140.6), (32.7, 163.5)),
        (t.ZoeDepthImageProcessor(), (-25, 175), (-29, 225)),
        (t.SegformerImageProcessor(), (0, 150), (0, 196)),
    ],
)
def test_what_of_a_picture_the_network_saw(processor, rows, cols):
    found = spans(lambda x: processor(x, return_tensors="pt")["pixel_values"], *PICTURE.size)
    np.testing.assert_allclose(found, (rows, cols), atol=0.6)


@pytest.mark.parametrize("size", [(500, 251), (500, 249), (640, 240), (240, 640), (900, 100)])
@pytest.mark.parametrize("where", ["after", "around", "white"])
def test_padding_is_left_out_however_much_of_it_there_is(size, where):
    width, height = size
    scale, side = 320 / max(size), 320
    new = round(width * scale), round(height * scale)
    top, left = ((side - new[1]) // 2, (side - new[0]) // 2) if where == "around" else (0, 0)

    def processed(picture):
        pixels = np.full((side, side), 1.2 if where == "white" else 0.45, np.float32)
        pixels[top : top + new[1], left : left + new[0]] = np.asarray(picture.convert("L").resize(new)) / 255
        return ((pixels - 0.45) / 0.22)[None, None]

    rows, cols = spans(processed, width, height)
    for found, before, of, pixels in ((rows, top, height, new[1]), (cols, left, width, new[0])):
        np.testing.assert_allclose(found, np.array([-before, side - before]) * of / pixels, atol=of / pixels)


@pytest.mark.parametrize("size", [(500, 249), (240, 640)])
def test_eomt_sees_a_padded_picture_whole(size):
    processor = t.EomtImageProcessor(
        size={"shortest_edge": 320, "longest_edge": 320}, do_pad=True, do_split_image=False
    )
    found = spans(lambda x: processor(x, return_tensors="pt")["pixel_values"], *size)
    np.testing.assert_allclose(found, [(0, max(size))] * 2, atol=4)


def test_a_processor_that_cuts_the_picture_into_parts_is_refused():
    processor = t.EomtImageProcessor(
        size={"shortest_edge": 96, "longest_edge": None}, do_split_image=True, do_pad=False
    )
    seen = processor(PICTURE.resize((500, 200)), return_tensors="pt")["pixel_values"]
    assert len(seen) == 3
    with pytest.raises(ModelError, match=r"cuts the picture into 3 parts.*do_split_image=False"):
        spans(lambda x: processor(x, return_tensors="pt")["pixel_values"], 500, 200)
    assert spans(lambda x: processor(x, return_tensors="pt")["pixel_values"], 200, 200) == ((0, 200), (0, 200))


def test_padding_is_left_out_and_cells_keep_their_place():
    assert placed((-25.0, 175.0), 8, 150) == (slice(1, 7), slice(0, 150))
    assert placed((10.2, 140.0), 8, 150) == (slice(0, 8), slice(10, 140))


def test_what_a_processor_cuts_off_has_no_value(tmp_path):
    from tests import tiny_models

    processor = t.BitImageProcessor(size={"shortest_edge": 64}, crop_size={"height": 56, "width": 56})
    pipe = t.pipeline(
        "image-feature-extraction",
        model=str(tiny_models.dinov2(tmp_path / "dino")),
        image_processor=processor,
    )
    with pytest.warns(SignalWarning, match="rows 10 to 140 of 150 and columns 31 to 163 of 196"):
        made = Upsampled(pipe, iters=0)(PICTURE)
    there = made[0].isfinite()
    assert made.shape[1:] == there.shape == (150, 196)
    assert there[10:140, 31:163].all() and there.sum() == 130 * 132


def test_zeros_of_a_network_are_values():
    pipe = depth("dpt")
    found = torch.rand(1, 56, 56)
    found[:, :20] = 0  # the sky, after a ReLU
    pipe.model.forward = lambda **_: {"predicted_depth": found}
    assert Upsampled(pipe)(PICTURE)["predicted_depth"].isfinite().all()


def test_keywords_and_iterators():
    ours = Upsampled(segformer())
    (parts,) = ours(iter([PICTURE]), batch_size=4)
    assert parts[0]["mask"].size == PICTURE.size
    with pytest.raises(ModelError, match="takes no subtask"):
        ours(PICTURE, subtask="panoptic")


def test_other_tasks_are_refused():
    class Other:
        task = "text-generation"

    with pytest.raises(ModelError) as caught:
        Upsampled(Other())
    assert "depth-estimation" in caught.value.message
    assert torch.is_grad_enabled()
