"""Still life: texture on objects."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from gsjbu.samples.canvas import Canvas, Window, blend, noise, smooth


def draw(c: Canvas, turn: float) -> None:
    """The scene at ``turn`` radians of its time."""
    w = c.window()
    assert w is not None
    slide = 6 * math.sin(turn)
    # Wallpaper: a lattice of diamonds, light from the left.
    u, v = (w.x + w.y) / 34, (w.x - w.y) / 34
    lines = np.maximum(np.cos(2 * math.pi * u), np.cos(2 * math.pi * v))
    paper = blend((0.36, 0.47, 0.47), (0.55, 0.66, 0.62), smooth(0.86, 0.97, lines))
    paper = paper * (1.12 - 0.00075 * w.x - 0.0002 * w.y)
    c.paint(w, np.ones_like(u, bool), paper, "wallpaper", 4.0)
    # Table: boards with grain.
    edge = 338.0
    t = c.window(0, edge)
    assert t is not None
    away = 240 / (t.y - edge + 150)
    gx, gy = (t.x - 256) * away, away * 420
    board = np.floor(gx / 92 + 10)
    wobble = noise(t, 60, 18, 21) * 10
    grain = 0.5 + 0.5 * np.sin((gx + wobble * 1.6) * (0.9 + 0.07 * board) + board * 9)
    streak = noise(t, 5, 70, 22)
    wood = blend((0.42, 0.25, 0.13), (0.70, 0.47, 0.27), 0.55 * grain + 0.45 * streak)
    seam = np.abs((gx / 92 + 10) - np.round(gx / 92 + 10)) * 92
    wood = wood * (0.55 + 0.45 * smooth(0.3, 1.6, seam)) * (0.82 + 0.0011 * (t.y - edge))
    c.paint(t, t.y > edge, wood, "table", 1.2 + 0.4 * gy / 420)
    cast = np.ones_like(u)
    for x, y, rx, ry in ((170, 436, 84, 17), (330, 462, 86, 18), (424 + slide, 416, 66, 13), (70, 424, 58, 11)):
        d = ((w.x - x - 30) / (rx * 1.25)) ** 2 + ((w.y - y) / ry) ** 2
        cast *= 1 - 0.55 * smooth(1.5, 0.35, d) * (w.y > edge)
    c.shade(w, cast.astype(np.float32))
    _books(c, slide)
    _vase(c)
    _ball_of_wool(c, 330, 404, 62)
    _apple(c, 70, 388, 40)


def _turned(
    c: Canvas, x: float, top: float, bottom: float, radius: Callable[[np.ndarray], np.ndarray]
) -> tuple[Window, np.ndarray, np.ndarray, np.ndarray]:
    """A turned body: its window, where it is, and the direction (−1…1) and slope of its surface."""
    w = c.window(x - 110, top, x + 110, bottom)
    assert w is not None
    s = (w.y - top) / (bottom - top)
    r = radius(np.clip(s, 0, 1))
    across = (w.x - x) / r
    inside = (np.abs(across) < 1) & (s >= 0) & (s <= 1)
    return w, s, np.clip(across, -1, 1), inside


def _lit(across: np.ndarray) -> np.ndarray:
    """Brightness of an upright cylinder, light from the left front."""
    front = np.sqrt(1 - across * across)
    return 0.34 + 0.78 * np.clip(0.80 * front - 0.52 * across, 0, 1)


def _vase(c: Canvas) -> None:
    def radius(s: np.ndarray) -> np.ndarray:
        return 30 + 50 * np.sin(np.pi * np.clip(s * 1.06 - 0.02, 0, 1) ** 1.35).clip(0) ** 1.3 + 14 * smooth(0.14, 0, s)

    w, s, across, inside = _turned(c, 170, 118, 440, radius)
    angle = np.arcsin(across)
    zigzag = np.abs(np.mod(angle * 3.2 + 0.25, 1) - 0.5) * 2
    bands = s * 15
    tooth = smooth(-0.06, 0.06, np.mod(bands, 2) - 0.5 - zigzag)
    stripes = smooth(0.42, 0.46, np.abs(np.mod(s * 46, 1) - 0.5))
    glaze = blend((0.93, 0.89, 0.80), (0.13, 0.25, 0.46), np.where((s > 0.3) & (s < 0.83), tooth, stripes))
    light = _lit(across)
    shine = 0.5 * np.exp(-(((across + 0.42) / 0.09) ** 2) - ((s - 0.42) / 0.16) ** 2)
    c.paint(w, inside, glaze * light + shine, "vase", 2.0 - 0.35 * np.sqrt(1 - across * across))
    mouth = ((w.x - 170) / 43) ** 2 + ((w.y - 120) / 8) ** 2
    c.paint(w, mouth < 1, blend((0.10, 0.10, 0.12), (0.30, 0.28, 0.26), smooth(112, 130, w.y + 0 * w.x)), "vase", 2.0)


def _ball_of_wool(c: Canvas, x: float, y: float, r: float) -> None:
    """Threads wound in three directions around a ball."""
    w = c.window(x - r, y - r, x + r, y + r)
    assert w is not None
    nx, ny = (w.x - x) / r, (w.y - y) / r
    rr = nx * nx + ny * ny
    inside = rr < 1
    nz = np.sqrt(np.clip(1 - rr, 0, 1))
    best, thread = np.full_like(rr, -1), np.zeros_like(rr)
    for k, (ax, ay, az) in enumerate(((0.8, 0.5, 0.33), (-0.55, 0.75, 0.36), (0.1, -0.35, 0.93))):
        h = nx * ax + ny * ay + nz * az
        cover = np.cos(5.5 * h + 1.7 * k + 2.2 * np.arctan2(ny * az - nz * ay, nx * az - nz * ax + 1e-6))
        strand = 0.5 + 0.5 * np.cos(h * 62 + k)
        on = cover > best
        best, thread = np.where(on, cover, best), np.where(on, strand, thread)
    light = 0.30 + 0.80 * np.clip(-0.5 * nx - 0.45 * ny + 0.70 * nz, 0, 1)
    colour = blend((0.50, 0.08, 0.13), (0.93, 0.36, 0.30), thread) * light
    c.paint(w, inside, colour, "wool", 1.7 - 0.3 * nz)
    tail = np.linspace(0, 1, 30)
    c.curve(
        np.stack([x + 50 + 90 * tail, y + 54 + 14 * np.sin(tail * 7)], axis=1), 3.2, (0.72, 0.20, 0.20), "wool", 1.6
    )


def _apple(c: Canvas, x: float, y: float, r: float) -> None:
    w = c.window(x - r - 4, y - r - 4, x + r + 4, y + r + 4)
    assert w is not None
    nx, ny = (w.x - x) / (r * 1.06), (w.y - y) / r
    rr = nx * nx + (ny + 0.13 * np.exp(-((nx / 0.30) ** 2)) * (ny < 0)) ** 2
    nz = np.sqrt(np.clip(1 - rr, 0, 1))
    streaks = noise(w, 2.5, 26, 33) * 0.6 + noise(w, 9, 9, 34) * 0.4
    skin = blend((0.75, 0.70, 0.16), (0.56, 0.66, 0.16), streaks)
    blush = smooth(0.1, 1.0, nx * 0.8 + ny * 0.3 + 0.4 * streaks)
    skin = skin * (1 - blush) + blend((0, 0, 0), (0.80, 0.26, 0.14), blush)
    light = 0.32 + 0.80 * np.clip(-0.5 * nx - 0.5 * ny + 0.68 * nz, 0, 1)
    shine = 0.55 * np.exp(-(((nx + 0.36) / 0.13) ** 2) - ((ny + 0.42) / 0.10) ** 2)
    c.paint(w, rr < 1, skin * light + shine, "apple", 1.7 - 0.2 * nz)
    c.line((x, y - r * 0.80), (x + 6, y - r * 1.22), (2.0, 3.0), (0.25, 0.15, 0.07), "apple", 1.7)


def _books(c: Canvas, slide: float) -> None:
    """A stack of three, lettering on the spines."""
    rng = np.random.default_rng(12)
    y = 416.0
    for k, (wide, tall, cover) in enumerate(
        ((150, 44, (0.16, 0.33, 0.30)), (132, 36, (0.74, 0.55, 0.22)), (140, 30, (0.33, 0.22, 0.38)))
    ):
        left = 424 - wide / 2 + (6, -5, 4)[k] + slide
        w = c.window(left, y - tall, left + wide, y)
        if w is None:
            continue
        s, t = (w.x - left) / wide, (w.y - (y - tall)) / tall
        inside = (s >= 0) & (s <= 1) & (t >= 0) & (t <= 1)
        curved = 0.55 + 0.55 * np.sqrt(np.clip(1 - (2 * t - 1) ** 2, 0, 1)) - 0.25 * s
        weave = 0.94 + 0.06 * np.cos(w.x * 3.1) * np.cos(w.y * 3.1)
        colour = blend(cover, cover, s + t) * curved * weave
        gold = ((np.abs(s - 0.10) < 0.012) | (np.abs(s - 0.90) < 0.012)) & inside
        bars = rng.random(40) < 0.72  # letters, as a row of upright strokes
        letter = np.clip(((s - 0.2) / 0.6 * 40).astype(int), 0, 39)
        stroke = (
            bars[letter] & (np.mod((s - 0.2) / 0.6 * 40, 1) < 0.55) & (s > 0.2) & (s < 0.8) & (np.abs(t - 0.5) < 0.16)
        )
        colour = np.where(gold | stroke, np.array([0.93, 0.82, 0.52], np.float32)[:, None, None] * curved, colour)
        c.paint(w, inside, colour, "books", 2.3)
        y -= tall
