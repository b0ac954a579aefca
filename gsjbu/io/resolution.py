"""The low-resolution grid from which an array was enlarged: one as large as its image (``resolved``), or an LR signal
(``enlarged``, which must be sure).

Each axis is examined on the rows or columns that change most ("lines"), in this order:

*Blocks* (nearest neighbour): neighbours differ only where one cell ends and the next begins.
*Sharp*: steps from one pixel to the next, as nothing enlarged smoothly has; then only rough blocks are looked for.
*Kinks* (bilinear, bicubic): second or fourth differences are not 0 only at the samples, and samples on that grid,
enlarged again, give the array back but for rounding.
*Samples*: the coarsest whole stride whose samples do so, where kinks are in every pixel, or rounding hides them.
*Smooth*: the coarsest grid whose samples, joined by straight lines, come near the array.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import numpy as np

from gsjbu.core.grid import Grid, size_text
from gsjbu.io.enlarging import LINEAR, WAYS, Line, Way

MOST_LINES = 256
MOST_LOOKED_AT = 1024  # lines among which those are chosen
LEAST_STEP, MOST_STEP = 1.9, 64.0
#: Share of all changes that lies at the borders of blocks; share of all bending (squared differences) at kinks, less
#: what would be there by chance.
BLOCKS, KINKS = 0.999, 0.4
#: The latter for bicubic kinks, which are wide: as a part of what is not there by chance; and the least of it.
MOST_OF_CURVES, LEAST_GAIN = 0.9, 0.05
#: The share BLOCKS after JPEG compression, whose noise has squared steps below ROUGH of the largest.
ROUGH_BLOCKS, ROUGH = 0.95, 0.01
#: Share of all bending beside one-pixel steps from which on nothing was enlarged smoothly: depth scenes and random
#: boxes on slopes have 0.82 to 1; bilinear and bicubic enlargements 0 to 0.02, after JPEG at most 0.74.
SHARP = 0.8
STANDS_OUT = 0.6  # part of a one-pixel step by which it exceeds its neighbours; at most 0.5 in bilinear ones by 2
LEAST_LEVELS = 32  # from so many levels on, the distance between them is taken for rounding
#: A border may be in the right place by chance: so many must be, and such a share of those that could be.
LEAST_USED, USED_SHARE = 5, 0.4
MOST_BESIDE = 0.5  # share of changes that lie beside another: with more there are no blocks
ALIKE = 0.9  # of the coarsest cells that fit and others of at least this part of their size, the best are taken
SMOOTH_STEPS = (32, 24, 16, 12, 8, 6, 5, 4, 3, 2)
SMOOTH_ERROR = 0.3  # px by which borders may move
#: Lines that are enlarged again. RMS error of rounding: of levels 0.29 steps, and once more where Pillow rounds between
#: both axes; of floats a few eps of the type, in which the enlargement was computed, but for half precision, in which
#: it was only stored.
MOST_CHECKED, OF_LEVEL, OF_HALF, OF_EPS = 48, 0.45, 0.33, 4.0
#: RMS error that may be left, in standard deviations of the noise; and the median of the noise's absolute fourth
#: differences in the same: √70 · 0.674.
OF_NOISE, SPREAD_OF_FOURTH = 1.5, 5.64

#: LR pixels of a side: of longer ones nobody asks.
MOST_SIDE = 2048
#: What enlarging samples again misses, as a part of how much lines bend from cell to cell. Enlargements of 93 drawn
#: signals by 2 to 8: 5e-5 in float32 and 0.02 in 8 bits (nine in ten; 0.1 all); kinks by chance, as of windows of a
#: façade, 0.24; samples by chance, as of smooth soil, 0.011 in half precision and 0.026 in 8 bits.
OFF_OF_KINKS, OFF_OF_SAMPLES, OFF_OF_LEVELS = 0.11, 0.01, 0.02
#: How much enlargements bend from pixel to pixel, as a part of how much they do over two: 0.26 to 0.48 (all but one of
#: 651 in float32, nine in ten in 8 bits); two in three other signals bend more, and are asked nothing further.
BENDS = 0.5

Axis = tuple[int, float]  # cells, and pixels of each


@dataclass(frozen=True)
class Resolved:
    """``grid``; ``how`` it was told: blocks, kinks, samples or smooth; ``way``: how the array was enlarged from it."""

    grid: Grid
    how: str
    way: Way = LINEAR

    @property
    def sentence(self) -> str:
        """What was found, for people."""
        return f"It resolves {text(self.grid)}: {self.why}"

    @property
    def why(self) -> str:
        """How it was told, in words."""
        return {
            "blocks": "it consists of blocks",
            "kinks": f"it bends only at the centres of cells, as {self.way.words} do",
            "samples": f"samples on it give it back, as {self.way.words} do",
            "smooth": "no border in it is sharper; if it was enlarged from another, grid= or stride= says so",
        }[self.how]


def text(grid: Grid) -> str:
    """A grid as sentences say it."""
    steps = f"{grid.step_x:.3g}×{grid.step_y:.3g}"
    return f"a grid of {size_text(grid.rows, grid.cols)} (cells of {steps} px)"


def resolved(planes: np.ndarray, known: np.ndarray | None = None, whole: bool = False) -> Resolved | None:
    """The grid of ``planes`` [C, H, W], or None where they resolve every pixel.

    ``known`` bool [H, W]: elsewhere, and where values are not finite, they are left out. ``whole``: class numbers, for
    which only blocks are looked for.
    """
    height, width = planes.shape[1:]
    lines = [_lines(planes, None if whole else known, axis) for axis in (1, 2)]
    found = _grid((height, width), [_blocks(_changes(some).mean(axis=0)) for some in lines])
    if found is not None or whole:
        return None if found is None else Resolved(found, "blocks")
    rounding = _rounding(planes, lines)
    sharp = any(_are_sharp(some) for some in lines)
    kinks = None if sharp else _by_kinks(lines, rounding)
    if kinks is not None:
        return kinks
    smooth = None if sharp else _grid((height, width), [_smooth(some) for some in lines])
    least = LEAST_STEP if smooth is None else max(smooth.step_y, smooth.step_x)
    strides = _by_strides(lines, rounding, least)
    if strides is not None or smooth is not None:
        return strides or Resolved(cast(Grid, smooth), "smooth")
    found = _grid((height, width), [_blocks(_sharp_steps(some), ROUGH_BLOCKS) for some in lines]) if sharp else None
    return None if found is None else Resolved(found, "blocks")


def enlarged(planes: np.ndarray) -> Resolved | None:
    """The grid that ``planes`` [C, H, W], an LR signal, were enlarged from, by blocks or by samples; None where that is
    not sure."""
    height, width = planes.shape[1:]
    if min(height, width) < 2 * LEAST_USED or max(height, width) > MOST_SIDE:
        return None
    lines = [_lines(planes, None, axis) for axis in (1, 2)]
    blocks = _grid((height, width), [_blocks(_changes(some).mean(axis=0)) for some in lines])
    if blocks is not None:
        return Resolved(blocks, "blocks") if _are_blocks(planes, blocks) else None
    if not all(np.isfinite(some).all() and _bent(some, 1) <= BENDS * _bent(some, 2) for some in lines):
        return None
    rounding = _rounding(planes, lines)
    kinks = _by_kinks(lines, rounding)
    if kinks is not None and _off(lines, kinks.grid, kinks.way) <= OFF_OF_KINKS:
        return kinks
    most_off = OFF_OF_LEVELS if planes.dtype.kind in "iu" else OFF_OF_SAMPLES
    return _by_strides(lines, rounding, LEAST_STEP, most_off)


def _are_blocks(planes: np.ndarray, grid: Grid) -> bool:
    """Whether all pixels of each cell, whole ones, are alike."""
    if not grid.is_whole:
        return False
    first = planes[:, grid.row_starts[:-1]][:, :, grid.col_starts[:-1]]
    return np.array_equal(planes, first[:, grid.row_of][:, :, grid.col_of], equal_nan=planes.dtype.kind == "f")


def way_on(planes: np.ndarray, known: np.ndarray | None, grid: Grid) -> Way | None:
    """How ``planes`` [C, H, W] were enlarged from ``grid``; None where no way gives them back."""
    lines = [_lines(planes, known, axis) for axis in (1, 2)]
    rounding = _rounding(planes, lines)
    return next((way for way in WAYS if _missed(lines, grid, way) <= rounding), None)


def _by_kinks(lines: list[np.ndarray], rounding: float) -> Resolved | None:
    """The grid that the kinks of lines along both axes tell; of bilinear enlargements with noise as well."""
    height, width = (some.shape[1] for some in lines)
    noisy: Resolved | None = None
    grids: dict[tuple[int, bool], Grid | None] = {}
    for way in WAYS:
        where = way.bends, way.aligned
        if where not in grids:
            grids[where] = _grid((height, width), [_kinks(some, way) for some in lines])
        found = grids[where]
        if found is None:
            continue
        missed = _missed(lines, found, way)
        if missed <= rounding:
            return Resolved(found, "kinks", way)
        if noisy is None and way.cubic is None and missed <= OF_NOISE * max(_noise(some) for some in lines):
            noisy = Resolved(found, "kinks", way)
    return noisy


def _by_strides(lines: list[np.ndarray], rounding: float, least: float, most_off: float = np.inf) -> Resolved | None:
    """The coarsest whole stride from ``least`` on whose samples, enlarged again, give lines along both axes back, and
    are not ``most_off`` off."""
    height, width = (some.shape[1] for some in lines)
    if not all(_changes(some).any() for some in lines):
        return None
    for step in SMOOTH_STEPS:
        if step < least or min(height, width) < LEAST_USED * step:
            continue
        # Of whole cells, or nearly: those of F.interpolate(size=) are as many as would hold all pixels.
        grid = Grid.from_sizes(height, width, -(-height // step), -(-width // step))
        for way in WAYS:
            gives_back = all(_missed_along(*line, way) <= rounding for line in zip(lines, grid.axes, strict=True))
            if gives_back and _off(lines, grid, way) <= most_off:
                return Resolved(grid, "samples", way)
    return None


def _noise(lines: np.ndarray) -> float:
    """The standard deviation of white noise on lines, by the median of their fourth differences; 0 of smooth ones."""
    differences = np.abs(_differences(lines, 4))
    return float(np.median(differences[differences > 0])) / SPREAD_OF_FOURTH if differences.any() else 0.0


def _rounding(planes: np.ndarray, lines: list[np.ndarray]) -> float:
    """The RMS error that rounding may leave on lines."""
    step, top = 0.0, 0.0
    for some in lines:
        levels = np.unique(some[np.isfinite(some)])
        apart = np.diff(levels).min(initial=np.inf)
        if len(levels) > 1 and np.ptp(levels) >= LEAST_LEVELS * apart:
            step = max(step, float(apart))
        top = max(top, float(np.abs(levels).max(initial=0)))
    half = planes.dtype == np.float16
    eps = np.finfo(np.float16 if half else np.float32).eps  # float64 holds float32's as well
    return max(OF_LEVEL * step, (OF_HALF if half else OF_EPS) * float(eps) * top)


def _missed(lines: list[np.ndarray], grid: Grid, way: Way) -> float:
    """The RMS error of lines once their samples on ``grid`` are enlarged again, the larger of both axes."""
    return max(_missed_along(some, axis, way) for some, axis in zip(lines, grid.axes, strict=True))


def _off(lines: list[np.ndarray], grid: Grid, way: Way) -> float:
    """The same as a part of how much lines bend from cell to cell, the larger of both axes."""
    parts = [
        _missed_along(some, axis, way) / max(_bent(some, round(axis[2])), np.finfo(float).tiny)
        for some, axis in zip(lines, grid.axes, strict=True)
    ]
    return max(parts)


def _missed_along(lines: np.ndarray, axis: tuple[int, int, float], way: Way) -> float:
    """The RMS error along one axis."""
    whole = lines[np.isfinite(lines).all(axis=1)]
    checked = whole if len(whole) >= LEAST_USED else lines
    left = Line.of(way, *axis).missed(checked[:: max(1, len(checked) // MOST_CHECKED)])
    return float(np.sqrt(np.square(left).mean()))


def _bent(lines: np.ndarray, step: int) -> float:
    """RMS of second differences of what is ``step`` pixels apart."""
    bends = lines[:, 2 * step :] - 2 * lines[:, step:-step] + lines[:, : -2 * step]
    return float(np.sqrt(np.square(bends).mean())) if bends.size else 0.0


def _grid(size: tuple[int, ...], found: list[Axis | None]) -> Grid | None:
    """The grid of the axes that were ``found``; None where neither was. An axis that was not takes the other's step."""
    known = [axis for axis in found if axis is not None]
    if not known:
        return None
    height, width = size
    usual = [max(1, round(n / known[0][1])) for n in size]
    (rows, down), (cols, across) = (
        axis or (cells, n / cells) for axis, cells, n in zip(found, usual, size, strict=True)
    )
    by_stride = Grid.from_stride(height, width, max(1, round(down)))
    if down == across and (by_stride.rows, by_stride.cols) == (rows, cols):
        return by_stride
    return Grid.from_sizes(height, width, rows, cols)


def _lines(planes: np.ndarray, known: np.ndarray | None, axis: int) -> np.ndarray:
    """[L, n] float64: lines along ``axis`` (1 or 2) of [C, H, W], of each group of them the one that changes most; NaN
    where no value is ``known``."""
    across = np.moveaxis(planes, axis, -1)
    step = max(1, across.shape[0] * across.shape[1] // MOST_LOOKED_AT)
    lines = across[:, step // 2 :: step].astype(np.float64)
    if known is not None:
        lines = np.where(np.moveaxis(known, axis - 1, -1)[step // 2 :: step], lines, np.nan)
    lines = lines.reshape(-1, planes.shape[axis])
    change = np.abs(_differences(lines)).sum(axis=1)
    groups = np.array_split(np.arange(len(lines)), min(MOST_LINES, len(lines)))
    return lines[[group[change[group].argmax()] for group in groups]]


def _changes(lines: np.ndarray) -> np.ndarray:
    """bool [L, n − 1]: whether neighbours differ."""
    one, other = lines[:, 1:], lines[:, :-1]
    return (one != other) & np.isfinite(one) & np.isfinite(other)


def _candidates(length: int) -> Iterator[Axis]:
    """Whole numbers of cells over the length, and whole strides of which the last cell is partial; coarsest first."""
    steps = [(n, length / n) for n in range(1, length) if LEAST_STEP <= length / n <= MOST_STEP]
    steps += [(-(-length // s), float(s)) for s in range(2, int(MOST_STEP) + 1) if length % s and s < length]
    yield from sorted(steps, key=lambda axis: -axis[1])


def _blocks(changes: np.ndarray, least: float = BLOCKS) -> Axis | None:
    """The coarsest cells at whose borders the share ``least`` of all ``changes`` [n − 1] lies; among cells of about one
    size those of which most borders have a change."""
    where, total = np.flatnonzero(changes), changes.sum()
    if len(where) < LEAST_USED or (np.diff(where) == 1).mean() > MOST_BESIDE:
        return None
    best: tuple[float, Axis] | None = None
    for cells, step in _candidates(len(changes) + 1):
        if best is not None and step < ALIKE * best[1][1]:
            break
        # A pixel goes with the cell of its centre, or with that of its edge: libraries differ.
        for edge in (0.5, 0.0):
            borders = np.arange(1, cells) * step - edge
            slack = 0 if step == round(step) else 1e-6  # k·step may be rounded either way
            places = _pairs(np.ceil(borders - slack) - 1, np.ceil(borders + slack) - 1, len(changes))
            if _sum_at(changes, places) < least * total:
                continue
            used = (changes[places] > 0).any(axis=0)
            share = float(used[(places[1] >= where[0]) & (places[0] <= where[-1])].mean())
            exact = step == round(step) or cells == -(-(len(changes) + 1) // round(step))
            score = share + 0.01 * exact  # where all is alike, whole strides are what networks have
            if used.sum() >= LEAST_USED and share >= USED_SHARE and (best is None or score > best[0]):
                best = score, (cells, step)
    return None if best is None else best[1]


def _differences(lines: np.ndarray, n: int = 1) -> np.ndarray:
    """[L, length − n]: differences of order ``n`` along lines; 0 where a value is missing."""
    with np.errstate(invalid="ignore", over="ignore"):
        return np.nan_to_num(np.diff(lines, n=n), posinf=0, neginf=0)


def _bends(lines: np.ndarray) -> np.ndarray:
    """Second differences [L, n − 2], less what rounding to levels makes of them."""
    bends, levels = _differences(lines, 2), np.unique(lines[np.isfinite(lines)])
    apart = np.diff(levels).min(initial=np.inf)
    if len(levels) < 2 or np.ptp(levels) < LEAST_LEVELS * apart:
        return bends
    return np.sign(bends) * np.maximum(np.abs(bends) - apart, 0)


def _steps(lines: np.ndarray) -> np.ndarray:
    """[L, n − 1]: by how much each difference of neighbours exceeds those beside it; 0 where it does not stand out."""
    rise, bends = _differences(lines), _bends(lines)
    before, after = bends[:, 1:-2], -bends[:, 2:-1]
    over = np.where((before > 0) == (after > 0), np.minimum(np.abs(before), np.abs(after)), 0)
    around = (rise[:, :-4] + rise[:, 4:]) / 2
    stands_out = over > STANDS_OUT * np.abs(rise[:, 2:-2] - around)
    return np.pad(np.where(stands_out, over, 0), ((0, 0), (2, 2)))


def _are_sharp(lines: np.ndarray) -> bool:
    """Whether most bending is beside one-pixel steps."""
    if lines.shape[1] < LEAST_USED:
        return False
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(2 * np.square(_steps(lines)).sum() > SHARP * np.square(_bends(lines)).sum())


def _sharp_steps(lines: np.ndarray) -> np.ndarray:
    """[n − 1]: squares of the steps of one pixel, without noise."""
    with np.errstate(over="ignore"):
        squares = np.square(_steps(lines)).mean(axis=0)
    return np.where(squares > ROUGH * squares.max(initial=0), squares, 0)


def _kinks(lines: np.ndarray, way: Way) -> Axis | None:
    """The cells of an enlargement in this ``way``: lines bend only at their centres."""
    order = way.bends
    with np.errstate(over="ignore"):
        bends = np.square(_differences(lines, order)).mean(axis=0)
    where = np.flatnonzero(bends > 1e-4 * bends.max(initial=0))
    if len(where) < LEAST_USED or not np.isfinite(bends.sum()):
        return None
    total, within = bends.sum(), np.zeros(len(bends))
    within[where[0] : where[-1] + 1] = 1
    best: tuple[float, Axis] | None = None
    size = lines.shape[1]
    for cells, step in _candidates(size):
        if way.aligned and (cells < 2 or cells * step > size + 0.5):
            continue
        centres = way.centres(size, cells, step)
        # Difference j is that of pixels j … j + order.
        first, last = np.floor(centres) - order + 1, np.ceil(centres) - 1
        places = np.minimum(first + np.arange(order)[:, None], last).astype(np.int64).clip(0, len(bends) - 1)
        share, by_chance = _sum_at(bends, places) / total, _sum_at(within, places) / within.sum()
        gain = share - by_chance
        least = KINKS if way.cubic is None else MOST_OF_CURVES * (1 - by_chance)
        if gain < max(least, LEAST_GAIN) or (best is not None and gain <= best[0]):
            continue
        used = (bends[places] > 1e-4 * bends.max()).any(axis=0)
        if _are_used(used, places[0], where):
            best = gain, (cells, step)
    return None if best is None else best[1]


def _pairs(one: np.ndarray, other: np.ndarray, count: int) -> np.ndarray:
    """[2, k] int64: two places each, which may be the same."""
    return np.clip(np.stack([one, other]).astype(np.int64), 0, count - 1)


def _sum_at(values: np.ndarray, places: np.ndarray) -> float:
    """The sum of ``values`` [n] at ``places`` [p, k], each counted once."""
    there = np.zeros(len(values), bool)
    there[places] = True
    return float(values[there].sum())


def _are_used(used: np.ndarray, places: np.ndarray, where: np.ndarray) -> bool:
    """Whether enough of the places between the first and the last change have one."""
    between = (places >= where[0] - 1) & (places <= where[-1] + 1)
    return bool(used.sum() >= LEAST_USED and used[between].mean() >= USED_SHARE)


def _smooth(lines: np.ndarray) -> Axis | None:
    """The coarsest cells whose samples, joined by straight lines, come near the lines."""
    lines = _without_gaps(lines)
    change = np.abs(np.diff(lines)).sum()
    length = lines.shape[1]
    for step in SMOOTH_STEPS:
        if change == 0 or step * 2 > length:
            continue
        cells = -(-length // step)
        centres = np.clip((np.arange(cells) + 0.5) * step - 0.5, 0, length - 1)
        samples = _between(lines, centres)
        again = _between(samples, np.clip((np.arange(length) + 0.5) / step - 0.5, 0, cells - 1))
        if np.abs(again - lines).sum() <= SMOOTH_ERROR * change:
            return cells, float(step)
    return None


def _between(lines: np.ndarray, at: np.ndarray) -> np.ndarray:
    """[L, n] read at positions ``at`` between pixels."""
    low = np.floor(at).astype(np.int64)
    high = np.minimum(low + 1, lines.shape[1] - 1)
    part = at - low
    return lines[:, low] * (1 - part) + lines[:, high] * part


def _without_gaps(lines: np.ndarray) -> np.ndarray:
    """[L, n] with straight lines over what is not finite; of lines that have nothing else, 0."""
    known = np.isfinite(lines)
    out = np.where(known, lines, 0.0)
    for line, there in zip(out, known, strict=True):
        if there.any() and not there.all():
            line[~there] = np.interp(np.flatnonzero(~there), np.flatnonzero(there), line[there])
    return out
