"""Outputs of networks: the field that holds a map says what it is."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from gsjbu.errors import SignalError
from gsjbu.io.signals import understand

DRAW = torch.Generator().manual_seed(0)


@pytest.mark.parametrize(
    ("field", "values", "kind"),
    [
        ("logits", torch.randn(1, 19, 12, 16, generator=DRAW), "logits"),  # their softmax is unsure
        ("logits", torch.randn(1, 2, 12, 16, generator=DRAW), "logits"),
        ("logits", torch.randn(1, 1, 12, 16, generator=DRAW), "logits"),
        ("predicted_depth", torch.rand(1, 12, 16, generator=DRAW), "depth"),
        ("last_hidden_state", 9 * torch.randn(1, 20, 12, 16, generator=DRAW), "features"),
        ("segmentation", torch.arange(192).reshape(12, 16), "labels"),
    ],
)
@pytest.mark.parametrize("of", [dict, SimpleNamespace])
def test_the_name_of_a_field_settles_its_kind(field, values, kind, of):
    found = understand(of(**{field: values}), (96, 128))
    assert (found.kind, found.runner_up, found.doubts) == (kind, None, [])
    assert f"{field} of a network" in found.note
    assert understand(of(**{field: values}), (96, 128), kind="depth" if values.ndim == 2 else "features")


def test_a_class_that_is_ruled_out_is_no_gap():
    logits = torch.randn(1, 3, 12, 16, generator=DRAW)
    logits[:, 0, 2] = -torch.inf
    assert understand({"logits": logits}).mask.all()


def test_masks_of_prompts_have_a_door_of_their_own():
    with pytest.raises(SignalError, match=r"gsjbu\.hf\.masks\(image, outputs, inputs\)"):
        understand(SimpleNamespace(pred_masks=torch.zeros(1, 1, 3, 8, 8), iou_scores=torch.ones(1, 1, 3)))
