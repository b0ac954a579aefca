"""What would be refused for every image is refused before the first."""

from __future__ import annotations

import pytest
import torch

from gsjbu import batch
from gsjbu.batch.config import BatchConfig
from gsjbu.errors import GsjbuError
from gsjbu.models import catalogue

NO_CUDA = pytest.mark.skipif(torch.cuda.is_available(), reason="there is CUDA")


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"radius": 99}, "radius is 99"),
        ({"objective": "foo"}, "objective is 'foo'"),
        ({"resolution": 7}, "resolution is 7"),
        ({"form": "foo"}, "form is 'foo'; it must be one of npy"),
        ({"device": "foo"}, "device is 'foo'"),
        pytest.param({"device": "cuda"}, "not available here", marks=NO_CUDA),
    ],
)
def test_settings_are_checked_before_the_first_image(asked, sentence):
    with pytest.raises(GsjbuError, match=sentence):
        BatchConfig(**asked).check("beside")


@pytest.mark.parametrize("backbone", ["timm:nonsense", "resnet18"])
def test_a_named_backbone_that_is_not_to_be_had_ends_a_batch_before_it_starts(dataset, tmp_path, monkeypatch, backbone):
    monkeypatch.setattr(catalogue, "find", lambda spec: None)
    monkeypatch.setattr(catalogue, "_resnet18_weights", lambda *_: (None, "none are here."))
    with pytest.raises(GsjbuError, match=r"nonsense|random weights"):
        batch.run(str(dataset), str(tmp_path / "out"), BatchConfig(backbone=backbone), signals="backbone", workers=1)
    assert not (tmp_path / "out").exists()
