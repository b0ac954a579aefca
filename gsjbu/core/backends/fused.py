"""The fused CPU kernel: the whole fit, and the render, each in one compiled loop (numba, explicit vectors).

A cell's pixels all share one window, so there are no gathers and no trigonometry per pixel. With Δ = (Δx, Δy)
from pixel p to the centre of LR pixel q:

    u = ( cosθ·Δx + sinθ·Δy) / (√2·σx)        v = (−sinθ·Δx + cosθ·Δy) / (√2·σy)
    log w = −(u² + v²) − κ·‖I_p − I_q‖²        κ = 1 / (2σr²)

u and v are linear in p's place, and colour differences come before squares: nothing cancels, however small σ
and σr are. Logits are kept in base 2 (√log₂e goes into u and v, log₂e into κ). With δ = ∂L/∂log w, the
closed-form backward needs four sums per neighbour, over the cell's pixels:

    ∂L/∂σx = 2Σδu²/σx    ∂L/∂σy = 2Σδv²/σy    ∂L/∂θ = −2Σδuv·(σy/σx − σx/σy)    ∂L/∂σr = Σδd²/σr³

A step is two phases: cells (forward, loss, sums), then LR pixels (gather the sums, chain rule, Adam). Every
sum is taken in a fixed order, so the result is the same bits for any number of threads.

Buffers are flat and padded to whole vectors; pad pixels repeat the last pixel and are silenced by ``valid`` = 0.
"""

from __future__ import annotations

import numpy as np

from gsjbu.core.backends.adam import LEAST, RANGE, UX, UY, VX, VY, set_coefficients, set_gradient, take_step
from gsjbu.core.backends.phases import claim, finish, open_phase
from gsjbu.core.backends.simd import (
    LANES,
    add_totals,
    exp2_negative,
    larger,
    load,
    lowest_lane,
    magnitude,
    signed,
    smaller,
    splat,
    steps_from,
    store,
    total,
)
from gsjbu.core.compiler import BORROWS, FAST, njit

f32 = np.float32
CHUNK = 512  # pixels handled at once: the window's weights for them stay in the cache
TILES = 64  # aim for at least this many tasks a phase, so that a late thread costs little
# A neighbour whose weight is at most 2^-30 = 9e-10 of the largest at every pixel of the chunk is left out: all of 288
# together are less than what float32 rounds off in a sum of as many.
NEGLIGIBLE = 30.0
BIG = 1e30

# Per neighbour, from FIRST on one colour a channel: u = A·x + B·y + C, v = D·x + E·y + F, and κ, in base 2.
A, B, C, D, E, F, KAPPA, FIRST = range(8)


# --- one cell: window and weights --------------------------------------------------------------------------------


@njit(**BORROWS)
def load_chunk(guide, seen, size, y0, y1, x0, x1, centre_y, centre_x, room, pixels, xs, ys, valid):
    """Copy a block of the guide, flat [G, H, W] of ``size`` (G, H, W), with its pixels' places relative to the
    cell's centre; returns the end of its last vector. Pixels of which ``seen`` [H·W] is 0 are left out, unless it is
    empty."""
    channels, height, across = size
    width, n = x1 - x0, 0
    count = (y1 - y0) * width
    end = (count + LANES - 1) // LANES * LANES
    first = f32(x0 + 0.5 - centre_x)
    for y in range(y0, y1):
        dy = f32(y + 0.5 - centre_y)
        x = 0
        while x + LANES <= width:
            store(xs, n + x, steps_from(first + f32(x)))
            store(ys, n + x, splat(dy))
            x += LANES
        while x < width:
            xs[n + x], ys[n + x] = first + f32(x), dy
            x += 1
        n += width
    for b in range(0, end, LANES):
        store(valid, b, splat(f32(1)))
    for g in range(channels):
        n = g * room
        for y in range(y0, y1):
            source, x = (g * height + y) * across + x0, 0
            while x + LANES <= width:
                store(pixels, n + x, load(guide, source + x))
                x += LANES
            while x < width:
                pixels[n + x] = guide[source + x]
                x += 1
            n += width
    if len(seen):
        count = _keep_seen(seen, y0, y1, x0, x1, across, room, channels, pixels, xs, ys)
        end = (count + LANES - 1) // LANES * LANES
    for n in range(count, end):
        xs[n], ys[n], valid[n] = xs[count - 1], ys[count - 1], f32(0)
        for g in range(channels):
            pixels[g * room + n] = pixels[g * room + count - 1]
    return end


@njit(**BORROWS)
def _keep_seen(seen, y0, y1, x0, x1, across, room, channels, pixels, xs, ys):
    """Move what was copied of a block together, so that only pixels that are seen are left; their number."""
    count, n = 0, 0
    for y in range(y0, y1):
        for x in range(x0, x1):
            if seen[y * across + x]:
                xs[count], ys[count] = xs[n], ys[n]
                for g in range(channels):
                    pixels[g * room + count] = pixels[g * room + n]
                count += 1
            n += 1
    return count


@njit(**BORROWS)
def _area(seen, y0, y1, x0, x1, across):
    """Pixels of a cell that are seen."""
    if not len(seen):
        return (y1 - y0) * (x1 - x0)
    count = 0
    for y in range(y0, y1):
        for x in range(x0, x1):
            count += seen[y * across + x]
    return count


@njit(**BORROWS)
def _set_neighbour(k, i, j, qi, qj, step_y, step_x, lr_guide, coefficients, near, par):
    """Enter LR pixel (qi, qj) as neighbour k of cell (i, j)."""
    near[k, 0], near[k, 1] = qi, qj
    ox, oy = (qj - j) * step_x, (qi - i) * step_y
    channels = lr_guide.shape[2]
    t = k * (FIRST + channels)
    par[t + A], par[t + B] = coefficients[qi, qj, UX], coefficients[qi, qj, UY]
    par[t + C] = -(np.float64(coefficients[qi, qj, UX]) * ox + np.float64(coefficients[qi, qj, UY]) * oy)
    par[t + D], par[t + E] = coefficients[qi, qj, VX], coefficients[qi, qj, VY]
    par[t + F] = -(np.float64(coefficients[qi, qj, VX]) * ox + np.float64(coefficients[qi, qj, VY]) * oy)
    par[t + KAPPA] = coefficients[qi, qj, RANGE]
    for g in range(channels):
        par[t + FIRST + g] = lr_guide[qi, qj, g]


@njit(**BORROWS)
def list_window(pixels, xs, ys, end, room, i, j, radius, step_y, step_x, lr_guide, coefficients, near, par):
    """List the neighbours of the cell that can matter for these pixels, the cell itself first; their number.

    The cell's own least logit is a floor for the largest one at every pixel; a neighbour whose distance alone
    puts it far below that floor is left out.
    """
    rows, cols, channels = coefficients.shape[0], coefficients.shape[1], lr_guide.shape[2]
    _set_neighbour(0, i, j, i, j, step_y, step_x, lr_guide, coefficients, near, par)
    least = splat(f32(BIG))
    left, right, top, bottom = splat(f32(BIG)), splat(f32(-BIG)), splat(f32(BIG)), splat(f32(-BIG))
    for b in range(0, end, LANES):
        x, y = load(xs, b), load(ys, b)
        u = x * par[A] + y * par[B]
        v = x * par[D] + y * par[E]
        distance = splat(f32(0))
        for g in range(channels):
            d = load(pixels, g * room + b) - par[FIRST + g]
            distance = distance + d * d
        least = smaller(least, splat(f32(0)) - u * u - v * v - distance * par[KAPPA])
        left, right = smaller(left, x), larger(right, x)
        top, bottom = smaller(top, y), larger(bottom, y)
    floor = lowest_lane(least) - f32(NEGLIGIBLE)
    x_low, y_low = lowest_lane(left), lowest_lane(top)
    x_high, y_high = -lowest_lane(splat(f32(0)) - right), -lowest_lane(splat(f32(0)) - bottom)
    k = 1
    for qi in range(max(0, i - radius), min(rows, i + radius + 1)):
        oy = (qi - i) * step_y
        gap_y = max(max(y_low - oy, oy - y_high), 0.0)
        for qj in range(max(0, j - radius), min(cols, j + radius + 1)):
            ox = (qj - j) * step_x
            gap_x = max(max(x_low - ox, ox - x_high), 0.0)
            apart = gap_x * gap_x + gap_y * gap_y
            if (qi == i and qj == j) or -coefficients[qi, qj, LEAST] * apart < floor:
                continue
            _set_neighbour(k, i, j, qi, qj, step_y, step_x, lr_guide, coefficients, near, par)
            k += 1
    return k


@njit(**BORROWS)
def block_weights(b, pixels, xs, ys, room, neighbours, channels, par, weights):
    """Weights of 16 pixels relative to the largest, at weights[k·room + b]; returns their sum over the window."""
    x, y = load(xs, b), load(ys, b)
    peak = splat(f32(-BIG))
    if channels == 3:
        g0, g1, g2 = load(pixels, b), load(pixels, room + b), load(pixels, 2 * room + b)
        for k in range(neighbours):
            t = k * (FIRST + 3)
            u = x * par[t + A] + (y * par[t + B] + par[t + C])
            v = x * par[t + D] + (y * par[t + E] + par[t + F])
            d0, d1, d2 = g0 - par[t + FIRST], g1 - par[t + FIRST + 1], g2 - par[t + FIRST + 2]
            logit = splat(f32(0)) - (u * u + v * v + (d0 * d0 + d1 * d1 + d2 * d2) * par[t + KAPPA])
            store(weights, k * room + b, logit)
            peak = larger(peak, logit)
    else:
        for k in range(neighbours):
            t = k * (FIRST + channels)
            u = x * par[t + A] + (y * par[t + B] + par[t + C])
            v = x * par[t + D] + (y * par[t + E] + par[t + F])
            distance = splat(f32(0))
            for g in range(channels):
                d = load(pixels, g * room + b) - par[t + FIRST + g]
                distance = distance + d * d
            logit = splat(f32(0)) - (u * u + v * v + distance * par[t + KAPPA])
            store(weights, k * room + b, logit)
            peak = larger(peak, logit)
    weight_sum = splat(f32(0))
    for k in range(neighbours):
        w = exp2_negative(load(weights, k * room + b) - peak)
        store(weights, k * room + b, w)
        weight_sum = weight_sum + w
    return weight_sum


# --- objectives: each leaves δ = ∂L/∂log w in place of the weights -------------------------------------------------


@njit(**BORROWS)
def _rgb_cell(pixels, xs, ys, valid, end, room, neighbours, channels, par, weights, grad_out, scale):
    """L1 of the mixed guide against the guide itself: weights → δ; returns the summed |Î − I|."""
    loss = splat(f32(0))
    step = FIRST + channels
    one = splat(f32(1))
    for b in range(0, end, LANES):
        weight_sum = block_weights(b, pixels, xs, ys, room, neighbours, channels, par, weights)
        inverse, is_valid = one / weight_sum, load(valid, b)
        if channels == 3:
            m0, m1, m2 = splat(f32(0)), splat(f32(0)), splat(f32(0))
            for k in range(neighbours):
                w, t = load(weights, k * room + b), k * step + FIRST
                m0, m1, m2 = m0 + w * par[t], m1 + w * par[t + 1], m2 + w * par[t + 2]
            m0, m1, m2 = m0 * inverse, m1 * inverse, m2 * inverse
            off0, off1, off2 = (
                m0 - load(pixels, b),
                m1 - load(pixels, room + b),
                m2 - load(pixels, 2 * room + b),
            )
            loss = loss + (magnitude(off0) + magnitude(off1) + magnitude(off2)) * is_valid
            mute = inverse * is_valid
            s0, s1, s2 = signed(off0, scale) * mute, signed(off1, scale) * mute, signed(off2, scale) * mute
            centre = s0 * m0 + s1 * m1 + s2 * m2
            for k in range(neighbours):
                t = k * step + FIRST
                w = load(weights, k * room + b)
                store(weights, k * room + b, w * (s0 * par[t] + s1 * par[t + 1] + s2 * par[t + 2] - centre))
        else:
            centre, mute = splat(f32(0)), inverse * is_valid
            for c in range(channels):
                m = splat(f32(0))
                for k in range(neighbours):
                    m = m + load(weights, k * room + b) * par[k * step + FIRST + c]
                m = m * inverse
                off = m - load(pixels, c * room + b)
                loss = loss + magnitude(off) * is_valid
                s = signed(off, scale) * mute
                store(grad_out, c * LANES, s)
                centre = centre + s * m
            for k in range(neighbours):
                slope = splat(f32(0)) - centre
                for c in range(channels):
                    slope = slope + load(grad_out, c * LANES) * par[k * step + FIRST + c]
                store(weights, k * room + b, load(weights, k * room + b) * slope)
    return total(loss)


@njit(**BORROWS)
def _mean_weights(pixels, xs, ys, valid, end, room, neighbours, channels, par, weights, inverse, area):
    """Weights of the chunk; ``inverse`` = 1/(Σw · area), 0 on pads."""
    for b in range(0, end, LANES):
        weight_sum = block_weights(b, pixels, xs, ys, room, neighbours, channels, par, weights)
        store(inverse, b, load(valid, b) / (weight_sum * area))


@njit(**BORROWS)
def _add_mean_weights(end, room, neighbours, near, i, j, radius, weights, inverse, mean_weight):
    """mean_weight[place in the window] += Σ_p w / area."""
    for k in range(neighbours):
        part = splat(f32(0))
        for b in range(0, end, LANES):
            part = part + load(weights, k * room + b) * load(inverse, b)
        mean_weight[place_of(near, k, i, j, radius)] += total(part)


@njit(**BORROWS)
def place_of(near, k, i, j, radius):
    """Neighbour k's place in the full window, row by row."""
    return (near[k, 0] - i + radius) * (2 * radius + 1) + near[k, 1] - j + radius


@njit(**BORROWS)
def _signal_lift(signal, i, j, radius, mean_weight, scale, lift):
    """One cell of the signal objective: lift[place] = ∂L/∂(cell mean) · V_q; returns the squared error, unscaled.

    The cell mean of a mixture is the mixture by the mean weights, so channels cost nothing per pixel.
    """
    rows, cols, channels = signal.shape
    window = 2 * radius + 1
    loss = 0.0
    lift[:] = f32(0)
    top, bottom = max(0, i - radius), min(rows, i + radius + 1)
    left, right = max(0, j - radius), min(cols, j + radius + 1)
    for c in range(channels):
        again = 0.0
        for qi in range(top, bottom):
            for qj in range(left, right):
                w = mean_weight[(qi - i + radius) * window + qj - j + radius]
                again += w * np.float64(signal[qi, qj, c])
        off = again - signal[i, j, c]
        loss += off * off
        slope = f32(2.0 * off * scale)
        for qi in range(top, bottom):
            for qj in range(left, right):
                lift[(qi - i + radius) * window + qj - j + radius] += slope * signal[qi, qj, c]
    # δ depends on differences of lifts alone: taken from the cell's own, the heaviest weights cancel nothing.
    own = lift[radius * window + radius]
    for place in range(window * window):
        lift[place] -= own
    return loss


@njit(**BORROWS)
def _signal_delta(end, room, neighbours, near, i, j, radius, weights, inverse, lift, area):
    """weights → δ of the signal objective: w/Σw/area · (lift_q − Σ w·lift/Σw)."""
    for b in range(0, end, LANES):
        share = load(inverse, b)
        mean = splat(f32(0))
        for k in range(neighbours):
            mean = mean + load(weights, k * room + b) * lift[place_of(near, k, i, j, radius)]
        mean = mean * share * area
        for k in range(neighbours):
            w = load(weights, k * room + b)
            raised = splat(lift[place_of(near, k, i, j, radius)])
            store(weights, k * room + b, w * share * (raised - mean))


@njit(**BORROWS)
def _add_sums(pixels, xs, ys, end, room, neighbours, channels, near, par, delta, sums, row0, col0, width):
    """Add each neighbour's Σδu², Σδv², Σδuv, Σδd² to the tile's sums, flat [rows, width, 4] from (row0, col0)."""
    for k in range(neighbours):
        t = k * (FIRST + channels)
        su, sv, suv, sd = splat(f32(0)), splat(f32(0)), splat(f32(0)), splat(f32(0))
        ka, kb, kc = splat(par[t + A]), splat(par[t + B]), splat(par[t + C])
        kd, ke, kf = splat(par[t + D]), splat(par[t + E]), splat(par[t + F])
        if channels == 3:
            c0, c1, c2 = splat(par[t + FIRST]), splat(par[t + FIRST + 1]), splat(par[t + FIRST + 2])
            for b in range(0, end, LANES):
                x, y, d = load(xs, b), load(ys, b), load(delta, k * room + b)
                u = x * ka + (y * kb + kc)
                v = x * kd + (y * ke + kf)
                d0, d1, d2 = (
                    load(pixels, b) - c0,
                    load(pixels, room + b) - c1,
                    load(pixels, 2 * room + b) - c2,
                )
                du = d * u
                su = su + du * u
                suv = suv + du * v
                sv = sv + d * v * v
                sd = sd + d * (d0 * d0 + d1 * d1 + d2 * d2)
        else:
            for b in range(0, end, LANES):
                x, y, d = load(xs, b), load(ys, b), load(delta, k * room + b)
                u = x * ka + (y * kb + kc)
                v = x * kd + (y * ke + kf)
                distance = splat(f32(0))
                for g in range(channels):
                    off = load(pixels, g * room + b) - par[t + FIRST + g]
                    distance = distance + off * off
                su = su + d * u * u
                suv = suv + d * u * v
                sv = sv + d * v * v
                sd = sd + d * distance
        add_totals(sums, ((near[k, 0] - row0) * width + near[k, 1] - col0) * 4, su, sv, suv, sd)


# --- the fit -----------------------------------------------------------------------------------------------------


@njit(**BORROWS)
def chunk_rows(width):
    return max(1, CHUNK // width)


@njit(**BORROWS)
def widest_of(starts):
    widest = 0
    for j in range(starts.shape[0] - 1):
        widest = max(widest, starts[j + 1] - starts[j])
    return widest


@njit(**BORROWS)
def room_for(row_starts, col_starts):
    """Pixels to make room for in a buffer: the largest chunk, as an odd number of vectors, so that the lines of a
    buffer do not all fall into the same few sets of the cache."""
    widest = widest_of(col_starts)
    vectors = (min(chunk_rows(widest), widest_of(row_starts)) * widest + LANES - 1) // LANES
    return (vectors | 1) * LANES


@njit(**BORROWS)
def _fit_cell(i, j, guide, seen, size, lr_guide, signal, coefficients, row_starts, col_starts, step_y, step_x, shift,
              radius, room, rgb_scale, signal_scale, pixels, lines, weights, grad_out, near, par, mean_weight, lift,
              sums, row0, col0, width):  # fmt: skip
    """Forward, loss and backward of one cell; returns its (rgb, signal) loss parts, unscaled."""
    xs, ys, valid, inverse = lines[0], lines[1], lines[2], lines[3]
    channels = size[0]
    x0, x1 = col_starts[j], col_starts[j + 1]
    top, bottom = row_starts[i], row_starts[i + 1]
    pixels_seen = _area(seen, top, bottom, x0, x1, size[2])
    if pixels_seen == 0:
        return 0.0, 0.0
    centre_y, centre_x = (i + 0.5) * step_y + shift[0], (j + 0.5) * step_x + shift[1]
    height = max(1, min(CHUNK, room) // (x1 - x0))  # a narrow edge cell has more rows, but no more room
    area = f32(pixels_seen)
    rgb_loss, signal_loss = 0.0, 0.0
    end, neighbours = 0, 0

    if signal_scale != 0:
        mean_weight[:] = f32(0)
        for y0 in range(top, bottom, height):
            end = load_chunk(guide, seen, size, y0, min(y0 + height, bottom), x0, x1, centre_y, centre_x, room,
                              pixels, xs, ys, valid)  # fmt: skip
            neighbours = list_window(
                pixels, xs, ys, end, room, i, j, radius, step_y, step_x, lr_guide, coefficients, near, par
            )
            _mean_weights(pixels, xs, ys, valid, end, room, neighbours, channels, par, weights, inverse, area)
            _add_mean_weights(end, room, neighbours, near, i, j, radius, weights, inverse, mean_weight)
        signal_loss = _signal_lift(signal, i, j, radius, mean_weight, signal_scale, lift)
        for y0 in range(top, bottom, height):
            if height < bottom - top:  # several chunks: the last one's weights are not this one's
                end = load_chunk(guide, seen, size, y0, min(y0 + height, bottom), x0, x1, centre_y, centre_x, room,
                                  pixels, xs, ys, valid)  # fmt: skip
                neighbours = list_window(pixels, xs, ys, end, room, i, j, radius, step_y, step_x, lr_guide,
                                         coefficients, near, par)  # fmt: skip
                _mean_weights(pixels, xs, ys, valid, end, room, neighbours, channels, par, weights, inverse, area)
            _signal_delta(end, room, neighbours, near, i, j, radius, weights, inverse, lift, area)
            _add_sums(pixels, xs, ys, end, room, neighbours, channels, near, par, weights, sums, row0, col0, width)

    if rgb_scale != 0:
        for y0 in range(top, bottom, height):
            end = load_chunk(guide, seen, size, y0, min(y0 + height, bottom), x0, x1, centre_y, centre_x, room,
                              pixels, xs, ys, valid)  # fmt: skip
            neighbours = list_window(
                pixels, xs, ys, end, room, i, j, radius, step_y, step_x, lr_guide, coefficients, near, par
            )
            rgb_loss += _rgb_cell(pixels, xs, ys, valid, end, room, neighbours, channels, par, weights, grad_out,
                                  rgb_scale)  # fmt: skip
            _add_sums(pixels, xs, ys, end, room, neighbours, channels, near, par, weights, sums, row0, col0, width)
    return rgb_loss, signal_loss


@njit(**BORROWS)
def _fit_tile(i, a, tile, guide, seen, sizes, lr_guide, signal, coefficients, row_starts, col_starts, step_y, step_x,
              shift, radius, room, rgb_scale, signal_scale, pixels, lines, weights, grad_out, near, par, mean_weight,
              lift, sums):  # fmt: skip
    """The cells of row i in tile a, of one lattice; returns their (rgb, signal) loss parts, unscaled."""
    size = (sizes[1], sizes[2], sizes[3])
    own = guide[sizes[0] :]
    own_seen = seen[sizes[0] // size[0] :] if len(seen) else seen
    sums[:] = f32(0)
    rgb_loss, signal_loss = 0.0, 0.0
    for j in range(a * tile, min((a + 1) * tile, coefficients.shape[1])):
        rgb, sig = _fit_cell(i, j, own, own_seen, size, lr_guide, signal, coefficients, row_starts, col_starts, step_y,
                             step_x, shift, radius, room, rgb_scale, signal_scale, pixels, lines, weights, grad_out,
                             near, par, mean_weight, lift, sums, i - radius, a * tile - radius,
                             tile + 2 * radius)  # fmt: skip
        rgb_loss += rgb
        signal_loss += sig
    return rgb_loss, signal_loss


@njit(**BORROWS)
def _update_row(i, radius, tile, tiles_across, sums, at, first, second, gradient, coefficients, job, pitch,
                step):  # fmt: skip
    """Gather row i's sums from every tile that reached it, chain rule to the coordinates, one step of Adam."""
    rows, cols = coefficients.shape[0], coefficients.shape[1]
    width = tile + 2 * radius
    for j in range(cols):
        su, sv, suv, sd = 0.0, 0.0, 0.0, 0.0
        for source in range(max(0, i - radius), min(rows, i + radius + 1)):
            for a in range(max(0, j - radius) // tile, min(cols - 1, j + radius) // tile + 1):
                t = source * tiles_across + a
                n = ((i - source + radius) * width + j - a * tile + radius) * 4
                su += sums[t, n]
                sv += sums[t, n + 1]
                suv += sums[t, n + 2]
                sd += sums[t, n + 3]
        set_gradient(at, i, j, job.in_logs, job.high, su, sv, suv, sd, gradient)
        if job.move:
            take_step(at, i, j, job, gradient, first, second, step)
            set_coefficients(at, i, j, job.in_logs, job.high, pitch, coefficients)


@njit(**FAST)
def fit_steps(
    control,
    last,
    gate,
    guide,
    seen,
    sizes,
    row_starts,
    col_starts,
    shifts,
    lr_guide,
    signal,
    step_y,
    step_x,
    radius,
    tile,
    job,
    pitch,
    at,
    first,
    second,
    gradient,
    coefficients,
    sums,
    tile_loss,
    losses,
):
    """Work on the fit until phase ``last``; any number of threads may be in here at once.

    Phase 2k: the cells of step k. Phase 2k + 1: its LR pixels. ``gate[0]``: the phase at which everybody waits
    for the leader.

    A step looks at one lattice of the guide's pixels (lattices.py), one step after another at one lattice after
    another. guide, flat, holds those of each; sizes [K, 5] = (first, G, H, W, pixels seen) says where, seen [all
    pixels] uint8 which take part (empty: all), row_starts [K, h + 1] and col_starts [K, w + 1] which belong to which
    cell, shifts [K, 2] (y, x) where the cells' centres are, all in units of a lattice's own pixels, as step_y and
    step_x are; ``pitch`` (y, x) is their distance in the image.

    job: forms.Job, lr_guide [h, w, G], signal [h, w, C], at … gradient [4, h, w], coefficients [h, w, COEFFICIENTS],
    sums [tiles, (2R+1)·(tile + 2R)·4], tile_loss [tiles, 2], losses [steps].
    """
    rows, cols, channels = coefficients.shape[0], coefficients.shape[1], lr_guide.shape[2]
    tiles_across = (cols + tile - 1) // tile
    tiles = rows * tiles_across
    window = (2 * radius + 1) ** 2
    room = room_for(row_starts[0], col_starts[0])  # not from 0: numba would compile all that follows twice
    for k in range(1, len(sizes)):
        room = max(room, room_for(row_starts[k], col_starts[k]))
    pixels = np.empty(channels * room, dtype=np.float32)
    lines = (np.empty(room, dtype=np.float32), np.empty(room, dtype=np.float32),
             np.empty(room, dtype=np.float32), np.empty(room, dtype=np.float32))  # fmt: skip
    weights = np.empty(window * room, dtype=np.float32)
    grad_out = np.empty(channels * LANES, dtype=np.float32)
    near = np.empty((window, 2), dtype=np.int64)
    par = np.empty(window * (FIRST + channels), dtype=np.float32)
    mean_weight, lift = np.empty(window, dtype=np.float32), np.empty(window, dtype=np.float32)
    while True:
        phase, task = claim(control, tiles, rows, last)
        if phase < 0:
            return
        step = phase // 2
        if phase % 2 == 0:
            k = step % len(sizes)
            values = np.float64(sizes[k, 1]) * sizes[k, 4]
            rgb_loss, signal_loss = _fit_tile(
                task // tiles_across, task % tiles_across, tile, guide, seen, sizes[k], lr_guide, signal, coefficients,
                row_starts[k], col_starts[k], step_y, step_x, shifts[k], radius, room, f32(job.rgb_weight / values),
                job.signal_scale, pixels, lines, weights, grad_out, near, par, mean_weight, lift, sums[task],
            )  # fmt: skip
            tile_loss[task, 0], tile_loss[task, 1] = rgb_loss, signal_loss
            if finish(control, tiles):
                loss = 0.0
                for t in range(tiles):
                    loss += tile_loss[t, 0] / values * job.rgb_weight + tile_loss[t, 1] * job.signal_scale
                losses[step] = loss
                open_phase(control, phase + 1, False)
        else:
            _update_row(task, radius, tile, tiles_across, sums, at, first, second, gradient, coefficients, job, pitch,
                        step)  # fmt: skip
            if finish(control, rows):
                open_phase(control, phase + 1, phase + 1 >= gate[0])
