"""Real model classes at toy sizes with random weights, saved to folders as a person would have them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from gsjbu.models.torchvision_compat import torchvision

CLASSES = ("sky", "road", "tree", "car", "person")


def transformers() -> Any:
    torchvision()
    import transformers

    transformers.utils.logging.disable_progress_bar()
    return transformers


def save(model: Any, place: Path, mean: float = 0.5) -> Path:
    model.eval().save_pretrained(place, safe_serialization=True)
    processor = {"image_mean": [mean] * 3, "image_std": [0.25] * 3, "image_processor_type": "ViTImageProcessor"}
    (place / "preprocessor_config.json").write_text(json.dumps(processor))
    return place


def mask2former(place: Path, seed: int = 0) -> Path:
    t = transformers()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        backbone = t.SwinConfig(
            image_size=64, embed_dim=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 2, 2], window_size=4,
            out_features=["stage1", "stage2", "stage3", "stage4"],
        )  # fmt: skip
        config = t.Mask2FormerConfig(
            backbone_config=backbone, feature_size=32, mask_feature_size=32, hidden_dim=32, encoder_layers=1,
            encoder_feedforward_dim=16, dim_feedforward=16, decoder_layers=2, num_attention_heads=2, num_queries=6,
            id2label=dict(enumerate(CLASSES)), label2id={n: i for i, n in enumerate(CLASSES)},
        )  # fmt: skip
        save(t.Mask2FormerForUniversalSegmentation(config), place)
        t.Mask2FormerImageProcessor().save_pretrained(place)
    return place


def dinov2(place: Path, registers: bool = False) -> Path:
    t = transformers()
    name = "Dinov2WithRegisters" if registers else "Dinov2"
    more = {"num_register_tokens": 3} if registers else {}
    with torch.random.fork_rng():
        torch.manual_seed(1)
        config = getattr(t, name + "Config")(
            hidden_size=12, num_hidden_layers=2, num_attention_heads=2, image_size=56, patch_size=14, **more
        )
        return save(getattr(t, name + "Model")(config), place)


def dinov3(place: Path) -> Path:
    t = transformers()
    with torch.random.fork_rng():
        torch.manual_seed(2)
        config = t.DINOv3ViTConfig(
            hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, patch_size=16,
            num_register_tokens=4, image_size=64,
        )  # fmt: skip
        return save(t.DINOv3ViTModel(config), place)


def vit(place: Path) -> Path:
    t = transformers()
    with torch.random.fork_rng():
        torch.manual_seed(3)
        config = t.ViTConfig(
            hidden_size=12, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16, image_size=64,
            patch_size=16,
        )  # fmt: skip
        return save(t.ViTModel(config), place)


def resnet(place: Path) -> Path:
    t = transformers()
    with torch.random.fork_rng():
        torch.manual_seed(4)
        config = t.ResNetConfig(embedding_size=8, hidden_sizes=[8, 12, 16, 20], depths=[1, 1, 1, 1], layer_type="basic")
        return save(t.ResNetForImageClassification(config), place)


def convnext(place: Path) -> Path:
    t = transformers()
    with torch.random.fork_rng():
        torch.manual_seed(5)
        config = t.ConvNextV2Config(hidden_sizes=[8, 12, 16, 20], depths=[1, 1, 1, 1])
        return save(t.ConvNextV2ForImageClassification(config), place)


def swin(place: Path) -> Path:
    t = transformers()
    with torch.random.fork_rng():
        torch.manual_seed(6)
        config = t.SwinConfig(image_size=64, embed_dim=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 2, 2], window_size=4)
        return save(t.SwinForImageClassification(config), place)
