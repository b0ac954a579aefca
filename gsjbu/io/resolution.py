"""The grid that something as large as its image really resolves: what it was enlarged from.

Each axis is looked at along the lines on which most changes. *Blocks*: neighbours differ only where one cell ends.
Where most bends are beside steps of one pixel, nothing was enlarged, unless those steps are the borders of blocks.
*Kinks*: what was enlarged bilinearly bends only at its samples, and the curves of a bicubic enlargement are joined only
there; samples on that grid, enlarged again, give all back but for rounding. Where there is neither, the coarsest grid
whose samples, joined by straight lines, give the array back.
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
#: Of all changes, the share at the borders of blocks; of all bending, how much more than by chance is at kinks.
BLOCKS, KINKS = 0.999, 0.4
#: … of where curves are joined, in parts of what may be, as such places are wide; more than by chance at all.
MOST_OF_CURVES, LEAST_GAIN = 0.9, 0.05
#: The same share of blocks that JPEG has gone over; and steps that are less of the largest are its noise.
ROUGH_BLOCKS, ROUGH = 0.95, 0.01
#: Of all bending, the share beside steps of one pixel from which on nothing was enlarged: scenes of depth and random
#: boxes on slopes have 0.82 to 1, what was enlarged bilinearly or bicubically 0 to 0.02, after JPEG at most 0.74.
SHARP = 0.8
STANDS_OUT = 0.6  # of a step, what its neighbours have less: in bilinear enlargements by 2 at most 0.5
LEAST_LEVELS = 32  # from so many on, their distance is rounding
#: One border is in the right place by chance: so many must be, and such a share of those that could be.
LEAST_USED, USED_SHARE = 5, 0.4
MOST_BESIDE = 0.5  # of the places where blocks may end, the share that lies beside another
ALIKE = 0.9  # steps that differ by less are told apart by how well they fit
SMOOTH_STEPS = (32, 24, 16, 12, 8, 6, 5, 4, 3, 2)
SMOOTH_ERROR = 0.3  # px by which borders may move
#: Lines that are enlarged again, and how far rounding takes values off: of levels 0.29 (root mean square), of floats
#: some steps of the type, as the enlargement was computed in it; half precision is stored alone.
MOST_CHECKED, OF_LEVEL, OF_EPS = 48, 0.33, 4.0
#: So much of the noise may be left, and the median of its fourth differences in parts of its spread: √70 · 0.674.
OF_NOISE, SPREAD_OF_FOURTH = 1.5, 5.64

Axis = tuple[int, float]  # cells, and pixels of each


@dataclass(frozen=True)
class Resolved:
    """``grid`` and ``how`` it was told: blocks, kinks, samples or smooth. ``sentence`` says so. ``way``: how it was
    enlarged."""

    grid: Grid
    how: str
    way: Way = LINEAR

    @property
    def sentence(self) -> str:
        """What was found, for people."""
        found = {
            "blocks": "it consists of blocks",
            "kinks": f"it bends only at the centres of cells, as {self.way.words} do",
            "samples": f"samples on it give it back, as {self.way.words} do",
            "smooth": "no border in it is sharper; if it was enlarged from another, grid= or stride= says so",
        }[self.how]
        return f"It resolves {text(self.grid)}: {found}"


def text(grid: Grid) -> str:
    """A grid as sentences say it."""
    steps = f"{grid.step_x:.3g}×{grid.step_y:.3g}"
    return f"a grid of {size_text(grid.rows, grid.cols)} (cells of {steps} px)"


def resolved(planes: np.ndarray, known: np.ndarray | None = None, whole: bool = False) -> Resolved | None:
    """The grid of ``planes`` [C, H, W], or None where they resolve every pixel; ``whole``: class numbers, which only
    blocks can be told of. What is not finite, or not ``known`` [H, W], is looked past."""
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


def way_on(planes: np.ndarray, known: np.ndarray | None, grid: Grid) -> Way | None:
    """How ``planes`` [C, H, W] were enlarged from ``grid``; None where they were not, as far as can be told."""
    lines = [_lines(planes, known, axis) for axis in (1, 2)]
    rounding = _rounding(planes, lines)
    return next((way for way in WAYS if _missed(lines, grid, way) <= rounding), None)


def _by_kinks(lines: list[np.ndarray], rounding: float) -> Resolved | None:
    """What lines along both axes were enlarged from, as their kinks tell; what is noise beside it may be missed where
    they are straight between."""
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


def _by_strides(lines: list[np.ndarray], rounding: float, least: float) -> Resolved | None:
    """The coarsest whole stride whose samples, enlarged again, give lines along both axes back; where rounding hides
    kinks."""
    height, width = (some.shape[1] for some in lines)
    if not all(_changes(some).any() for some in lines):
        return None
    for step in SMOOTH_STEPS:
        if step < least or height % step or width % step or min(height, width) < LEAST_USED * step:
            continue
        grid = Grid.from_stride(height, width, step)
        for way in WAYS:
            if _missed(lines, grid, way) <= rounding:
                return Resolved(grid, "samples", way)
    return None


def _noise(lines: np.ndarray) -> float:
    """The spread of noise without order, as most differences of the fourth order show it: of smooth lines 0."""
    differences = np.abs(_differences(lines, 4))
    return float(np.median(differences[differences > 0])) / SPREAD_OF_FOURTH if differences.any() else 0.0


def _rounding(planes: np.ndarray, lines: list[np.ndarray]) -> float:
    """How far, root mean square, lines may be off as they were rounded."""
    step, top = 0.0, 0.0
    for some in lines:
        levels = np.unique(some[np.isfinite(some)])
        apart = np.diff(levels).min(initial=np.inf)
        if len(levels) > 1 and np.ptp(levels) >= LEAST_LEVELS * apart:
            step = max(step, float(apart))
        top = max(top, float(np.abs(levels).max(initial=0)))
    half = planes.dtype == np.float16
    eps = np.finfo(np.float16 if half else np.float32).eps  # float64 holds float32's as well
    return max(OF_LEVEL * step, (OF_LEVEL if half else OF_EPS) * float(eps) * top)


def _missed(lines: list[np.ndarray], grid: Grid, way: Way) -> float:
    """What samples on ``grid``, enlarged again, miss of lines along both axes: the larger root mean square."""
    missed = 0.0
    for some, axis in zip(lines, grid.axes, strict=True):
        whole = some[np.isfinite(some).all(axis=1)]
        checked = whole if len(whole) >= LEAST_USED else some
        left = Line.of(way, *axis).missed(checked[:: max(1, len(checked) // MOST_CHECKED)])
        missed = max(missed, float(np.sqrt(np.square(left).mean())))
    return missed


def _grid(size: tuple[int, ...], found: list[Axis | None]) -> Grid | None:
    """Both axes together; one on which nothing was found, or nothing changes, goes with the other."""
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
    """[L, n] float64: lines along ``axis`` (1 or 2) of [C, H, W] from all over it, those on which most changes; NaN
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
    """The cells at whose borders ``least`` of ``changes`` [n − 1] is, of how much neighbours differ: of the coarsest
    that may be, those of which most are used."""
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
    """[L, length − n] of order ``n``; 0 where a value is missing."""
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
    """[L, n − 1]: of each difference of neighbours, what those beside it have less; 0 where it does not stand out."""
    rise, bends = _differences(lines), _bends(lines)
    before, after = bends[:, 1:-2], -bends[:, 2:-1]
    over = np.where((before > 0) == (after > 0), np.minimum(np.abs(before), np.abs(after)), 0)
    around = (rise[:, :-4] + rise[:, 4:]) / 2
    stands_out = over > STANDS_OUT * np.abs(rise[:, 2:-2] - around)
    return np.pad(np.where(stands_out, over, 0), ((0, 0), (2, 2)))


def _are_sharp(lines: np.ndarray) -> bool:
    """Whether most bends are beside steps of one pixel: planes and slopes have none."""
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
    """The cells at whose centres alone lines that were enlarged in a ``way`` bend."""
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
    """The sum of values at places [p, k], at each once."""
    there = np.zeros(len(values), bool)
    there[places] = True
    return float(values[there].sum())


def _are_used(used: np.ndarray, places: np.ndarray, where: np.ndarray) -> bool:
    """Whether enough of the places between the first and the last change have one."""
    between = (places >= where[0] - 1) & (places <= where[-1] + 1)
    return bool(used.sum() >= LEAST_USED and used[between].mean() >= USED_SHARE)


def _smooth(lines: np.ndarray) -> Axis | None:
    """The coarsest cells whose samples, joined by lines, give everything back."""
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
