"""A page of crops, so that a person can look: one line per scene, one picture per method, at the worst spot."""

from __future__ import annotations

import base64
import html
from pathlib import Path

import numpy as np
import torch

from benchmarks.scenes import Scene
from gsjbu.io import colours
from gsjbu.io.pictures import png_bytes

CROP = 160  # pixels


class Gallery:
    """Collects crops row by row; ``write`` makes one HTML file of them."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def add(self, row: str, scene: Scene, results: dict[str, torch.Tensor]) -> None:
        """The crop of ``scene`` that has most edges of the truth, by each method."""
        y, x = _busiest(scene.band)
        window = (slice(y, y + CROP), slice(x, x + CROP))
        photo = (scene.image[:, *window].permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
        cells = [("image", photo), ("truth", _coloured(scene, scene.truth[window]))]
        for name, result in results.items():
            shown = result[0].numpy() if scene.classes is None else scene.classes[result.argmax(0).numpy()]
            cells.append((name, _coloured(scene, shown[window])))
        figures = "".join(
            f'<figure><img alt="" src="data:image/png;base64,{base64.b64encode(png_bytes(p)).decode()}">'
            f"<figcaption>{html.escape(name)}</figcaption></figure>"
            for name, p in cells
        )
        self.lines.append(f"<h2>{html.escape(row)} · {html.escape(scene.name)}</h2><div>{figures}</div>")

    def write(self, path: Path) -> None:
        """One file with everything in it."""
        style = (
            "body{font:14px system-ui;background:#777;color:#fff;margin:24px}div{display:flex;flex-wrap:wrap;gap:8px}"
            "figure{margin:0}img{width:240px;image-rendering:pixelated;display:block}"
            "h2{font-size:15px;margin:24px 0 8px}"
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            f'<!doctype html><meta charset="utf-8"><title>Quality: crops</title><style>{style}</style>'
            "<h1>Crops where the truth has most edges</h1>" + "".join(self.lines),
            encoding="utf-8",
        )


def _busiest(band: np.ndarray) -> tuple[int, int]:
    """Top left of the crop with most of the band in it."""
    sums = np.pad(band.astype(np.int64), ((1, 0), (1, 0))).cumsum(0).cumsum(1)
    h, w = min(CROP, band.shape[0]), min(CROP, band.shape[1])
    inside = sums[h:, w:] - sums[:-h, w:] - sums[h:, :-w] + sums[:-h, :-w]
    y, x = np.unravel_index(int(inside.argmax()), inside.shape)
    return int(y), int(x)


def _coloured(scene: Scene, values: np.ndarray) -> np.ndarray:
    if scene.classes is None:
        return colours.paint(values, 0, 255)
    return _PALETTE[values.astype(np.int64) % 256]


_PALETTE = np.random.default_rng(3).integers(30, 235, (256, 3)).astype(np.uint8)
_PALETTE[255] = 0
