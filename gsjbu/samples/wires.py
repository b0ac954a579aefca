"""Wires at dusk: thin structures against a sky."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from gsjbu.samples.canvas import FINE, SIZE, Canvas, Colour, Window, blend, noise, smooth


def draw(c: Canvas, turn: float) -> None:
    """The scene at ``turn`` radians of its time."""
    w = c.window()
    assert w is not None
    one = w.centres()
    down = one.y / SIZE + 0 * one.x
    sky = blend((0.13, 0.20, 0.42), (0.55, 0.48, 0.62), smooth(0.0, 0.48, down))
    sky += blend((0, 0, 0), (0.44, 0.20, -0.22), smooth(0.30, 0.74, down))
    glow = np.exp(-(((one.x - 168) / 150) ** 2) - ((one.y - 360) / 80) ** 2)
    sky += blend((0, 0, 0), (0.10, 0.16, 0.06), glow)
    c.paint(w, c.everywhere(), sky, "sky", 400.0)
    s = c.window(140, 324, 196, 380)
    assert s is not None
    c.paint(s, (s.x - 168) ** 2 + (s.y - 352) ** 2 < 26**2, (1.0, 0.93, 0.72), "sun", 400.0)
    for base, tall, seed, depth, tone in (
        (384, 44, 3, 180.0, (0.47, 0.36, 0.50)),
        (408, 34, 5, 90.0, (0.31, 0.26, 0.40)),
    ):
        h = c.window(0, base - tall - 8)
        assert h is not None
        profile = noise(Window(h.rows, h.cols, h.x, np.zeros((1, 1), np.float32)), 90, 90, seed)
        ridge = base - tall * profile + 6 * np.sin(h.x / 41 + seed)
        mist = smooth(0, 90, h.centres().y - ridge[:, FINE // 2 :: FINE]) * 0.35
        c.paint(h, h.y > ridge, blend(tone, (0.72, 0.50, 0.50), mist), "hills", depth)
    f = c.window(0, 430)
    assert f is not None
    near = 446 + 10 * np.sin(f.x / 70) + 5 * np.sin(f.x / 23 + 1)
    one = f.centres()
    grass = noise(one, 3, 14, 8) * 0.6 + noise(one, 40, 9, 9) * 0.4
    blades = blend((0.10, 0.13, 0.10), (0.30, 0.30, 0.16), grass * (smooth(440, 520, one.y) + 0.15))
    c.paint(f, f.y > near, blades, "field", 40 - 0.3 * (f.y - 440))
    ink = (0.10, 0.09, 0.13)
    _pylon(c, 392, 452, 52, 92, ink, 60.0)
    _pylon(c, 118, 428, 34, 232, (0.20, 0.17, 0.24), 110.0)
    sway = 3 * math.sin(turn)
    for (x0, y0), (x1, y1) in zip(_arm_tips(392, 452, 52, 92), _arm_tips(118, 428, 34, 232), strict=True):
        far = (0.20, 0.17, 0.24)
        _wire(c, (x0, y0), (x1, y1), 22 + sway, 1.2, ink, 80.0)
        _wire(c, (x0, y0), (x0 + 250, y0 - 90), 30 - sway, 1.5, ink, 50.0)
        _wire(c, (x1, y1), (x1 - 240, y1 + 50), 16 + sway, 0.9, far, 130.0)
    _branch(c, 268, 478, -math.pi / 2 - 0.06, 74, 11, 7, np.random.default_rng(4), (0.09, 0.07, 0.08), turn)


def _wire(
    c: Canvas, a: tuple[float, float], b: tuple[float, float], sag: float, width: float, colour: Colour, depth: float
) -> None:
    """A hanging wire: a parabola, ``sag`` pixels below the straight line in its middle."""
    t = np.linspace(0, 1, 48)
    y = a[1] + (b[1] - a[1]) * t + 4 * sag * t * (1 - t)
    c.curve(np.stack([a[0] + (b[0] - a[0]) * t, y], axis=1), width, colour, "wires", depth)


#: Arms of a mast: height as a share of the mast's, reach as a multiple of the foot's half width.
ARMS = ((0.72, 0.9), (0.83, 1.17), (0.94, 0.75))
HANGER = 0.025


def _pylon(c: Canvas, x: float, foot: float, half: float, top: float, colour: Colour, depth: float) -> None:
    """A lattice mast: two legs, crossed braces, three arms."""
    tall = foot - top
    thick = half / 20

    def leg(t: float) -> float:  # half width at height t of 0…1: wide at the foot, narrow from the waist up
        return half * ((1 - t / 0.55) * 0.62 + 0.20 if t < 0.55 else 0.20 - 0.16 * (t - 0.55) / 0.45)

    levels = [0, 0.16, 0.30, 0.42, 0.52, 0.60, 0.68, 0.76, 0.84, 0.92, 1.0]
    for t0, t1 in pairwise(levels):
        y0, y1 = foot - t0 * tall, foot - t1 * tall
        for s in (-1, 1):
            c.line((x + s * leg(t0), y0), (x + s * leg(t1), y1), thick, colour, "pylon", depth)
            c.line((x + s * leg(t0), y0), (x - s * leg(t1), y1), thick * 0.6, colour, "pylon", depth)
        c.line((x - leg(t1), y1), (x + leg(t1), y1), thick * 0.6, colour, "pylon", depth)
    for t, reach in ARMS:
        y = foot - t * tall
        for s in (-1, 1):
            tip = (x + s * reach * half, y)
            c.line((x, y), tip, thick * 0.8, colour, "pylon", depth)
            c.line((x + s * leg(t), y - 0.05 * tall), tip, thick * 0.6, colour, "pylon", depth)
            c.line(tip, (tip[0], tip[1] + HANGER * tall), thick, colour, "pylon", depth)


def _arm_tips(x: float, foot: float, half: float, top: float) -> list[tuple[float, float]]:
    """Where the wires hang from a mast drawn with the same numbers."""
    tall = foot - top
    return [(x + s * reach * half, foot - (t - HANGER) * tall) for t, reach in ARMS for s in (-1, 1)]


def _branch(
    c: Canvas, x: float, y: float, angle: float, length: float, width: float, levels: int,
    rng: np.random.Generator, colour: Colour, turn: float,
) -> None:  # fmt: skip
    """A tree, branch by branch; thin ones sway more."""
    bend = angle + 0.02 * math.sin(turn + levels) * (8 - levels)
    tip = (x + length * math.cos(bend), y + length * math.sin(bend))
    c.line((x, y), tip, (width, max(width * 0.70, 0.6)), colour, "tree", 20.0)
    if levels == 0:
        return
    for side in (-1, 1):
        spread = side * (0.28 + 0.30 * rng.random())
        shorter = length * (0.68 + 0.17 * rng.random())
        _branch(c, *tip, angle + spread, shorter, max(width * 0.66, 0.7), levels - 1, rng, colour, turn)
