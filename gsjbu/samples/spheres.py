"""Balls in soft light: smooth shading and sharp outlines."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from gsjbu.samples.canvas import SIZE, Canvas, Colour, blend, smooth, spread


def draw(c: Canvas, turn: float) -> None:
    """The scene at ``turn`` radians of its time.

    Balls on a floor, seen through a pinhole at (0, 1.5, 0) looking along z; light from the upper left.
    """
    eye_y, focal, horizon = np.float32(1.5), np.float32(560.0), np.float32(150.0)
    light = np.array([-0.52, 0.74, -0.43], np.float32)
    light /= np.linalg.norm(light)
    balls = [  # x, radius, z, colour, class
        (-1.55, 0.80, 5.6, (0.86, 0.24, 0.20), "red ball"),
        (0.15, 1.05, 6.9, (0.95, 0.93, 0.90), "white ball"),
        (1.50, 0.62, 5.0, (0.13, 0.45, 0.80), "blue ball"),
        (0.42, 0.40, 3.95, (0.97, 0.72, 0.12), "yellow ball"),
        (-0.62, 0.30, 3.55, (0.20, 0.62, 0.40), "green ball"),
        (2.62, 0.95, 8.4, (0.55, 0.32, 0.62), "violet ball"),
        (-1.75, 1.00, 9.8, (0.95, 0.58, 0.30), "orange ball"),
    ]
    placed = []
    for k, (x, r, z, paint, name) in enumerate(balls):
        placed.append((x + 0.18 * math.sin(turn + k) - 0.18 * math.sin(k), r, z, paint, name))
    w = c.window()
    assert w is not None
    up = smooth(0, 150, w.centres().y) + 0 * w.centres().x
    c.paint(w, c.everywhere(), blend((0.36, 0.46, 0.60), (0.88, 0.86, 0.82), up), "wall", 16.0)
    # The floor, lit and shadowed; rays hit it below the horizon.
    f = c.window(0, 208)
    assert f is not None
    z = eye_y * focal / (f.y - horizon) + 0 * f.x
    x = (f.x - SIZE / 2) * z / focal
    checks = np.sin(np.float32(2 * math.pi) * x) * np.sin(np.float32(2 * math.pi) * z)
    tiles = 0.5 + 0.5 * np.clip(120 * checks / z, -1, 1) * smooth(16, 6, z)
    floor = blend((0.55, 0.45, 0.38), (0.82, 0.76, 0.67), tiles) * (1.05 - 0.02 * z)
    # Shadows are soft: one value a pixel is enough for them.
    one = f.centres()
    far = eye_y * focal / (one.y - horizon) + 0 * one.x
    lit = np.ones_like(far)
    for bx, r, bz, _, _ in placed:
        lit *= _shadow((one.x - SIZE / 2) * far / focal, np.float32(0), far, (bx, r, bz), r, light)
    c.paint(f, z < 16.0, floor * spread(lit), "floor", z)
    for bx, r, bz, paint, name in sorted(placed, key=lambda b: -b[2]):
        _ball(c, (bx, r, bz), r, paint, name, light, placed, (eye_y, focal, horizon))


def _shadow(
    x: np.ndarray, y: Any, z: np.ndarray, centre: tuple[float, float, float], radius: float, light: np.ndarray
) -> np.ndarray:
    """Share of light left at points by one ball: a soft-edged cone, and the darkness where it touches."""
    dx, dy, dz = centre[0] - x, centre[1] - y, centre[2] - z
    far = dx * dx + dy * dy + dz * dz
    ahead = dx * light[0] + dy * light[1] + dz * light[2]
    miss = np.sqrt(np.maximum(far - ahead * ahead, 0))
    soft = 0.16 * np.maximum(ahead, 0) + 0.02
    cone = smooth(-1, 1, (miss - radius) / soft)
    direct = np.where(ahead > 0, 0.38 + 0.62 * cone, 1)
    contact = 1 - 0.45 * np.square(np.clip(radius * radius / np.maximum(far, 1e-6), 0, 1))
    return (direct * contact).astype(np.float32)


def _ball(
    c: Canvas, centre: tuple[float, float, float], radius: float, paint: Colour, name: str,
    light: np.ndarray, others: Sequence[Any], camera: tuple[Any, Any, Any],
) -> None:  # fmt: skip
    """One shaded ball: its own shade, light from the floor, a highlight, others' shadows."""
    eye_y, focal, horizon = camera
    px, py = SIZE / 2 + focal * centre[0] / centre[2], horizon + focal * (eye_y - centre[1]) / centre[2]
    reach = 1.25 * focal * radius / centre[2]
    w = c.window(px - reach, py - reach, px + reach, py + reach)
    if w is None:
        return
    # Ray from the eye: (dx, dy, 1), scaled; nearest hit with the sphere.
    dx, dy = (w.x - SIZE / 2) / focal, (horizon - w.y) / focal
    ox, oy, oz = centre[0], centre[1] - eye_y, centre[2]
    dd = dx * dx + dy * dy + 1
    along = (dx * ox + dy * oy + oz) / dd
    inside = along * along - (ox * ox + oy * oy + oz * oz - radius * radius) / dd
    hit = inside > 0
    z = along - np.sqrt(np.maximum(inside, 0))
    nx, ny, nz = (dx * z - ox) / radius, (dy * z - oy) / radius, (z - oz) / radius
    lambert = np.clip(nx * light[0] + ny * light[1] + nz * light[2], 0, 1)
    wrapped = 0.30 + 0.12 * ny + 0.72 * lambert
    bounce = np.clip(-ny, 0, 1) * 0.22  # light from the floor
    gleam = np.clip(2 * (nx * light[0] + ny * light[1] + nz * light[2]) * nz - light[2], -1, 0)
    shine = np.power(-gleam, 60) * 0.75 * (lambert > 0)
    rim = np.power(1 - np.clip(-(nx * dx + ny * dy + nz) / np.sqrt(dd), 0, 1), 4) * 0.25
    lit = np.ones_like(wrapped)
    for bx, r, bz, _, other in others:
        if other != name and (bx - centre[0]) ** 2 + (bz - centre[2]) ** 2 < (3 * (r + radius)) ** 2:
            lit *= _shadow(dx * z, eye_y + dy * z, z, (bx, r, bz), r, light)
    colour = np.stack(
        [
            v * wrapped * lit + bounce * b + shine * lit + rim * 0.8
            for v, b in zip(paint, (0.7, 0.62, 0.54), strict=True)
        ]
    )
    c.paint(w, hit, colour, name, z)
