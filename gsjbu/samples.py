"""Built-in scenes, drawn by the code below: something to look at before anyone uploads a picture.

Each has a smooth (supersampled) image and, at every pixel's centre, the exact class and depth, so that upsampled
labels and depth can be scored. Everything is deterministic; ``frame`` moves a scene for video.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

SIZE = 512
#: Samples per pixel and axis; odd, so that one of them is the pixel's centre.
FINE = 3


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
    depth_unit: str = "m"


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


# --------------------------------------------------------------------------------------- the canvas

Colour = Sequence[Any] | np.ndarray


@dataclass
class Window:
    """A rectangle of whole pixels' fine samples: their coordinates in pixels, ``x`` [1, n] and ``y`` [m, 1]."""

    rows: slice
    cols: slice
    x: np.ndarray
    y: np.ndarray

    def centres(self) -> Window:
        """The same rectangle with one sample a pixel: enough for shadows and grain, at a ninth of the work."""
        middle = slice(FINE // 2, None, FINE)
        return Window(self.rows, self.cols, self.x[:, middle], self.y[middle])


def spread(values: np.ndarray) -> np.ndarray:
    """One value a pixel → one a fine sample."""
    return values.repeat(FINE, axis=0).repeat(FINE, axis=1)


@dataclass
class Canvas:
    """Fine samples of colour, class and depth, painted back to front."""

    classes: tuple[str, ...]
    colour: np.ndarray = field(init=False)
    label: np.ndarray = field(init=False)
    depth: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        n = SIZE * FINE
        self.colour = np.zeros((3, n, n), np.float32)
        self.label = np.zeros((n, n), np.uint8)
        self.depth = np.zeros((n, n), np.float32)
        self._at = ((np.arange(n) + 0.5) / FINE).astype(np.float32)

    def window(
        self, left: float = 0, top: float = 0, right: float = SIZE, bottom: float = SIZE
    ) -> Window | None:
        """The samples inside a rectangle given in pixels, or None where it lies outside the picture."""
        x0, x1 = (FINE * min(max(math.floor(v), 0), SIZE) for v in (left, right + 1))
        y0, y1 = (FINE * min(max(math.floor(v), 0), SIZE) for v in (top, bottom + 1))
        if x0 >= x1 or y0 >= y1:
            return None
        rows, cols = slice(y0, y1), slice(x0, x1)
        return Window(rows, cols, self._at[None, cols], self._at[rows, None])

    def paint(
        self, w: Window, where: np.ndarray, colour: Colour, name: str, depth: float | np.ndarray
    ) -> None:
        """Put a colour, a class and a depth on the samples where ``where`` [m, n] holds.

        ``colour`` is three numbers, or three planes with a value for each sample or for each whole pixel.
        """
        for channel, value in zip(self.colour, colour, strict=True):
            whole = (
                spread(value) if np.ndim(value) == 2 and value.shape[0] * FINE == where.shape[0] else value
            )
            np.copyto(channel[w.rows, w.cols], whole, where=where)
        np.copyto(self.label[w.rows, w.cols], self.classes.index(name), where=where)
        np.copyto(self.depth[w.rows, w.cols], depth, where=where)

    def everywhere(self) -> np.ndarray:
        """True at every sample."""
        return np.ones_like(self.label, bool)

    def shade(self, w: Window, factor: np.ndarray) -> None:
        """Multiply the colours painted so far: a shadow."""
        self.colour[:, w.rows, w.cols] *= factor

    def line(
        self, a: tuple[float, float], b: tuple[float, float], width: float | tuple[float, float],
        colour: Colour, name: str, depth: float,
    ) -> None:  # fmt: skip
        """A straight stroke with round ends, ``width`` pixels wide (at a and at b)."""
        wide = (width, width) if isinstance(width, int | float) else width
        reach = max(wide) / 2
        w = self.window(
            min(a[0], b[0]) - reach, min(a[1], b[1]) - reach, max(a[0], b[0]) + reach, max(a[1], b[1]) + reach
        )
        if w is None:
            return
        dx, dy = b[0] - a[0], b[1] - a[1]
        length = dx * dx + dy * dy or 1e-9
        along = np.clip(((w.x - a[0]) * dx + (w.y - a[1]) * dy) / length, 0, 1)
        half = (wide[0] + along * (wide[1] - wide[0])) / 2
        away = (w.x - a[0] - along * dx) ** 2 + (w.y - a[1] - along * dy) ** 2
        self.paint(w, away <= half * half, colour, name, depth)

    def curve(self, points: np.ndarray, width: float, colour: Colour, name: str, depth: float) -> None:
        """Strokes through ``points`` [n, 2]."""
        for a, b in pairwise(points):
            self.line((a[0], a[1]), (b[0], b[1]), width, colour, name, depth)

    def finish(self) -> tuple[Tensor, Tensor, Tensor]:
        """Image (mean of each pixel's samples, sRGB as painted), class and depth at each pixel's centre."""
        fine = self.colour.reshape(3, SIZE, FINE, SIZE, FINE)
        image = sum(fine[:, :, i, :, j] for i in range(FINE) for j in range(FINE)) / np.float32(FINE * FINE)
        middle = slice(FINE // 2, None, FINE)
        return (
            torch.from_numpy(np.clip(image, 0, 1)),
            torch.from_numpy(self.label[middle, middle].astype(np.int64)),
            torch.from_numpy(self.depth[middle, middle].copy()),
        )


def blend(low: Colour, high: Colour, share: np.ndarray) -> np.ndarray:
    """Mix of two colours, [3, m, n], ``share`` [m, n] of the second."""
    a, b = (np.asarray(c, np.float32)[:, None, None] for c in (low, high))
    out = share * (b - a)
    out += a
    return out


def smooth(low: float, high: float, x: np.ndarray) -> np.ndarray:
    """0 below ``low``, 1 above ``high``, an S-curve between."""
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def noise(w: Window, cell_x: float, cell_y: float, seed: int) -> np.ndarray:
    """Smooth random values in 0–1, cells of ``cell_x`` × ``cell_y`` pixels, the same for the same seed."""
    rng = np.random.default_rng(seed)
    knots = rng.random((math.ceil(SIZE / cell_y) + 2, math.ceil(SIZE / cell_x) + 2), dtype=np.float32)
    gx, gy = w.x[0] / cell_x, w.y[:, 0] / cell_y
    ix, iy = gx.astype(int), gy.astype(int)
    fx, fy = smooth(0, 1, gx - ix), smooth(0, 1, gy - iy)[:, None]
    across = knots[:, ix] * (1 - fx) + knots[:, ix + 1] * fx
    return across[iy] * (1 - fy) + across[iy + 1] * fy


# ----------------------------------------------------------------------------------- spheres: shading


def _spheres(c: Canvas, turn: float) -> None:
    """Balls on a floor, seen through a pinhole at (0, 1.5, 0) looking along z; light from the upper left."""
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


# ------------------------------------------------------------------------------ wires: thin structures


def _wires(c: Canvas, turn: float) -> None:
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
    c: Canvas,
    a: tuple[float, float],
    b: tuple[float, float],
    sag: float,
    width: float,
    colour: Colour,
    depth: float,
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


# ------------------------------------------------------------------------------ still life: texture


def _still_life(c: Canvas, turn: float) -> None:
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
    for x, y, rx, ry in (
        (170, 436, 84, 17),
        (330, 462, 86, 18),
        (424 + slide, 416, 66, 13),
        (70, 424, 58, 11),
    ):
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
        return (
            30
            + 50 * np.sin(np.pi * np.clip(s * 1.06 - 0.02, 0, 1) ** 1.35).clip(0) ** 1.3
            + 14 * smooth(0.14, 0, s)
        )

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
    c.paint(
        w,
        mouth < 1,
        blend((0.10, 0.10, 0.12), (0.30, 0.28, 0.26), smooth(112, 130, w.y + 0 * w.x)),
        "vase",
        2.0,
    )


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
        np.stack([x + 50 + 90 * tail, y + 54 + 14 * np.sin(tail * 7)], axis=1),
        3.2,
        (0.72, 0.20, 0.20),
        "wool",
        1.6,
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
            bars[letter]
            & (np.mod((s - 0.2) / 0.6 * 40, 1) < 0.55)
            & (s > 0.2)
            & (s < 0.8)
            & (np.abs(t - 0.5) < 0.16)
        )
        colour = np.where(
            gold | stroke, np.array([0.93, 0.82, 0.52], np.float32)[:, None, None] * curved, colour
        )
        c.paint(w, inside, colour, "books", 2.3)
        y -= tall


# -------------------------------------------------------------------------- paper: overlapping objects


def _paper(c: Canvas, turn: float) -> None:
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
        _cutout(
            c, kind, x + 8 * math.sin(turn + 2 * k) - 8 * math.sin(2 * k), y, size, angle, tone, 1 - height, k
        )


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
    fibre = spread(
        0.95 + 0.10 * noise(one, 2.2, 2.2, 100 + seed) + 0.06 * (noise(one, 30, 30, 200 + seed) - 0.5)
    )
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


_SCENES = {
    s.name: s
    for s in (
        Scene(
            "spheres", "Balls in soft light",
            "Smooth shading and sharp outlines: look at the edge where a ball meets its own shadow.",
            (
                "wall", "floor", "red ball", "white ball", "blue ball", "yellow ball", "green ball", "violet ball",
                "orange ball",
            ), _spheres,
        ),
        Scene(
            "wires", "Wires at dusk",
            "Thin things against a sky: wires, a lattice and branches, most of them thinner than one LR pixel.",
            ("sky", "sun", "hills", "field", "pylon", "wires", "tree"), _wires,
        ),
        Scene(
            "paper", "Paper cut-outs",
            "Shapes lying over each other: crisp outlines, soft shadows that are not edges of anything.",
            ("sheet", "leaf", "disc", "ring", "flower", "square"), _paper,
        ),
        Scene(
            "still_life", "Still life",
            "Texture on objects: patterns that are edges in colour and yet lie on one thing.",
            ("wallpaper", "table", "vase", "wool", "apple", "books"), _still_life,
        ),
    )
}  # fmt: skip
SAMPLES = Samples()
