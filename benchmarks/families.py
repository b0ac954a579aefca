"""Drawn scenes of kinds that no photograph of the data has: where an image's edges are few, thin, or not the signal's.

- ground: a road in perspective, its markings, posts and cars: classes, and nearness
- threads: curves some pixels wide over strong texture: classes
- sparse: nearness measured along the lines of a scanner, most cells without a value, over strong texture
- cells: nuclei and bodies under a microscope, blurred and noisy: classes
- foam: a body on texture that does not end at its border: classes
- mucosa: a bulge whose border is faint, among vessels and highlights: classes
- matte: a soft edge, hair by hair, 0…1
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any

import numpy as np
import torch
from scipy import ndimage

from benchmarks.scenes import Row, Scene, depth_scene, label_scene
from gsjbu.core.gaps import fill

HEIGHT, WIDTH, FINE, SEEDS = 256, 384, 2, 3
Draw = np.random.Generator
Picture = tuple[np.ndarray, np.ndarray]  # image [3, H, W] in 0…1, and classes or quantity [H, W]

_y, _x = (np.mgrid[: HEIGHT * FINE, : WIDTH * FINE] + 0.5) / FINE


def _noise(draw: Draw, grain: float) -> np.ndarray:
    """Smooth noise of spread 1 [H, W], grains so many pixels wide, at FINE samples a pixel."""
    x = ndimage.gaussian_filter(draw.normal(size=_x.shape).astype(np.float32), grain * FINE, mode="wrap")
    return x / x.std()


def _texture(draw: Draw) -> np.ndarray:
    """Noise of all grains, as foam or gravel has it."""
    return sum(g**0.25 * _noise(draw, g) for g in (0.7, 1.5, 3.0, 6.0, 12.0)) / 3


def _tinted(grey: np.ndarray, tint: tuple[float, float, float]) -> np.ndarray:
    return np.stack([grey * t for t in tint])


def _finished(image: np.ndarray, truth: np.ndarray, draw: Draw, noise: float = 0.01) -> Picture:
    """Down to a sample a pixel: the image by means, with a camera's noise; the truth as it is at one."""
    image = image.reshape(3, HEIGHT, FINE, WIDTH, FINE).mean(axis=(2, 4))
    image = np.clip(image + draw.normal(0, noise, image.shape), 0, 1)
    return image.astype(np.float32), truth[::FINE, ::FINE]


def _once(drawn: Callable[[Draw], tuple[np.ndarray, ...]]) -> Callable[[Draw], tuple[np.ndarray, ...]]:
    """The same again for a draw in the same state, which is left as drawing it leaves it."""
    kept: dict[str, tuple[tuple[np.ndarray, ...], Mapping[str, Any]]] = {}

    def made(draw: Draw) -> tuple[np.ndarray, ...]:
        before = str(draw.bit_generator.state)
        if before not in kept:
            kept[before] = drawn(draw), draw.bit_generator.state
        pictures, draw.bit_generator.state = kept[before]
        return tuple(map(np.copy, pictures))

    return made


@_once  # three families begin with it
def _ground(draw: Draw) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Image, classes (sky, verge, road, marking, post, car) and nearness, all fine."""
    # Nobody holds a camera level.
    horizon = draw.uniform(70, 110) + draw.uniform(0.02, 0.06) * (_x - WIDTH / 2)
    near = np.maximum(_y - horizon, 0.0) / (HEIGHT - horizon)
    ahead, aside = (
        1 / np.maximum(near, 1e-3),
        (_x - WIDTH / 2 - draw.uniform(-40, 40)) / np.maximum(near, 1e-3) / 60,
    )
    sky = near <= 0
    labels = np.where(sky, 0, np.where(np.abs(aside) < 2.2, 2, 1))
    dashed = (np.abs(aside) < 0.09) & ((ahead * 3) % 2 < 1.2)
    labels[(labels == 2) & (dashed | (np.abs(np.abs(aside) - 1.9) < 0.08))] = 3
    grey = np.array([0.75, 0.42, 0.40, 0.80, 0.2, 0.5])[labels] + np.where(sky, 0.02, 0.08) * _texture(draw)
    image = _tinted(grey, (1.0, 1.0, 1.0)) * np.where(labels == 1, 1, 0.97) + 0
    image[1] += 0.12 * (labels == 1)
    image[2] += 0.15 * sky
    for at in sorted(draw.uniform(0.04, 0.5, 7)):
        wide, left = 260 * at, WIDTH / 2 + 60 * at * draw.choice([-2.8, 2.8, -1.0, 1.0])
        post = draw.random() < 0.5
        half, tall = (0.03 * wide, 1.1 * wide) if post else (0.2 * wide, 0.3 * wide)
        foot = (horizon + at * (HEIGHT - horizon))[0, min(max(round(left * FINE), 0), WIDTH * FINE - 1)]
        body = (np.abs(_x - left) < half) & (_y < foot) & (_y > foot - tall)
        near = np.where(body, at, near)
        labels[body] = 4 if post else 5
        image[:, body] = (draw.uniform(0.1, 0.8, 3)[:, None] + 0.03 * _texture(draw)[body]).clip(0, 1)
    return image, labels, near


def ground(draw: Draw) -> Picture:
    """A road's classes."""
    image, labels, _ = _ground(draw)
    return _finished(image, labels, draw)


def nearness(draw: Draw) -> Picture:
    """The same road's nearness."""
    image, _, near = _ground(draw)
    return _finished(image, near, draw)


def sparse(draw: Draw) -> Picture:
    """The road's nearness as a scanner measures it: lines every 6 pixels, of which a third is lost, no sky."""
    image, near = nearness(draw)
    seen = np.zeros(near.shape, bool)
    seen[HEIGHT // 3 :: 6] = True
    seen &= (draw.random(near.shape) < 0.33) & (near > 0)
    return image, np.where(seen, near, np.nan)


def threads(draw: Draw) -> Picture:
    """Curves of 2 to 5 pixels."""
    labels = np.zeros(_x.shape, int)
    for _ in range(10):
        turn, amount, long = draw.uniform(0, np.pi), draw.uniform(5, 40), draw.uniform(60, 200)
        along = _x * np.cos(turn) + _y * np.sin(turn)
        across = _y * np.cos(turn) - _x * np.sin(turn) + amount * np.sin(along / long * 2 * np.pi)
        away = np.abs(across - draw.uniform(-200, 350))
        labels[away < draw.uniform(1.0, 2.5)] = 1
    grey = 0.5 + 0.16 * _texture(draw)
    image = np.where(labels == 1, np.array([0.75, 0.15, 0.15])[:, None, None], _tinted(grey, (0.9, 1.0, 0.8)))
    return _finished(image, labels, draw)


def _blob(draw: Draw, x: float, y: float, radius: float, wobble: float) -> np.ndarray:
    """Signed distance, roughly, to a closed curve about (x, y): below 0 inside, pixels."""
    angle, away = np.arctan2(_y - y, _x - x), np.hypot(_y - y, _x - x)
    edge = sum(draw.normal(0, wobble / k) * np.cos(k * angle + draw.uniform(0, 6.3)) for k in range(2, 7))
    return away - radius * (1 + edge)


def cells(draw: Draw) -> Picture:
    """Classes background, body, nucleus; blurred by the microscope, with a shading over the field."""
    labels = np.zeros(_x.shape, int)
    for _ in range(26):
        x, y, radius = draw.uniform(0, WIDTH), draw.uniform(0, HEIGHT), draw.uniform(14, 30)
        labels[_blob(draw, x, y, radius, 0.08) < 0] = 1
        labels[_blob(draw, x + draw.normal(0, 3), y + draw.normal(0, 3), 0.45 * radius, 0.06) < 0] = 2
    tones = np.array([[0.92, 0.80, 0.45], [0.86, 0.62, 0.30], [0.93, 0.76, 0.60]])[:, labels]
    tones = tones + 0.03 * _texture(draw)
    tones = np.stack([ndimage.gaussian_filter(t, 1.2 * FINE) for t in tones])
    return _finished(tones * (1 - 0.15 * _noise(draw, 90).clip(-1, 1)), labels, draw, 0.03)


def foam(draw: Draw) -> Picture:
    """A body on foam: the same texture, hardly another tone."""
    body = _blob(draw, draw.uniform(140, 240), draw.uniform(100, 150), draw.uniform(45, 75), 0.12)
    grey = 0.55 + 0.20 * _texture(draw) - 0.03 * (body < 0)
    return _finished(_tinted(grey, (0.9, 1.0, 1.05)), (body < 0).astype(int), draw)


def mucosa(draw: Draw) -> Picture:
    """A bulge: shaded, its border faint; vessels and highlights run across it."""
    body = _blob(draw, draw.uniform(140, 240), draw.uniform(100, 150), draw.uniform(45, 75), 0.06)
    inside = 1 / (1 + np.exp(body / 5))
    vessels = np.exp(-(_noise(draw, 9) ** 2) / 0.006)
    lights = _noise(draw, 4) > 2.4
    grey = 0.62 + 0.10 * _noise(draw, 60) + 0.05 * inside + 0.03 * _texture(draw)
    image = np.stack([grey * 1.2, grey * 0.62 - 0.14 * vessels, grey * 0.55 - 0.12 * vessels])
    image[:, lights] = 0.97
    return _finished(image, (body < 0).astype(int), draw)


def matte(draw: Draw) -> Picture:
    """Of a body with a rim of hair: the image is it over a busy background."""
    body = _blob(draw, draw.uniform(150, 230), draw.uniform(110, 150), draw.uniform(60, 80), 0.10)
    hair = np.clip(0.5 + 0.6 * _noise(draw, 1.0) - body / 14, 0, 1) * (body < 24)
    alpha = np.where(body < -8, 1.0, hair)
    back = _tinted(0.5 + 0.12 * _texture(draw), (0.7, 0.9, 1.1))
    front = _tinted(0.4 + 0.05 * _texture(draw), (1.2, 0.8, 0.5))
    image = alpha * front + (1 - alpha) * back
    whole = alpha.reshape(HEIGHT, FINE, WIDTH, FINE).mean(axis=(1, 3)).repeat(FINE, 0).repeat(FINE, 1)
    return _finished(image, whole, draw)


@lru_cache(maxsize=48)  # drawing one takes a second, and each is asked for at several strides
def _drawn(drawn: Callable[[Draw], Picture], seed: int) -> Picture:
    return drawn(np.random.default_rng(seed))


def _labels(drawn: Callable[[Draw], Picture], s: int) -> Iterator[Scene]:
    for seed in range(SEEDS):
        image, labels = map(np.copy, _drawn(drawn, seed))
        yield label_scene(f"{drawn.__name__} {seed}", torch.from_numpy(image), labels, s)


def _quantity(drawn: Callable[[Draw], Picture], s: int) -> Iterator[Scene]:
    for seed in range(SEEDS):
        image, values = map(np.copy, _drawn(drawn, seed))
        yield depth_scene(f"{drawn.__name__} {seed}", torch.from_numpy(image), values, s)


def _unit(s: int) -> Iterator[Scene]:
    """Mattes in 0…1, as they are; the figures are on the scale of the others, 0…255."""
    for scene in _quantity(matte, s):
        yield replace(scene, signal=scene.signal / 255, truth=scene.truth / 255, unit=255.0)


def _filled(s: int) -> Iterator[Scene]:
    """Sparse measurements whose empty cells somebody filled with their nearest neighbour's value."""
    for scene in _quantity(sparse, s):
        known = torch.from_numpy(scene.valid).unfold(0, s, s).unfold(1, s, s).any(-1).any(-1)
        yield replace(scene, signal=fill(scene.signal, known))


def _rows() -> Iterator[Row]:
    for s in (8, 16):
        for drawn in (ground, threads, cells, foam, mucosa):
            yield Row(f"{drawn.__name__} ×{s}", "labels", partial(_labels, drawn, s), None, True)
        for drawn in (nearness, sparse, matte):
            yield Row(f"{drawn.__name__} ×{s}", "depth", partial(_quantity, drawn, s), None, True)
        yield Row(f"sparse, filled ×{s}", "depth", partial(_filled, s), None)
        yield Row(f"matte 0…1 ×{s}", "depth", partial(_unit, s), None)


ROWS = tuple(_rows())
