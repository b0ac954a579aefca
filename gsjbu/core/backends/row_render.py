"""The row form's render: weights of 16 neighbouring cells at once, then channels in eights; see rows.py.

A signal is read as lines of LR rows, so the values of 16 cells' neighbours are one load. What comes out is one pixel
of each cell; places beside each other are brought into the image's order where they are written.
"""

from __future__ import annotations

import numpy as np

from gsjbu.core.backends.cell_render import store_eight, store_four
from gsjbu.core.backends.lanes import layout_at
from gsjbu.core.backends.phases import claim, finish, open_phase
from gsjbu.core.backends.rows import MANY, SEVERAL, aligned, block_weights, choose, point, work_for
from gsjbu.core.backends.simd import LANES, load, pick, splat, store, stream, zip_high, zip_low
from gsjbu.core.compiler import BORROWS, FAST, njit

f32 = np.float32
CHUNK = 16  # vectors of pixels whose weights are made, and mixed with eight channels, at once


@njit(**BORROWS)
def chunk_rows(layout):
    """Pixel rows of a chunk: whole ones, so that their places can be put in order."""
    return max(1, CHUNK // layout.places)


@njit(**BORROWS)
def _fetch(i, j, first, count, guide, size, layout, pixels, work):
    """Copy pixels first… of 16 cells from (i, j) out of the guide, flat [G, H, W] of ``size``."""
    channels, height, across = size
    for n in range(count):
        r = (first + n) // layout.places
        y, place = layout.row_starts[i] + r, (first + n - r * layout.places) * layout.lanes + j
        work.pixel[n], work.place[n], work.ys[n] = n * LANES, place, layout.ys[y]
        for g in range(channels):
            store(
                pixels,
                g * work.room + n * LANES,
                pick(guide, (g * height + y) * across, layout.columns, place),
            )


@njit(**BORROWS)
def _chunk_weights(i, j, first, count, guide, size, layout, lines, row, pitch, members, pixels, work, weights, places):
    """Weights [N·room] of a chunk of 16 cells from (i, j), then each pixel's 1/Σw; ``places``: where each neighbour's
    values begin, from the cell's own row and column on. Returns the number of neighbours."""
    channels, base = size[0], i * row + j
    _fetch(i, j, first, count, guide, size, layout, pixels, work)
    if members.many:
        return _mixture_weights(i, first, count, base, channels, layout, lines, pitch, members, pixels, work, weights,
                                places)  # fmt: skip
    neighbours = choose(base, count, channels, pixels, work.room, layout, lines, pitch, work)
    point(base, neighbours, work)
    inverse = len(work.every.at) * work.room
    block_weights(count, neighbours, channels, pixels, work.room, layout, lines, pitch, work, weights)
    for b in range(0, count * LANES, LANES):
        store(weights, inverse + b, splat(f32(1)) / load(work.inverse, b))
    for k in range(neighbours):
        places[k] = work.near.into[k]
    return neighbours


@njit(**BORROWS)
def _mixture_weights(i, first, count, base, channels, layout, lines, pitch, members, pixels, work, weights, places):
    """As _chunk_weights of a mixture, whose members are added up neighbour by neighbour: of all of the window."""
    neighbours, room, around = len(work.every.at), work.room, work.every
    for k in range(neighbours):
        places[k] = around.into[k]
        if layout.radius >= MANY:
            work.near.at[k], work.near.shift_y[k], work.near.shift_x[k] = (
                around.at[k],
                around.shift_y[k],
                around.shift_x[k],
            )
    point(base, neighbours, work)
    block_weights(count, neighbours, channels, pixels, room, layout, lines, pitch, work, weights)
    for b in range(0, count * LANES, LANES):
        share = splat(members.first) / load(work.inverse, b)
        for k in range(neighbours):
            store(weights, k * room + b, load(weights, k * room + b) * share)
        store(weights, neighbours * room + b, splat(f32(1)))
    if members.other.size > 0:
        own = work.weights
        block_weights(count, neighbours, channels, pixels, room, layout, members.other, pitch, work, own)
        for b in range(0, count * LANES, LANES):
            share = splat(members.second) / load(work.inverse, b)
            for k in range(neighbours):
                mixed = load(weights, k * room + b) + load(own, k * room + b) * share
                store(weights, k * room + b, mixed)
    if members.down.size > 0:
        for n in range(count):
            y = layout.row_starts[i] + (first + n) // layout.places
            _add_plain(n, y, members, layout, work, weights)
    return neighbours


@njit(**BORROWS)
def _add_plain(n, y, members, layout, work, weights):
    """Add the interpolation's weights to one vector's: the whole window's, down the columns first."""
    side, width, k = 2 * layout.radius + 1, layout.places * layout.lanes, 0
    height = len(members.down) // side
    for dx in range(side):
        across = load(members.across, dx * width + work.place[n])
        for dy in range(side):
            at = k * work.room + n * LANES
            store(weights, at, load(weights, at) + across * members.down[dy * height + y])
            k += 1


@njit(**BORROWS)
def _put_picked(out, at, mixed, n, rows, across, step, sources, first, last):
    """Write pixels first…last of some rows, that are wherever ``sources`` says; at: the first row's first pixel."""
    for _ in range(rows):
        x = first
        while x + LANES <= last:
            store(out, at + x, pick(mixed, n, sources, x))
            x += LANES
        if x < last and last - first >= LANES:  # some of them once more
            store(out, at + last - LANES, pick(mixed, n, sources, last - LANES))
        else:
            while x < last:
                out[at + x] = mixed[n + sources[x]]
                x += 1
        at, n = at + across, n + step


@njit(**BORROWS)
def _put_eights(out, at, mixed, n, rows, across, column, past_cache):
    """As _put_row, some rows of cells of eight places: three rounds of zips. Apart from it, or it would be too large to
    be part of the loop that it is called in."""
    for row in range(rows):
        x, m = at + column + row * across, n + row * 8 * LANES
        a, b, c, d = (
            load(mixed, m),
            load(mixed, m + LANES),
            load(mixed, m + 2 * LANES),
            load(mixed, m + 3 * LANES),
        )
        m += 4 * LANES
        e, f, g, h = (
            load(mixed, m),
            load(mixed, m + LANES),
            load(mixed, m + 2 * LANES),
            load(mixed, m + 3 * LANES),
        )
        for half in range(2):
            if half == 0:
                p, q, r, s = zip_low(a, e), zip_low(b, f), zip_low(c, g), zip_low(d, h)
            else:
                p, q, r, s = zip_high(a, e), zip_high(b, f), zip_high(c, g), zip_high(d, h)
            low, high = zip_low(p, r), zip_low(q, s)
            _put(out, x, zip_low(low, high), past_cache)
            _put(out, x + LANES, zip_high(low, high), past_cache)
            low, high = zip_high(p, r), zip_high(q, s)
            _put(out, x + 2 * LANES, zip_low(low, high), past_cache)
            _put(out, x + 3 * LANES, zip_high(low, high), past_cache)
            x += 4 * LANES


@njit(**BORROWS)
def _mean_row(i, guide, size, layout, lines, row, pitch, members, pixels, work, weights, places, to):
    """One row of cells of ``mean_rows``."""
    tall, inverse = chunk_rows(layout), len(work.every.at) * work.room
    for j in range(0, layout.lanes, LANES):
        area = splat(f32(1)) / (load(layout.widths, j) * f32(layout.row_starts[i + 1] - layout.row_starts[i]))
        for y0 in range(layout.row_starts[i], layout.row_starts[i + 1], tall):
            y1 = min(y0 + tall, layout.row_starts[i + 1])
            first, count = (y0 - layout.row_starts[i]) * layout.places, (y1 - y0) * layout.places
            neighbours = _chunk_weights(i, j, first, count, guide, size, layout, lines, row, pitch, members,
                                        pixels, work, weights, places)  # fmt: skip
            for k in range(neighbours):
                window = work.every if members.many else work.near
                at = (window.place[k] // LANES * layout.rows + i) * layout.lanes + j
                part = splat(f32(0))
                for n in range(count):
                    share = load(weights, inverse + n * LANES) * load(layout.valid, work.place[n])
                    part = part + load(weights, k * work.room + n * LANES) * share
                store(to, at, load(to, at) + part * area)


@njit(**FAST)
def mean_rows(control, guide, layouts, lines, members, means):
    """Mean weight over each cell of each place of its window, into means [(2R+1)², h, L], which is 0 before.

    One phase; a task is a row of cells.
    """
    layout = layout_at(layouts, 0)
    size, flat, flat_lines, to = guide.shape, guide.reshape(-1), lines.reshape(-1), means.reshape(-1)
    row, pitch, rows, tall = lines[0].size, lines.shape[2], layout.rows, chunk_rows(layout)
    work = work_for(layout, size[0], row, 0, tall * layout.places)
    inverse = len(work.every.at) * work.room
    weights = np.empty(inverse + work.room, dtype=np.float32)
    places = np.empty(len(work.every.at), dtype=np.int64)
    pixels = np.empty(size[0] * work.room, dtype=np.float32)
    while True:
        phase, i = claim(control, rows, rows, 1)
        if phase < 0:
            return
        _mean_row(i, flat, size, layout, flat_lines, row, pitch, members, pixels, work, weights, places, to)
        if finish(control, rows):
            open_phase(control, 1, True)


@njit(**BORROWS)
def _mix_eight(weights, room, inverse, count, neighbours, places, values, v, pitch, mixed):
    """mixed[e·room + p] = Σ_k w_k(p)·V_e(neighbour k) / Σ_k w_k(p), for eight channels, lines of ``pitch`` from v."""
    for b in range(0, count % 2 * LANES, LANES):
        a0, a1, a2, a3 = splat(f32(0)), splat(f32(0)), splat(f32(0)), splat(f32(0))
        a4, a5, a6, a7 = splat(f32(0)), splat(f32(0)), splat(f32(0)), splat(f32(0))
        for k in range(neighbours):
            w, t = load(weights, k * room + b), v + places[k]
            a0, a1 = a0 + w * load(values, t), a1 + w * load(values, t + pitch)
            a2, a3 = a2 + w * load(values, t + 2 * pitch), a3 + w * load(values, t + 3 * pitch)
            a4, a5 = a4 + w * load(values, t + 4 * pitch), a5 + w * load(values, t + 5 * pitch)
            a6, a7 = a6 + w * load(values, t + 6 * pitch), a7 + w * load(values, t + 7 * pitch)
        store_eight(mixed, b, room, load(weights, inverse + b), a0, a1, a2, a3, a4, a5, a6, a7)
    for b in range(count % 2 * LANES, count * LANES, 2 * LANES):
        a0, a1, a2, a3 = splat(f32(0)), splat(f32(0)), splat(f32(0)), splat(f32(0))
        a4, a5, a6, a7 = splat(f32(0)), splat(f32(0)), splat(f32(0)), splat(f32(0))
        b0, b1, b2, b3 = splat(f32(0)), splat(f32(0)), splat(f32(0)), splat(f32(0))
        b4, b5, b6, b7 = splat(f32(0)), splat(f32(0)), splat(f32(0)), splat(f32(0))
        for k in range(neighbours):
            w, z, t = load(weights, k * room + b), load(weights, k * room + b + LANES), v + places[k]
            x, y = load(values, t), load(values, t + pitch)
            a0, b0, a1, b1 = a0 + w * x, b0 + z * x, a1 + w * y, b1 + z * y
            x, y = load(values, t + 2 * pitch), load(values, t + 3 * pitch)
            a2, b2, a3, b3 = a2 + w * x, b2 + z * x, a3 + w * y, b3 + z * y
            x, y = load(values, t + 4 * pitch), load(values, t + 5 * pitch)
            a4, b4, a5, b5 = a4 + w * x, b4 + z * x, a5 + w * y, b5 + z * y
            x, y = load(values, t + 6 * pitch), load(values, t + 7 * pitch)
            a6, b6, a7, b7 = a6 + w * x, b6 + z * x, a7 + w * y, b7 + z * y
        store_eight(mixed, b, room, load(weights, inverse + b), a0, a1, a2, a3, a4, a5, a6, a7)
        store_eight(mixed, b + LANES, room, load(weights, inverse + b + LANES), b0, b1, b2, b3, b4, b5, b6, b7)


@njit(**BORROWS)
def _mix_copies(weights, room, inverse, count, neighbours, places, values, v, pitch, copies, here, mixed):
    """As _mix_eight, from copies of the values: in place nearly every vector of them lies in two cache lines."""
    for k in range(neighbours):
        t, here[k] = v + places[k], k * 8 * LANES
        for e in range(8):
            store(copies, here[k] + e * LANES, load(values, t + e * pitch))
    _mix_eight(weights, room, inverse, count, neighbours, here, copies, 0, LANES, mixed)


@njit(**BORROWS)
def _mix_four(weights, room, inverse, count, neighbours, places, values, v, pitch, mixed):
    """As _mix_eight, for four channels."""
    for b in range(0, count * LANES, LANES):
        a0, a1, a2, a3 = splat(f32(0)), splat(f32(0)), splat(f32(0)), splat(f32(0))
        for k in range(neighbours):
            w, t = load(weights, k * room + b), v + places[k]
            a0, a1 = a0 + w * load(values, t), a1 + w * load(values, t + pitch)
            a2, a3 = a2 + w * load(values, t + 2 * pitch), a3 + w * load(values, t + 3 * pitch)
        store_four(mixed, b, room, load(weights, inverse + b), a0, a1, a2, a3)


@njit(**BORROWS)
def _put(out, at, x, past_cache):
    if past_cache:
        stream(out, at, x)
    else:
        store(out, at, x)


@njit(**BORROWS)
def _put_row(out, at, mixed, n, j, layout, past_cache):
    """Write one pixel row of 16 cells: the vectors of its places, from mixed[n] on, into out from ``at``, the row's
    first pixel, on."""
    x = at + layout.columns[j]
    if layout.places == 1:
        _put(out, x, load(mixed, n), past_cache)
    elif layout.places == 2:
        a, b = load(mixed, n), load(mixed, n + LANES)
        _put(out, x, zip_low(a, b), past_cache)
        _put(out, x + LANES, zip_high(a, b), past_cache)
    else:
        a, b = load(mixed, n), load(mixed, n + LANES)
        c, d = load(mixed, n + 2 * LANES), load(mixed, n + 3 * LANES)
        low, high = zip_low(a, c), zip_low(b, d)
        _put(out, x, zip_low(low, high), past_cache)
        _put(out, x + LANES, zip_high(low, high), past_cache)
        low, high = zip_high(a, c), zip_high(b, d)
        _put(out, x + 2 * LANES, zip_low(low, high), past_cache)
        _put(out, x + 3 * LANES, zip_high(low, high), past_cache)


@njit(**BORROWS)
def _render_task(i, left, tile, guide, size, layout, sources, lines, row, pitch, members, values, stride, width,
                 channels, pixels, work, weights, places, found, copies, here, mixed, out, plane, top, bottom,
                 past_cache):  # fmt: skip
    """Row i of cells from lane ``left`` on, pixel rows top…bottom of it: weights of its blocks, then channels in
    eights."""
    tall, room = chunk_rows(layout), work.room
    inverse = len(work.every.at) * room
    right = min(left + tile, layout.lanes)
    zipped = layout.even and (layout.places in (1, 2, 4, 8))
    for y0 in range(max(layout.row_starts[i], top), min(layout.row_starts[i + 1], bottom), tall):
        y1 = min(y0 + tall, layout.row_starts[i + 1])
        first, count = (y0 - layout.row_starts[i]) * layout.places, (y1 - y0) * layout.places
        for j in range(left, right, LANES):
            e = (j - left) // LANES
            found[e] = _chunk_weights(i, j, first, count, guide, size, layout, lines, row, pitch, members,
                                      pixels, work, weights[e], places[e])  # fmt: skip
        for c in range(0, channels, 8):
            many = min(8, channels - c)
            for j in range(left, right, LANES):
                e, v = (j - left) // LANES, i * stride + c * width + j
                if many > 4 and count >= SEVERAL:
                    _mix_copies(
                        weights[e],
                        room,
                        inverse,
                        count,
                        found[e],
                        places[e],
                        values,
                        v,
                        width,
                        copies,
                        here,
                        mixed,
                    )
                elif many > 4:
                    _mix_eight(weights[e], room, inverse, count, found[e], places[e], values, v, width, mixed)
                else:
                    _mix_four(weights[e], room, inverse, count, found[e], places[e], values, v, width, mixed)
                for b in range(many):
                    at, n = (c + b) * plane + (y0 - top) * size[2], b * room
                    if not (zipped and j + LANES < layout.cols):
                        end = layout.columns[j + LANES] if j + LANES < layout.cols else size[2]
                        _put_picked(out, at, mixed, n, y1 - y0, size[2], layout.places * LANES, sources,
                                    layout.columns[j], end)  # fmt: skip
                    elif layout.places == 8:
                        _put_eights(out, at, mixed, n, y1 - y0, size[2], layout.columns[j], past_cache)
                    else:
                        for _ in range(y0, y1):
                            _put_row(out, at, mixed, n, j, layout, past_cache)
                            at, n = at + size[2], n + layout.places * LANES


@njit(**FAST)
def render_rows(
    control,
    guide,
    layouts,
    sources,
    lines,
    members,
    signal,
    part,
    tile,
    out,
    channels,
    past_cache,
):
    """Mix signal [h + 2R, a multiple of 8, or 4, pitch] (``lined``) into out, flat [channels, rows, W]. One phase; a
    task is ``tile`` lanes of a row of cells; see cell_render.render_rows.
    """
    layout = layout_at(layouts, 0)
    size, flat, flat_lines, values = guide.shape, guide.reshape(-1), lines.reshape(-1), signal.reshape(-1)
    first_row, last_row, top, bottom = part
    row, pitch, stride, width = (
        lines[0].size,
        lines.shape[2],
        signal[0].size,
        signal.shape[2],
    )
    tiles_across = (layout.lanes + tile - 1) // tile
    tasks, blocks = (last_row - first_row) * tiles_across, tile // LANES
    tall = chunk_rows(layout)
    work = work_for(layout, size[0], row, stride, tall * layout.places)
    room = work.room
    inverse = len(work.every.at) * room
    weights = np.empty((blocks, inverse + room), dtype=np.float32)
    places = np.empty((blocks, len(work.every.at)), dtype=np.int64)
    found = np.empty(blocks, dtype=np.int64)
    pixels = np.empty(size[0] * room, dtype=np.float32)
    copies, mixed = aligned(len(work.every.at) * 8 * LANES), aligned(8 * room)
    here = np.empty(len(work.every.at), dtype=np.int64)
    plane = (bottom - top) * size[2]
    while True:
        phase, task = claim(control, tasks, tasks, 1)
        if phase < 0:
            return
        i, left = first_row + task // tiles_across, task % tiles_across * tile
        _render_task(i, left, tile, flat, size, layout, sources, flat_lines, row, pitch, members, values, stride, width,
                     channels, pixels, work, weights, places, found, copies, here, mixed, out, plane, top, bottom,
                     past_cache)  # fmt: skip
        if finish(control, tasks):
            open_phase(control, 1, True)
