"""The row form of the fused kernel, for small cells: lanes run along the image row, one cell a lane.

A cell of 16, 4 or 1 pixels leaves the lanes of the cell form (fused.py) empty, and listing its window costs more
than the window. Here 16 neighbouring cells, a *block*, are taken at once, one pixel of each at a time:

- at the window's offset (dy, dx) each lane's neighbour is the LR pixel beside the one of the lane before: parameters
  are plain loads from *lines*, planar copies of the LR rows, and so are a signal's values;
- the backward's four sums stay in the lane of their cell, and go to a neighbour as whole vectors: nothing is added
  across lanes.

The grid has R more cells on every side, whose colour is so far off that their weight is exactly 0. So every block has
the same window. Logits, log-sum-exp, gradients and the order of sums are as in fused.py: the same bits for any number
of threads.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gsjbu.core.backends.adam import LEAST, RANGE, UX, UY, VX, VY
from gsjbu.core.backends.fused import BIG, NEGLIGIBLE
from gsjbu.core.backends.lanes import layout_at, pitch_of, whole_vectors
from gsjbu.core.backends.phases import claim, finish, open_phase
from gsjbu.core.backends.simd import (
    LANES,
    any_at_most,
    exp2_negative,
    larger,
    load,
    magnitude,
    signed,
    smaller,
    splat,
    store,
    total,
)
from gsjbu.core.backends.update import (
    AT,
    FIRST_LINE,
    STATE,
    set_lines,
    update_row,
)
from gsjbu.core.compiler import BORROWS, FAST, INLINED, njit
from gsjbu.core.parameters import Highest

f32 = np.float32
FAR = 1e9  # the colour of what lies outside the grid: nothing is like it
CHUNK = 10  # vectors of pixels handled at once: their weights (R = 2) stay in the first cache
SEVERAL = 3  # vectors of pixels a block from which on copies of its neighbours' lines pay
MANY = 3  # from this radius on, neighbours that cannot matter are left out


def state_of(at: np.ndarray, radius: int) -> np.ndarray:
    """State [h, STATE, pitch] that begins at coordinates [4, h, w]."""
    _, rows, cols = at.shape
    state = np.zeros((rows, STATE, pitch_of(whole_vectors(cols), radius)), dtype=f32)
    state[:, AT : AT + 4, :cols] = at.transpose(1, 0, 2)
    return state


def lines_of(lr_guide: np.ndarray, state: np.ndarray, in_logs: bool, high: Highest, radius: int) -> np.ndarray:
    """Lines [h + 2R, FIRST_LINE + G, pitch] of an LR guide [h, w, G] at that state."""
    rows, cols, channels = lr_guide.shape
    lines = np.zeros((rows + 2 * radius, FIRST_LINE + channels, state.shape[2]), dtype=f32)
    lines[:, RANGE], lines[:, LEAST], lines[:, FIRST_LINE:] = 1, BIG, FAR
    lines[radius : radius + rows, FIRST_LINE:, radius : radius + cols] = lr_guide.transpose(0, 2, 1)
    _set_lines(state, in_logs, high, whole_vectors(cols), radius, lines)
    return lines


@njit(**FAST)
def _set_lines(state, in_logs, high, lanes, radius, lines):
    flat_state, flat_lines, pitch = state.reshape(-1), lines.reshape(-1), lines.shape[2]
    for i in range(len(state)):
        for j in range(0, lanes, LANES):
            n, t = i * state[0].size + j, (i + radius) * lines[0].size + radius + j
            set_lines(n, flat_state, in_logs, high, t, flat_lines, pitch)


class Window(NamedTuple):
    """Neighbours, as a cell in row 0, column 0 has them; N of them at most."""

    at: np.ndarray  # int64 [N]  where a neighbour's first line begins
    into: np.ndarray  # int64 [N]  where its sums do
    place: np.ndarray  # int64 [N]  its place in the full window, in floats of LANES a place
    shift_y: np.ndarray  # float32 [N]  where it lies from the cell
    shift_x: np.ndarray  # float32 [N]
    apart: np.ndarray  # float32 [N]  square of the least distance that a pixel of the cell can have from it


class Work(NamedTuple):
    """One thread's buffers. ``room``: floats of a chunk, an odd number of vectors."""

    room: int
    every: Window  # all neighbours
    near: Window  # those that matter for a chunk
    here: np.ndarray  # int64 [N]  where the first line of each neighbour that matters begins
    par: np.ndarray  # [N·(FIRST_LINE + G)·LANES]  copies of their lines, a cache line each
    pixel: np.ndarray  # int64 [vectors]  where each vector of the chunk begins in the guide
    place: np.ndarray  # int64 [vectors]  and in xs and valid
    ys: np.ndarray  # float32 [vectors]
    weights: np.ndarray  # [N·room]
    inverse: np.ndarray  # [room]
    mean: np.ndarray  # [N·LANES]  mean weights of each lane's cell
    lift: np.ndarray  # [N·LANES]
    pull: np.ndarray  # [G·LANES]


@njit(**FAST)
def _no_window(size):
    return Window(np.empty(size, np.int64), np.empty(size, np.int64), np.empty(size, np.int64),
                  np.empty(size, np.float32), np.empty(size, np.float32), np.empty(size, np.float32))  # fmt: skip


@njit(**FAST)
def full_window(layout, row, into):
    """Every neighbour; ``row``, ``into``: floats from one LR row's lines, or its sums, to the next one's.

    Down the columns first: what two neighbours in a row add to their sums overlaps, and the second would have to wait.
    """
    radius = layout.radius
    window, k = _no_window((2 * radius + 1) ** 2), 0
    for dx in range(-radius, radius + 1):
        gap_x = max(abs(dx) - 0.5, 0.0) * layout.step_x
        for dy in range(-radius, radius + 1):
            gap_y = max(abs(dy) - 0.5, 0.0) * layout.step_y
            window.at[k] = (dy + radius) * row + dx + radius
            window.into[k] = (dy + radius) * into + dx + radius
            window.place[k] = ((dy + radius) * (2 * radius + 1) + dx + radius) * LANES
            window.shift_y[k], window.shift_x[k] = f32(dy * layout.step_y), f32(dx * layout.step_x)
            window.apart[k] = f32(gap_x * gap_x + gap_y * gap_y)
            k += 1
    return window


@njit(**FAST)
def aligned(size):
    """Room for so many floats that begins with a cache line, so that no vector of it lies in two."""
    room = np.empty(size + LANES, np.float32)
    first = (-room.ctypes.data % (4 * LANES)) // 4
    return room[first : first + size]


@njit(**FAST)
def work_for(layout, channels, row, into, vectors):
    size, room = (2 * layout.radius + 1) ** 2, (vectors | 1) * LANES
    every = full_window(layout, row, into)
    near = every if layout.radius < MANY else _no_window(size)
    return Work(
        room, every, near, np.empty(size, np.int64), aligned(size * (FIRST_LINE + channels) * LANES),
        np.empty(vectors, np.int64), np.empty(vectors, np.int64), np.empty(vectors, np.float32),
        np.empty(size * room, np.float32), np.empty(room, np.float32), np.empty(size * LANES, np.float32),
        np.empty(size * LANES, np.float32), np.empty(channels * LANES, np.float32),
    )  # fmt: skip


# --- a block: 16 cells of a row -----------------------------------------------------------------------------------
# ``base``: floats from LR pixel (0, 0)'s lines to those of the block's first cell. ``plane``: floats of a channel.


@njit(**INLINED)
def aim(i, j, first, last, layout, work):
    """Look at the pixels first…last of 16 cells from (i, j), counted along their rows, one vector each."""
    across = layout.places * layout.lanes
    for n in range(first, last):
        r = n // layout.places
        y, place = layout.row_starts[i] + r, (n - r * layout.places) * layout.lanes + j
        work.pixel[n - first], work.place[n - first] = y * across + place, place
        work.ys[n - first] = layout.ys[y]


@njit(**INLINED)
def _distance(p, t, channels, guide, plane, lines, pitch):
    """‖I_p − I_q‖² of one vector of pixels."""
    distance = splat(f32(0))
    for g in range(channels):
        d = load(guide, p + g * plane) - load(lines, t + (FIRST_LINE + g) * pitch)
        distance = distance + d * d
    return distance


@njit(**INLINED)
def choose(base, count, channels, guide, plane, layout, lines, pitch, work):
    """Of all neighbours those that can matter for the chunk's pixels; their number.

    The largest energy (−log₂ w) of a cell's own Gaussian is a bound for the least one at every pixel. A neighbour
    whose distance alone puts it far above that bound in every lane is left out.
    """
    every, near = work.every, work.near
    if layout.radius < MANY:
        return len(every.at)
    t = base + every.at[len(every.at) // 2]
    bound = splat(f32(0))
    for n in range(count):
        x, y = load(layout.xs, work.place[n]), work.ys[n]
        u = x * load(lines, t + UX * pitch) + load(lines, t + UY * pitch) * y
        v = x * load(lines, t + VX * pitch) + load(lines, t + VY * pitch) * y
        distance = _distance(work.pixel[n], t, channels, guide, plane, lines, pitch)
        energy = u * u + v * v + distance * load(lines, t + RANGE * pitch)
        bound = larger(bound, energy * load(layout.valid, work.place[n]))
    bound = bound + f32(NEGLIGIBLE)
    k = 0
    for n in range(len(every.at)):
        least = load(lines, base + every.at[n] + LEAST * pitch) * every.apart[n]
        if any_at_most(least, bound):
            near.at[k], near.into[k], near.place[k] = every.at[n], every.into[n], every.place[n]
            near.shift_y[k], near.shift_x[k] = every.shift_y[n], every.shift_x[n]
            k += 1
    return k


@njit(**INLINED)
def point(base, neighbours, work):
    """Read the neighbours' lines where they are."""
    for k in range(neighbours):
        work.here[k] = base + work.near.at[k]


@njit(**INLINED)
def bring(base, neighbours, lines, pitch, count, work):
    """Read them from copies: in place nearly every vector lies in two cache lines."""
    for k in range(neighbours):
        t, to = base + work.near.at[k], k * count * LANES
        work.here[k] = to
        for line in range(count):
            store(work.par, to + line * LANES, load(lines, t + line * pitch))


@njit(**INLINED)
def _look(base, count, channels, guide, plane, layout, lines, pitch, copied, work):
    """Choose the neighbours, and say where their lines are read; their number."""
    neighbours = choose(base, count, channels, guide, plane, layout, lines, pitch, work)
    if copied:
        bring(base, neighbours, lines, pitch, FIRST_LINE + channels, work)
    else:
        point(base, neighbours, work)
    return neighbours


@njit(**INLINED)
def _energies(count, neighbours, channels, guide, plane, layout, lines, pitch, work, weights):
    """−log₂ w of the chunk's pixels, at weights[k·room + n·LANES]; and the least of each, at work.inverse."""
    near, room = work.near, work.room
    for n in range(count):
        p, b, y0 = work.pixel[n], n * LANES, work.ys[n]
        x0, least = load(layout.xs, work.place[n]), splat(f32(4 * BIG))
        if channels == 3:
            g0, g1, g2 = load(guide, p), load(guide, p + plane), load(guide, p + 2 * plane)
            for k in range(neighbours):
                t = work.here[k]
                x, y = x0 - near.shift_x[k], y0 - near.shift_y[k]
                u = x * load(lines, t + UX * pitch) + load(lines, t + UY * pitch) * y
                v = x * load(lines, t + VX * pitch) + load(lines, t + VY * pitch) * y
                d0 = g0 - load(lines, t + FIRST_LINE * pitch)
                d1 = g1 - load(lines, t + (FIRST_LINE + 1) * pitch)
                d2 = g2 - load(lines, t + (FIRST_LINE + 2) * pitch)
                distance = d0 * d0 + d1 * d1 + d2 * d2
                energy = u * u + v * v + distance * load(lines, t + RANGE * pitch)
                store(weights, k * room + b, energy)
                least = smaller(least, energy)
        else:
            for k in range(neighbours):
                t = work.here[k]
                x, y = x0 - near.shift_x[k], y0 - near.shift_y[k]
                u = x * load(lines, t + UX * pitch) + load(lines, t + UY * pitch) * y
                v = x * load(lines, t + VX * pitch) + load(lines, t + VY * pitch) * y
                distance = _distance(p, t, channels, guide, plane, lines, pitch)
                energy = u * u + v * v + distance * load(lines, t + RANGE * pitch)
                store(weights, k * room + b, energy)
                least = smaller(least, energy)
        store(work.inverse, b, least)


@njit(**BORROWS)
def block_weights(count, neighbours, channels, guide, plane, layout, lines, pitch, work, weights):
    """Unnormalised weights of the chunk's pixels, at weights[k·room + n·LANES]; and their sums, at work.inverse."""
    _energies(count, neighbours, channels, guide, plane, layout, lines, pitch, work, weights)
    for b in range(0, count * LANES, LANES):
        least, weight_sum = load(work.inverse, b), splat(f32(0))
        for k in range(neighbours):
            w = exp2_negative(least - load(weights, k * work.room + b))
            store(weights, k * work.room + b, w)
            weight_sum = weight_sum + w
        store(work.inverse, b, weight_sum)


# --- objectives: each leaves δ = ∂L/∂log w in place of the weights ------------------------------------------------


@njit(**INLINED)
def _add_four(sums, to, width, su, sv, suv, sd):
    store(sums, to, load(sums, to) + su)
    store(sums, to + width, load(sums, to + width) + sv)
    store(sums, to + 2 * width, load(sums, to + 2 * width) + suv)
    store(sums, to + 3 * width, load(sums, to + 3 * width) + sd)


@njit(**INLINED)
def _rgb_sums(start, neighbours, guide, plane, layout, lines, pitch, work, s0, s1, s2, centre, sums, width):
    """δ and the sums of a chunk's only vector of pixels in one pass; as _add_sums."""
    near, first, p = work.near, FIRST_LINE * pitch, work.pixel[0]
    x0, y0 = load(layout.xs, work.place[0]), work.ys[0]
    g0, g1, g2 = load(guide, p), load(guide, p + plane), load(guide, p + 2 * plane)
    for k in range(neighbours):
        t = work.here[k]
        c = t + first
        c0, c1, c2 = load(lines, c), load(lines, c + pitch), load(lines, c + 2 * pitch)
        delta = load(work.weights, k * work.room) * (s0 * c0 + s1 * c1 + s2 * c2 - centre)
        x, y = x0 - near.shift_x[k], y0 - near.shift_y[k]
        u = x * load(lines, t + UX * pitch) + load(lines, t + UY * pitch) * y
        v = x * load(lines, t + VX * pitch) + load(lines, t + VY * pitch) * y
        d0, d1, d2 = g0 - c0, g1 - c1, g2 - c2
        distance = d0 * d0 + d1 * d1 + d2 * d2
        du = delta * u
        _add_four(sums, start + near.into[k], width, du * u, delta * v * v, du * v, delta * distance)


@njit(**INLINED)
def _rgb_three(start, count, neighbours, guide, plane, layout, lines, pitch, work, scale, loss, sums, width):
    """L1 of the mixed guide against the guide itself, three channels; returns ``loss`` and |Î − I|, by lane.

    Where the chunk is one vector of pixels its sums are added, too.
    """
    first, room = FIRST_LINE * pitch, work.room
    _energies(count, neighbours, 3, guide, plane, layout, lines, pitch, work, work.weights)
    for n in range(count):
        p, b = work.pixel[n], n * LANES
        least = load(work.inverse, b)
        weight_sum, m0, m1, m2 = splat(f32(0)), splat(f32(0)), splat(f32(0)), splat(f32(0))
        for k in range(neighbours):
            t = first + work.here[k]
            w = exp2_negative(least - load(work.weights, k * room + b))
            store(work.weights, k * room + b, w)
            weight_sum, m0 = weight_sum + w, m0 + w * load(lines, t)
            m1, m2 = m1 + w * load(lines, t + pitch), m2 + w * load(lines, t + 2 * pitch)
        valid, inverse = load(layout.valid, work.place[n]), splat(f32(1)) / weight_sum
        m0, m1, m2 = m0 * inverse, m1 * inverse, m2 * inverse
        off0, off1, off2 = (
            m0 - load(guide, p),
            m1 - load(guide, p + plane),
            m2 - load(guide, p + 2 * plane),
        )
        mute = inverse * valid
        s0, s1, s2 = signed(off0, scale) * mute, signed(off1, scale) * mute, signed(off2, scale) * mute
        centre = s0 * m0 + s1 * m1 + s2 * m2
        if count == 1:
            _rgb_sums(start, neighbours, guide, plane, layout, lines, pitch, work, s0, s1, s2, centre, sums, width)
        else:
            for k in range(neighbours):
                t = first + work.here[k]
                slope = s0 * load(lines, t) + s1 * load(lines, t + pitch) + s2 * load(lines, t + 2 * pitch) - centre
                store(work.weights, k * room + b, load(work.weights, k * room + b) * slope)
        loss = loss + (magnitude(off0) + magnitude(off1) + magnitude(off2)) * valid
    return loss


@njit(**BORROWS)
def _rgb_any(count, neighbours, channels, guide, plane, layout, lines, pitch, work, scale, loss):
    """As _rgb_three, for any number of channels."""
    first, room = FIRST_LINE * pitch, work.room
    block_weights(count, neighbours, channels, guide, plane, layout, lines, pitch, work, work.weights)
    for n in range(count):
        p, b = work.pixel[n], n * LANES
        valid, inverse = load(layout.valid, work.place[n]), splat(f32(1)) / load(work.inverse, b)
        centre = splat(f32(0))
        for c in range(channels):
            m = splat(f32(0))
            for k in range(neighbours):
                m = m + load(work.weights, k * room + b) * load(lines, first + work.here[k] + c * pitch)
            m = m * inverse
            off = m - load(guide, p + c * plane)
            loss = loss + magnitude(off) * valid
            s = signed(off, scale) * (inverse * valid)
            store(work.pull, c * LANES, s)
            centre = centre + s * m
        for k in range(neighbours):
            slope = splat(f32(0)) - centre
            for c in range(channels):
                slope = slope + load(work.pull, c * LANES) * load(lines, first + work.here[k] + c * pitch)
            store(work.weights, k * room + b, load(work.weights, k * room + b) * slope)
    return loss


@njit(**BORROWS)
def _add_mean_weights(count, neighbours, work):
    """mean[place in the window] += Σ_p w / area, lane by lane."""
    for k in range(neighbours):
        part = load(work.mean, work.near.place[k])
        for b in range(0, count * LANES, LANES):
            part = part + load(work.weights, k * work.room + b) * load(work.inverse, b)
        store(work.mean, work.near.place[k], part)


@njit(**BORROWS)
def _signal_lift(i, j, signal, channels, layout, work, scale):
    """The signal objective of 16 cells: lift[place] = ∂L/∂(cell mean) · (V_q − V_own); returns squared errors.

    The cell mean of a mixture is the mixture by the mean weights, so channels cost nothing per pixel. Mean weights
    add up to 1, so differences from the cell's own value may come before products: nothing cancels.
    """
    radius, window = layout.radius, 2 * layout.radius + 1
    loss = splat(f32(0))
    for place in range(window * window):
        store(work.lift, place * LANES, loss)
    top, bottom = max(0, i - radius), min(layout.rows, i + radius + 1)
    for c in range(channels):
        plane = radius + c * layout.rows * layout.cols
        own = load(signal, plane + i * layout.cols + j)
        off = splat(f32(0))
        for qi in range(top, bottom):
            start, place = plane + qi * layout.cols + j, (qi - i + radius) * window * LANES
            for dx in range(window):
                value = load(signal, start + dx - radius) - own
                off = off + load(work.mean, place + dx * LANES) * value
        loss = loss + off * off
        slope = off * (f32(2) * scale)
        for qi in range(top, bottom):
            start, place = plane + qi * layout.cols + j, (qi - i + radius) * window * LANES
            for dx in range(window):
                value = load(signal, start + dx - radius) - own
                raised = load(work.lift, place + dx * LANES) + slope * value
                store(work.lift, place + dx * LANES, raised)
    return loss


@njit(**BORROWS)
def _signal_delta(count, neighbours, work, area):
    """weights → δ of the signal objective: w/Σw/area · (lift_q − Σ w·lift/Σw)."""
    for b in range(0, count * LANES, LANES):
        share = load(work.inverse, b)
        mean = splat(f32(0))
        for k in range(neighbours):
            mean = mean + load(work.weights, k * work.room + b) * load(work.lift, work.near.place[k])
        mean = mean * share * area
        for k in range(neighbours):
            w, raised = load(work.weights, k * work.room + b), load(work.lift, work.near.place[k])
            store(work.weights, k * work.room + b, w * share * (raised - mean))


@njit(**INLINED)
def _add_sums(start, count, neighbours, channels, guide, plane, layout, lines, pitch, work, sums, width):
    """Add each neighbour's Σδu², Σδv², Σδuv, Σδd² to the task's sums, lane by lane."""
    near = work.near
    for k in range(neighbours):
        t, to = work.here[k], start + near.into[k]
        su, sv, suv, sd = splat(f32(0)), splat(f32(0)), splat(f32(0)), splat(f32(0))
        for n in range(count):
            p = work.pixel[n]
            x, y = load(layout.xs, work.place[n]) - near.shift_x[k], work.ys[n] - near.shift_y[k]
            delta = load(work.weights, k * work.room + n * LANES)
            u = x * load(lines, t + UX * pitch) + load(lines, t + UY * pitch) * y
            v = x * load(lines, t + VX * pitch) + load(lines, t + VY * pitch) * y
            if channels == 3:
                d0 = load(guide, p) - load(lines, t + FIRST_LINE * pitch)
                d1 = load(guide, p + plane) - load(lines, t + (FIRST_LINE + 1) * pitch)
                d2 = load(guide, p + 2 * plane) - load(lines, t + (FIRST_LINE + 2) * pitch)
                distance = d0 * d0 + d1 * d1 + d2 * d2
            else:
                distance = _distance(p, t, channels, guide, plane, lines, pitch)
            du = delta * u
            su, suv = su + du * u, suv + du * v
            sv, sd = sv + delta * v * v, sd + delta * distance
        _add_four(sums, to, width, su, sv, suv, sd)


# --- the fit ------------------------------------------------------------------------------------------------------


@njit(**INLINED)
def _rgb_block(i, j, base, start, guide, channels, plane, layout, lines, pitch, work, scale, sums, width):
    """Forward, loss and backward of 16 cells from (i, j), L1 of the guide; returns their summed |Î − I|."""
    pixels = (layout.row_starts[i + 1] - layout.row_starts[i]) * layout.places
    loss, neighbours = splat(f32(0)), 0
    copied = pixels >= SEVERAL
    source, step = (work.par, LANES) if copied else (lines, pitch)
    for first in range(0, pixels, CHUNK):
        count = min(CHUNK, pixels - first)
        aim(i, j, first, first + count, layout, work)
        if first == 0 or layout.radius >= MANY:
            neighbours = _look(base, count, channels, guide, plane, layout, lines, pitch, copied, work)
        if channels == 3:
            loss = _rgb_three(start, count, neighbours, guide, plane, layout, source, step, work, scale, loss, sums,
                              width)  # fmt: skip
        else:
            loss = _rgb_any(count, neighbours, channels, guide, plane, layout, source, step, work, scale, loss)
        if count > 1 or channels != 3:
            _add_sums(start, count, neighbours, channels, guide, plane, layout, source, step, work, sums,
                      width)  # fmt: skip
    return total(loss)


@njit(**BORROWS)
def _signal_block(i, j, base, start, guide, channels, plane, layout, lines, pitch, work, signal, values, scale, sums,
                  width):  # fmt: skip
    """As _rgb_block for the signal objective: two passes, as δ needs the whole cell's mean weights."""
    tall = layout.row_starts[i + 1] - layout.row_starts[i]
    pixels, area = tall * layout.places, load(layout.widths, j) * f32(tall)
    loss, neighbours = splat(f32(0)), 0
    copied = pixels >= SEVERAL
    source, step = (work.par, LANES) if copied else (lines, pitch)
    for place in range((2 * layout.radius + 1) ** 2):
        store(work.mean, place * LANES, loss)
    for backward in range(2):
        for first in range(0, pixels, CHUNK):
            count = min(CHUNK, pixels - first)
            if backward == 0 or pixels > CHUNK:  # several chunks: the last one's weights are not this one's
                aim(i, j, first, first + count, layout, work)
                if (backward == 0 and first == 0) or layout.radius >= MANY:
                    neighbours = _look(base, count, channels, guide, plane, layout, lines, pitch, copied, work)
                block_weights(count, neighbours, channels, guide, plane, layout, source, step, work, work.weights)
                for n in range(count):
                    share = load(layout.valid, work.place[n]) / (load(work.inverse, n * LANES) * area)
                    store(work.inverse, n * LANES, share)
            if backward == 0:
                _add_mean_weights(count, neighbours, work)
            else:
                _signal_delta(count, neighbours, work, area)
                _add_sums(start, count, neighbours, channels, guide, plane, layout, source, step, work, sums,
                          width)  # fmt: skip
        if backward == 0:
            loss = _signal_lift(i, j, signal, values, layout, work, scale) * load(layout.valid, j)
    return total(loss)


@njit(**BORROWS)
def _gather_row(i, layouts, sums, line, pitch):
    """Add up LR row i's sums from every task that reached it: line [4·pitch]."""
    radius, band, tile = layouts.radius, layouts.band, layouts.tile
    tiles_across = (layouts.lanes + tile - 1) // tile
    line[:] = f32(0)
    for a in range(max(0, i - radius) // band, min(layouts.rows - 1, i + radius) // band + 1):
        for e in range(tiles_across):
            reach = min(tile, layouts.lanes - e * tile) + 2 * radius
            for c in range(4):
                for x in range(reach):
                    line[c * pitch + e * tile + x] += sums[a * tiles_across + e, i - a * band + radius, c, x]


@njit(**FAST)
def fit_steps(
    control,
    last,
    gate,
    guide,
    layouts,
    lines,
    signal,
    values,
    job,
    state,
    sums,
    task_loss,
    losses,
):
    """Work on the fit until phase ``last``, as fused.fit_steps does; any number of threads may be in here at once.

    guide [K, G, H, P·L] (``pixels_in_lanes``): a step looks at one of K lattices, the next one at the next;
    layouts: theirs, signal: flat, of ``values`` channels (``padded``), lines and state as
    ``lines_of`` and ``state_of`` have them, sums [tasks, band + 2R, 4, width], task_loss [tasks, 2], losses [steps].
    """
    channels, plane, flat_lines = guide.shape[1], guide[0, 0].size, lines.reshape(-1)
    radius, band, tile, flat_state = layouts.radius, layouts.band, layouts.tile, state.reshape(-1)
    row, pitch, width = lines[0].size, lines.shape[2], sums.shape[3]
    tiles_across = (layouts.lanes + tile - 1) // tile
    tasks = sums.shape[0]
    work = work_for(layouts, channels, row, 4 * width, CHUNK)
    line = np.empty(4 * pitch, dtype=np.float32)
    signal_scale = f32(job.signal_scale)
    while True:
        phase, task = claim(control, tasks, layouts.rows, last)
        if phase < 0:
            return
        step = phase // 2
        if phase % 2 == 0:
            k = step % len(guide)
            layout, flat = layout_at(layouts, k), guide[k].reshape(-1)
            number = np.float64(channels) * layout.pixels
            rgb_scale = f32(job.rgb_weight / number)
            top, left = task // tiles_across * band, task % tiles_across * tile
            mine = sums[task].reshape(-1)
            mine[:] = f32(0)
            rgb_loss, signal_loss = 0.0, 0.0
            for i in range(top, min(top + band, layout.rows)):
                for j in range(left, min(left + tile, layout.lanes), LANES):
                    base, start = i * row + j, (i - top) * 4 * width + j - left
                    if job.signal_scale != 0:
                        signal_loss += _signal_block(i, j, base, start, flat, channels, plane, layout, flat_lines,
                                                     pitch, work, signal, values, signal_scale, mine,
                                                     width)  # fmt: skip
                    if job.rgb_weight != 0:
                        rgb_loss += _rgb_block(i, j, base, start, flat, channels, plane, layout, flat_lines, pitch,
                                               work, rgb_scale, mine, width)  # fmt: skip
            task_loss[task, 0], task_loss[task, 1] = rgb_loss, signal_loss
            if finish(control, tasks):
                loss = 0.0
                for t in range(tasks):
                    loss += task_loss[t, 0] / number * job.rgb_weight + task_loss[t, 1] * job.signal_scale
                losses[step] = loss
                open_phase(control, phase + 1, False)
        else:
            _gather_row(task, layouts, sums, line, pitch)
            update_row(flat_state, task * state[0].size, layouts.lanes, job, line, radius, flat_lines,
                       (task + radius) * row + radius, pitch, step)  # fmt: skip
            if finish(control, layouts.rows):
                open_phase(control, phase + 1, phase + 1 >= gate[0])
