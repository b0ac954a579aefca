"""The middle of a built-in scene, with an LR signal: small enough for quick tests."""

from __future__ import annotations

from benchmarks.scenes import Scene, depth_scene, label_scene
from gsjbu.samples import SAMPLES


def quarter(name: str, kind: str, s: int) -> Scene:
    """256 × 256 of the scene ``name``; its depth, or its labels as shares of cells of ``s`` × ``s`` pixels."""
    sample = SAMPLES[name]
    window = (slice(128, 384), slice(128, 384))
    image = sample.image[:, *window].contiguous()
    if kind == "depth":
        return depth_scene(name, image, sample.depth[window].numpy(), s)
    return label_scene(name, image, sample.labels[window].numpy(), s)
