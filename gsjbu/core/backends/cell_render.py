"""The cell form's render: weights of a cell's pixels, then channels in eights; see fused.py.

The weights may be those of a mixture (members.py): a second set of Gaussians and a plain interpolation are added to
the window's, and all that follows is the same.
"""

from __future__ import annotations

import numpy as np

from gsjbu.core.backends.fused import (
    FIRST,
    block_weights,
    chunk_rows,
    list_window,
    load_chunk,
    place_of,
    room_for,
    widest_of,
)
from gsjbu.core.backends.phases import claim, finish, open_phase
from gsjbu.core.backends.simd import LANES, load, splat, store, store_some, stream, total
from gsjbu.core.compiler import BORROWS, FAST, njit

f32 = np.float32


@njit(**BORROWS)
def store_four(mixed, b, room, share, a0, a1, a2, a3):
    """Four channels' values at b, times ``share``."""
    store(mixed, b, a0 * share)
    store(mixed, room + b, a1 * share)
    store(mixed, 2 * room + b, a2 * share)
    store(mixed, 3 * room + b, a3 * share)


@njit(**BORROWS)
def _mix_four(weights, room, inverse, end, neighbours, values, mixed):
    """mixed[e·room + p] = Σ_k weights[k·room + p]·values[4k + e]·weights[inverse + p] for four channels e."""
    b = 0
    while b + 2 * LANES <= end:
        a0, a1, a2, a3 = splat(f32(0)), splat(f32(0)), splat(f32(0)), splat(f32(0))
        b0, b1, b2, b3 = splat(f32(0)), splat(f32(0)), splat(f32(0)), splat(f32(0))
        for k in range(neighbours):
            w, z = load(weights, k * room + b), load(weights, k * room + b + LANES)
            v0, v1, v2, v3 = values[4 * k], values[4 * k + 1], values[4 * k + 2], values[4 * k + 3]
            a0, a1, a2, a3 = a0 + w * v0, a1 + w * v1, a2 + w * v2, a3 + w * v3
            b0, b1, b2, b3 = b0 + z * v0, b1 + z * v1, b2 + z * v2, b3 + z * v3
        store_four(mixed, b, room, load(weights, inverse + b), a0, a1, a2, a3)
        store_four(mixed, b + LANES, room, load(weights, inverse + b + LANES), b0, b1, b2, b3)
        b += 2 * LANES
    if b < end:
        a0, a1, a2, a3 = splat(f32(0)), splat(f32(0)), splat(f32(0)), splat(f32(0))
        for k in range(neighbours):
            w = load(weights, k * room + b)
            a0, a1 = a0 + w * values[4 * k], a1 + w * values[4 * k + 1]
            a2, a3 = a2 + w * values[4 * k + 2], a3 + w * values[4 * k + 3]
        store_four(mixed, b, room, load(weights, inverse + b), a0, a1, a2, a3)


@njit(**BORROWS)
def store_eight(mixed, b, room, share, a0, a1, a2, a3, a4, a5, a6, a7):
    """Eight channels' values at b, times ``share``."""
    store_four(mixed, b, room, share, a0, a1, a2, a3)
    store_four(mixed, 4 * room + b, room, share, a4, a5, a6, a7)


@njit(**BORROWS)
def _mix_eight(weights, room, inverse, end, neighbours, values, mixed):
    """As _mix_four for eight channels, values[8k + e]."""
    for b in range(0, end % (2 * LANES), LANES):
        a0, a1, a2, a3 = splat(f32(0)), splat(f32(0)), splat(f32(0)), splat(f32(0))
        a4, a5, a6, a7 = splat(f32(0)), splat(f32(0)), splat(f32(0)), splat(f32(0))
        for k in range(neighbours):
            w, t = load(weights, k * room + b), 8 * k
            a0, a1 = a0 + w * values[t], a1 + w * values[t + 1]
            a2, a3 = a2 + w * values[t + 2], a3 + w * values[t + 3]
            a4, a5 = a4 + w * values[t + 4], a5 + w * values[t + 5]
            a6, a7 = a6 + w * values[t + 6], a7 + w * values[t + 7]
        store_eight(mixed, b, room, load(weights, inverse + b), a0, a1, a2, a3, a4, a5, a6, a7)
    for b in range(end % (2 * LANES), end, 2 * LANES):
        a0, a1, a2, a3 = splat(f32(0)), splat(f32(0)), splat(f32(0)), splat(f32(0))
        a4, a5, a6, a7 = splat(f32(0)), splat(f32(0)), splat(f32(0)), splat(f32(0))
        b0, b1, b2, b3 = splat(f32(0)), splat(f32(0)), splat(f32(0)), splat(f32(0))
        b4, b5, b6, b7 = splat(f32(0)), splat(f32(0)), splat(f32(0)), splat(f32(0))
        for k in range(neighbours):
            w, z, t = load(weights, k * room + b), load(weights, k * room + b + LANES), 8 * k
            x, y = splat(values[t]), splat(values[t + 1])
            a0, b0, a1, b1 = a0 + w * x, b0 + z * x, a1 + w * y, b1 + z * y
            x, y = splat(values[t + 2]), splat(values[t + 3])
            a2, b2, a3, b3 = a2 + w * x, b2 + z * x, a3 + w * y, b3 + z * y
            x, y = splat(values[t + 4]), splat(values[t + 5])
            a4, b4, a5, b5 = a4 + w * x, b4 + z * x, a5 + w * y, b5 + z * y
            x, y = splat(values[t + 6]), splat(values[t + 7])
            a6, b6, a7, b7 = a6 + w * x, b6 + z * x, a7 + w * y, b7 + z * y
        store_eight(mixed, b, room, load(weights, inverse + b), a0, a1, a2, a3, a4, a5, a6, a7)
        store_eight(mixed, b + LANES, room, load(weights, inverse + b + LANES), b0, b1, b2, b3, b4, b5, b6, b7)


@njit(**BORROWS)
def _put_row(out, place, mixed, n, width, past_cache):
    """out[place : place + width] = mixed[n : n + width]; ``past_cache``: whole aligned cache lines, streamed."""
    x = 0
    if past_cache:
        while x + LANES <= width:
            stream(out, place + x, load(mixed, n + x))
            x += LANES
    while x + LANES <= width:
        store(out, place + x, load(mixed, n + x))
        x += LANES
    if x < width:
        store_some(out, place + x, load(mixed, n + x), width - x)


@njit(**BORROWS)
def _render_weights(guide, size, y0, y1, x0, x1, i, j, radius, step_y, step_x, lr_guide, coefficients, members, room,
                    pixels, lines, near, par, weights, spare, everything):  # fmt: skip
    """Weights [N·room] of one cell's chunk, then each pixel's 1/Σw; returns (vectors' end, neighbours)."""
    xs, ys, valid = lines[0], lines[1], lines[2]
    channels = size[0]
    end = load_chunk(
        guide,
        everything,
        size,
        y0,
        y1,
        x0,
        x1,
        (i + 0.5) * step_y,
        (j + 0.5) * step_x,
        room,
        pixels,
        xs,
        ys,
        valid,
    )
    neighbours = list_window(pixels, xs, ys, end, room, i, j, radius, step_y, step_x, lr_guide, coefficients, near, par)
    inverse, one = len(near) * room, splat(f32(1))
    for b in range(0, end, LANES):
        weight_sum = block_weights(b, pixels, xs, ys, room, neighbours, channels, par, weights)
        store(weights, inverse + b, one / weight_sum)
    if members.many:
        for b in range(0, end, LANES):
            share = load(weights, inverse + b) * members.first
            for k in range(neighbours):
                store(weights, k * room + b, load(weights, k * room + b) * share)
            store(weights, inverse + b, one)
        places = spare[2]
        places[:] = -1
        for k in range(neighbours):
            places[place_of(near, k, i, j, radius)] = k
        if members.other.size > 0:
            neighbours = _add_second(i, j, end, room, radius, step_y, step_x, lr_guide, members, pixels, lines, near,
                                     par, weights, neighbours, spare)  # fmt: skip
        if members.down.size > 0:
            neighbours = _add_plain(i, j, y0, y1, x0, x1, end, room, radius, members, near, weights, neighbours, places)
    return end, neighbours


@njit(**BORROWS)
def _listed(place, qi, qj, end, room, near, weights, neighbours, places):
    """Neighbour (qi, qj) and how many there are; one that was not among them is entered, with weights of 0."""
    k = places[place]
    if k < 0:
        k, places[place] = neighbours, neighbours
        near[k, 0], near[k, 1] = qi, qj
        neighbours += 1
        for b in range(0, end, LANES):
            store(weights, k * room + b, splat(f32(0)))
    return k, neighbours


@njit(**BORROWS)
def _add_second(i, j, end, room, radius, step_y, step_x, lr_guide, members, pixels, lines, near, par, weights,
                neighbours, spare):  # fmt: skip
    """Add the second set's weights to the chunk's; returns the number of neighbours."""
    xs, ys, channels = lines[0], lines[1], lr_guide.shape[2]
    own, among, places = spare
    count = list_window(pixels, xs, ys, end, room, i, j, radius, step_y, step_x, lr_guide, members.other, among, par)
    for b in range(0, end, LANES):
        inverse = splat(members.second) / block_weights(b, pixels, xs, ys, room, count, channels, par, own)
        for n in range(count):
            store(own, n * room + b, load(own, n * room + b) * inverse)
    for n in range(count):
        k, neighbours = _listed(place_of(among, n, i, j, radius), among[n, 0], among[n, 1], end, room, near, weights,
                                neighbours, places)  # fmt: skip
        for b in range(0, end, LANES):
            store(weights, k * room + b, load(weights, k * room + b) + load(own, n * room + b))
    return neighbours


@njit(**BORROWS)
def _is_nothing(line, first, last):
    for x in range(first, last):
        if line[x] != 0:
            return False
    return True


@njit(**BORROWS)
def _add_plain(i, j, y0, y1, x0, x1, end, room, radius, members, near, weights, neighbours, places):
    """Add the interpolation's weights to the chunk's; returns the number of neighbours."""
    down, across, side = members.down, members.across, 2 * radius + 1
    for dy in range(side):
        if _is_nothing(down[dy], y0, y1):
            continue
        for dx in range(side):
            if _is_nothing(across[dx], x0, x1):
                continue
            k, neighbours = _listed(dy * side + dx, i + dy - radius, j + dx - radius, end, room, near, weights,
                                    neighbours, places)  # fmt: skip
            n = k * room
            for y in range(y0, y1):
                part = down[dy, y]
                for x in range(x0, x1):
                    weights[n + x - x0] += part * across[dx, x]
                n += x1 - x0
    return neighbours


@njit(**BORROWS)
def _mean_row(i, guide, size, row_starts, col_starts, step_y, step_x, radius, lr_guide, coefficients, members, room,
              pixels, lines, near, par, weights, spare, everything, means):  # fmt: skip
    """One row of cells of ``mean_rows``."""
    height = chunk_rows(widest_of(col_starts))
    for j in range(coefficients.shape[1]):
        area = f32((row_starts[i + 1] - row_starts[i]) * (col_starts[j + 1] - col_starts[j]))
        for y0 in range(row_starts[i], row_starts[i + 1], height):
            y1 = min(y0 + height, row_starts[i + 1])
            end, neighbours = _render_weights(
                guide, size, y0, y1, col_starts[j], col_starts[j + 1], i, j, radius, step_y, step_x, lr_guide,
                coefficients, members, room, pixels, lines, near, par, weights, spare, everything,
            )  # fmt: skip
            inverse = len(near) * room
            for k in range(neighbours):
                part = splat(f32(0))
                for b in range(0, end, LANES):
                    share = load(weights, inverse + b) * load(lines[2], b)
                    part = part + load(weights, k * room + b) * share
                means[place_of(near, k, i, j, radius), i, j] += total(part) / area


@njit(**FAST)
def mean_rows(control, guide, lr_guide, row_starts, col_starts, step_y, step_x, radius, coefficients, members, means):
    """Mean weight over each cell of each place of its window, into means [(2R+1)², h, w], which is 0 before.

    One phase; a task is a row of cells.
    """
    rows, size, flat = coefficients.shape[0], guide.shape, guide.reshape(-1)
    window, room = (2 * radius + 1) ** 2, room_for(row_starts, col_starts)
    everything = np.empty(0, dtype=np.uint8)  # every pixel is seen
    weights, own = np.empty((window + 1) * room, dtype=np.float32), np.empty(window * room, dtype=np.float32)
    near, among = np.empty((window, 2), dtype=np.int64), np.empty((window, 2), dtype=np.int64)
    spare = (own, among, np.empty(window, dtype=np.int64))
    par = np.empty(window * (FIRST + guide.shape[0]), dtype=np.float32)
    pixels = np.empty(guide.shape[0] * room, dtype=np.float32)
    lines = (
        np.empty(room, dtype=np.float32),
        np.empty(room, dtype=np.float32),
        np.empty(room, dtype=np.float32),
    )
    while True:
        phase, i = claim(control, rows, rows, 1)
        if phase < 0:
            return
        _mean_row(i, flat, size, row_starts, col_starts, step_y, step_x, radius, lr_guide, coefficients, members, room,
                  pixels, lines, near, par, weights, spare, everything, means)  # fmt: skip
        if finish(control, rows):
            open_phase(control, 1, True)


@njit(**BORROWS)
def _render_tile(i, j0, j1, guide, size, lr_guide, signal, row_starts, col_starts, step_y, step_x, radius, coefficients,
                 members, room, pixels, lines, near, par, weights, spare, everything, found, values, mixed, out, plane,
                 top, bottom, channels, past_cache):  # fmt: skip
    """Cells j0…j1 of row i, pixel rows top…bottom of them: their weights, then channels in eights."""
    height, window = chunk_rows(widest_of(col_starts)), (2 * radius + 1) ** 2
    for y0 in range(max(row_starts[i], top), min(row_starts[i + 1], bottom), height):
        y1 = min(y0 + height, row_starts[i + 1])
        for j in range(j0, j1):
            found[j - j0, 0], found[j - j0, 1] = _render_weights(
                guide, size, y0, y1, col_starts[j], col_starts[j + 1], i, j, radius, step_y, step_x, lr_guide,
                coefficients, members, room, pixels, lines, near[j - j0], par, weights[j - j0], spare, everything,
            )  # fmt: skip
        c = 0
        while c < channels:
            many = 8 if channels - c > 4 else 4
            for j in range(j0, j1):
                end, neighbours = found[j - j0, 0], found[j - j0, 1]
                for k in range(neighbours):
                    qi, qj = near[j - j0, k, 0], near[j - j0, k, 1]
                    for e in range(many):
                        values[many * k + e] = signal[qi, qj, c + e]
                if many == 8:
                    _mix_eight(weights[j - j0], room, window * room, end, neighbours, values, mixed)
                else:
                    _mix_four(weights[j - j0], room, window * room, end, neighbours, values, mixed)
                x0, width = col_starts[j], col_starts[j + 1] - col_starts[j]
                streamed = past_cache and x0 % LANES == 0
                for e in range(min(many, channels - c)):
                    place = (c + e) * plane + (y0 - top) * size[2] + x0
                    for n in range(e * room, e * room + (y1 - y0) * width, width):
                        _put_row(out, place, mixed, n, width, streamed)
                        place += size[2]
            c += many


@njit(**FAST)
def render_rows(
    control,
    guide,
    lr_guide,
    signal,
    row_starts,
    col_starts,
    step_y,
    step_x,
    radius,
    coefficients,
    members,
    part,
    tile,
    out,
    channels,
    past_cache,
):
    """Mix signal [h, w, C] (C a multiple of 8, or 4) into out, flat [channels, rows, W].

    part: the first cell row and that after the last, the first pixel row and that after the last, which lie where a
    chunk (``chunk_rows``) begins.

    One phase; a task is ``tile`` cells of a row, whose weights are made once and stay in the cache while
    the channels go by in eights. ``past_cache``: out is aligned to cache lines and too large to be read again soon.
    """
    cols, size, flat = coefficients.shape[1], guide.shape, guide.reshape(-1)
    first_row, last_row, top, bottom = part
    tiles_across = (cols + tile - 1) // tile
    tiles = (last_row - first_row) * tiles_across
    window = (2 * radius + 1) ** 2
    room = room_for(row_starts, col_starts)
    everything = np.empty(0, dtype=np.uint8)  # every pixel is seen
    weights = np.empty((tile, (window + 1) * room), dtype=np.float32)
    near = np.empty((tile, window, 2), dtype=np.int64)
    spare = (np.empty(window * room, dtype=np.float32), np.empty((window, 2), dtype=np.int64),
             np.empty(window, dtype=np.int64))  # fmt: skip
    par = np.empty(window * (FIRST + guide.shape[0]), dtype=np.float32)
    found = np.empty((tile, 2), dtype=np.int64)
    pixels = np.empty(guide.shape[0] * room, dtype=np.float32)
    lines = (
        np.empty(room, dtype=np.float32),
        np.empty(room, dtype=np.float32),
        np.empty(room, dtype=np.float32),
    )
    values = np.empty(window * 8, dtype=np.float32)
    mixed = np.empty(8 * room + LANES, dtype=np.float32)
    plane = (bottom - top) * size[2]
    while True:
        phase, task = claim(control, tiles, tiles, 1)
        if phase < 0:
            return
        i, a = first_row + task // tiles_across, task % tiles_across
        _render_tile(i, a * tile, min((a + 1) * tile, cols), flat, size, lr_guide, signal, row_starts, col_starts,
                     step_y, step_x, radius, coefficients, members, room, pixels, lines, near, par, weights, spare,
                     everything, found, values, mixed, out, plane, top, bottom, channels, past_cache)  # fmt: skip
        if finish(control, tiles):
            open_phase(control, 1, True)
