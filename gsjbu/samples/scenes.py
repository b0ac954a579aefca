"""Built-in scenes, drawn by the files beside this one: something to look at before anyone uploads a picture.

Each has a smooth (supersampled) image and, at every pixel's centre, the exact class and depth, so that upsampled
labels and depth can be scored. Everything is deterministic; ``frame`` moves a scene for video.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
from torch import Tensor

from gsjbu.io.brought import Brought
from gsjbu.io.kinds import Kind
from gsjbu.samples import paper, spheres, still_life, wires
from gsjbu.samples.canvas import SIZE, Canvas

#: What a built-in scene knows of itself; each is a kind of signal, too.
TRUTHS: tuple[Kind, ...] = ("depth", "labels")


@dataclass(frozen=True, eq=False)
class Sample:
    """``image`` [3, 512, 512] in [0, 1]; ``labels`` int64 [512, 512]; ``depth`` float32 [512, 512] in metres."""

    name: str
    title: str
    sentence: str
    image: Tensor
    labels: Tensor
    label_names: tuple[str, ...]
    depth: Tensor

    def truth(self, what: str) -> Brought:
        """What is exactly known of the scene, one of TRUTHS, as if a person had brought it."""
        if what == "depth":
            return Brought(self.depth.numpy(), "exact depth")
        names = dict(enumerate(self.label_names))
        return Brought(self.labels.numpy().astype(np.uint8), "exact labels", kind="labels", names=names)


class Samples(Mapping[str, Sample]):
    """The scenes by name, in the order they are offered; each is drawn when first asked for."""

    def __getitem__(self, name: str) -> Sample:
        return _draw(name)

    def __iter__(self) -> Iterator[str]:
        return iter(_SCENES)

    def __len__(self) -> int:
        return len(_SCENES)

    def about(self) -> list[dict[str, str | int]]:
        """Name, title, sentence, width and height of each, without drawing any."""
        return [
            {"name": s.name, "title": s.title, "sentence": s.sentence, "width": SIZE, "height": SIZE}
            for s in _SCENES.values()
        ]


def frame(name: str, time: float) -> Sample:
    """The scene ``name`` at ``time``; things move smoothly and are back where they were after each whole 1."""
    scene = _SCENES[name]
    canvas = Canvas(scene.classes)
    scene.draw(canvas, 2 * math.pi * time)
    image, labels, depth = canvas.finish()
    return Sample(name, scene.title, scene.sentence, image, labels, scene.classes, depth)


@cache
def _draw(name: str) -> Sample:
    return frame(name, 0.0)


@dataclass(frozen=True)
class Scene:
    """How a scene is called and drawn; ``draw`` gets a canvas and an angle of 2π per turn of time."""

    name: str
    title: str
    sentence: str
    classes: tuple[str, ...]
    draw: Callable[[Canvas, float], None]


_SCENES = {
    s.name: s
    for s in (
        Scene(
            "spheres", "Balls in soft light",
            "Smooth shading and sharp outlines: look at the edge where a ball meets its own shadow.",
            (
                "wall", "floor", "red ball", "white ball", "blue ball", "yellow ball", "green ball", "violet ball",
                "orange ball",
            ), spheres.draw,
        ),
        Scene(
            "wires", "Wires at dusk",
            "Thin things against a sky: wires, a lattice and branches, most of them thinner than one LR pixel.",
            ("sky", "sun", "hills", "field", "pylon", "wires", "tree"), wires.draw,
        ),
        Scene(
            "paper", "Paper cut-outs",
            "Shapes lying over each other: crisp outlines, soft shadows that are not edges of anything.",
            ("sheet", "leaf", "disc", "ring", "flower", "square"), paper.draw,
        ),
        Scene(
            "still_life", "Still life",
            "Texture on objects: patterns that are edges in colour and yet lie on one thing.",
            ("wallpaper", "table", "vase", "wool", "apple", "books"), still_life.draw,
        ),
    )
}  # fmt: skip
SAMPLES = Samples()
