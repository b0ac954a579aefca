"""Paper cut-outs: shapes lying over each other."""

from __future__ import annotations

import math

import numpy as np

from gsjbu.samples.canvas import Canvas, Colour, blend, noise, smooth, spread


def draw(c: Canvas, turn: float) -> None:
    """The scene at ``turn`` radians of its time."""
    w = c.window()
    assert w is not None
    rng = np.random.default_rng(7)
    one = w.centres()
    fibres = noise(one, 3, 3, 41) * 0.5 + noise(one, 60, 60, 42) * 0.5
    c.paint(w, c.everywhere(), blend((0.90, 0.86, 0.78), (0.96, 0.93, 0.87), fibres), "sheet", 1.0)
    kinds = ("leaf", "disc", "ring", "flower", "square")
    tones = {
        "leaf": ((0.27, 0.46, 0.27), (0.52, 0.62, 0.24), (0.80, 0.46, 0.16)),
        "disc": ((0.86, 0.33, 0.24), (0.93, 0.70, 0.28)),
        "ring": ((0.16, 0.38, 0.55), (0.22, 0.22, 0.36)),
        "flower": ((0.95, 0.81, 0.36), (0.93, 0.60, 0.55)),
        "square": ((0.42, 0.28, 0.46), (0.40, 0.62, 0.66)),
    }
    spots = [
        (110, 120), (380, 100), (250, 210), (420, 300), (100, 330), (270, 400), (180, 60), (470, 440), (60, 470),
        (330, 290), (180, 260), (400, 190), (300, 70), (150, 430), (370, 420), (40, 215), (240, 310), (470, 40),
    ]  # fmt: skip
    for k, (x, y) in enumerate(spots):
        kind = kinds[k % len(kinds)]
        size = float(rng.uniform(66, 104))
        angle = float(rng.uniform(0, 2 * math.pi)) + 0.25 * math.sin(turn + k) - 0.25 * math.sin(k)
        tone = tones[kind][k // len(kinds) % len(tones[kind])]
        height = 0.02 * (k + 1)
        _cutout(c, kind, x + 8 * math.sin(turn + 2 * k) - 8 * math.sin(2 * k), y, size, angle, tone, 1 - height, k)


def _cutout(
    c: Canvas, kind: str, x: float, y: float, size: float, angle: float, tone: Colour, depth: float, seed: int
) -> None:
    """One shape with the soft shadow it casts on what lies below."""
    drop = 7.0
    w = c.window(x - size - 20, y - size - 20, x + size + 28, y + size + 28)
    if w is None:
        return
    cos, sin = math.cos(angle), math.sin(angle)

    def outside(px: np.ndarray, py: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Distance in pixels to the shape's outline, negative inside; and the coordinates turned with the shape."""
        u, v = cos * px + sin * py, cos * py - sin * px
        r = np.sqrt(u * u + v * v)
        if kind == "disc":
            d = r - size * 0.8
        elif kind == "ring":
            d = np.abs(r - size * 0.72) - size * 0.17
        elif kind == "flower":
            beam = np.abs(np.mod(np.arctan2(v, u) / (2 * math.pi) * 6, 1) - 0.5) * 2
            d = r - size * (0.46 + 0.50 * beam)
            d = d * 0.6
        elif kind == "square":
            d = np.maximum(np.abs(u), np.abs(v)) - size * 0.62
        else:
            d = np.abs(v) + u * u / (1.9 * size) - size * 0.46 + 0.7 * np.cos(u * 0.55)
            d = d * 0.8
        return d, u, v

    one = w.centres()
    shadow, _, _ = outside(one.x - x - drop * 0.7, one.y - y - drop)
    c.shade(w, spread((1 - 0.46 * smooth(6, -6, shadow)).astype(np.float32)))
    d, u, v = outside(w.x - x, w.y - y)
    fibre = spread(0.95 + 0.10 * noise(one, 2.2, 2.2, 100 + seed) + 0.06 * (noise(one, 30, 30, 200 + seed) - 0.5))
    light = fibre * (1 + 0.10 * smooth(-3, 0, d) * np.sign(-(w.x - x) - (w.y - y)))
    if kind == "leaf":  # midrib and side veins
        ribs = (np.abs(v) < 1.1) | (np.abs(np.mod(np.abs(v) * 0.9 - u + 500, 17) - 8.5) < 0.75)
        light = np.where(ribs & (d < -3), light * 1.32, light)
    elif kind == "square":  # a printed check
        check = np.sin(u * 2 * math.pi / 15) * np.sin(v * 2 * math.pi / 15) > 0
        light = np.where(check, light * 0.80, light)
    elif kind == "disc":
        light = np.where(np.mod(np.sqrt(u * u + v * v), 12) < 2.4, light * 0.86, light)
    c.paint(w, d < 0, [t * light for t in tone], kind, depth)
