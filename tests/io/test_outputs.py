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


class _Output(SimpleNamespace):
    """As a ModelOutput of transformers."""


def _of(name, **fields):
    return type(name, (_Output,), {})(**fields)


SHUFFLED = torch.randperm(192, generator=DRAW)[None]


@pytest.mark.parametrize(
    ("output", "said"),
    [
        (_of("CLIPSegOutput", logits=torch.zeros(2, 12, 16)), "masks of 2 prompts"),
        ({"predicted_depth": torch.rand(2, 12, 16)}, "a batch of 2"),
        (SimpleNamespace(segmentation=torch.ones(3, 12, 16).int()), "a batch of 3"),
        (_of("BaseModelOutput", last_hidden_state=torch.rand(2, 192, 64)), "a batch of 2"),
        (_of("ViTMAEModelOutput", last_hidden_state=torch.rand(1, 193, 64), ids_restore=SHUFFLED), "not masked"),
        (_of("ViTMAEModelOutput", last_hidden_state=torch.rand(1, 49, 64), ids_restore=SHUFFLED), "not masked"),
    ],
)
def test_what_is_no_map_of_one_image_is_refused(output, said):
    with pytest.raises(SignalError, match=said):
        understand(output, (192, 256))


def test_one_prompt_and_tokens_in_order_are_taken():
    one = _of("CLIPSegOutput", logits=torch.randn(1, 12, 16, generator=DRAW))
    assert (understand(one, (96, 128)).kind, understand(one, (96, 128)).runner_up) == ("logits", None)
    tokens = torch.rand(1, 193, 64, generator=DRAW)
    found = _of("ViTMAEModelOutput", last_hidden_state=tokens, ids_restore=torch.arange(192)[None])
    assert understand(found, (192, 256)).shape == (64, 12, 16)


def test_logits_of_a_classifier_are_what_their_numbers_say():
    along = torch.linspace(-4, 7, 16)[None, None, :, None].expand(1, 12, 16, 1)
    for flow in (9 * torch.randn(1, 12, 16, 2, generator=DRAW), torch.cat([along, -along], 3)):
        found = understand(_of("PerceiverClassifierOutput", logits=flow), (96, 128))
        assert (found.kind, found.runner_up) == ("features", "logits")
    assert "logits of a PerceiverClassifierOutput" in found.note
