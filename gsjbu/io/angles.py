"""Angles, which jump from one end of a turn to the other, although both are one direction."""

from __future__ import annotations

import math

import numpy as np

#: Whole turns of directions (360°) and of undirected lines (180°); they begin at 0 or are centred at it.
TURNS = (360.0, 180.0, 2 * math.pi, math.pi)
#: Values reach both ends of a turn to within RIM of it, and each eighth of it has at least this share of them.
RIM, LEAST_OF_EIGHTH = 0.05, 0.01
#: Neighbours that differ by more than JUMP turns jump between the ends. Those that differ by BETWEEN to JUMP are edges
#: of the scene: MOST_BETWEEN times as many as jumps at most. Jumps are at least LEAST_JUMPS of all pairs.
JUMP, BETWEEN, MOST_BETWEEN, LEAST_JUMPS = 0.75, 0.25, 0.1, 0.005
#: A seam is a line of jumps against the slope on both of their sides, as where angles wrap around. It has at least
#: LEAST_OF_SIDE jumps per row (or column), LEAST_ON of all jumps are such, and there may be MOST_AROUND times as many
#: differences between, as around a summit.
LEAST_OF_SIDE, MOST_AROUND, LEAST_ON = 0.25, 1.5, 0.5


def doubt(plane: np.ndarray, known: np.ndarray) -> str:
    """A sentence on what to bring instead of angles [h, w]; empty where these do not look like angles."""
    values = plane[known].astype(np.float64)
    low, high = float(values.min()), float(values.max())
    for turn in TURNS:
        for start in (0.0, -turn / 2):
            if -RIM < (start - low) / turn <= 0 and -RIM < (high - start) / turn - 1 <= 1e-6:
                return _sentence(start, turn) if _turns(plane, known, (values - start) / turn, turn) else ""
    return ""


def _turns(plane: np.ndarray, known: np.ndarray, parts: np.ndarray, turn: float) -> bool:
    """Whether neighbours jump from end to end of a turn. ``parts``: all values as fractions of it."""
    if np.bincount((8 * parts).astype(int).clip(0, 7), minlength=8).min() < LEAST_OF_EIGHTH * parts.size:
        return False
    whole = np.where(known, plane, np.nan).astype(np.float64) / turn
    pairs = jumps = between = on = 0
    for rises in (np.diff(whole, axis=0), np.diff(whole, axis=1).T):
        steps = np.abs(rises)
        pairs += int(np.isfinite(steps).sum())
        jumps += int((steps > JUMP).sum())
        between += int(((steps > BETWEEN) & (steps <= JUMP)).sum())
        before, jump, after = rises[:-2], rises[1:-1], rises[2:]
        on += int(((np.abs(jump) > JUMP) & (jump * before < 0) & (jump * after < 0)).sum())
    sharp = jumps >= LEAST_JUMPS * pairs and between <= MOST_BETWEEN * jumps
    seam = jumps >= LEAST_OF_SIDE * min(plane.shape) and between <= MOST_AROUND * jumps
    return sharp or (seam and on >= LEAST_ON * jumps)


def _sentence(start: float, turn: float) -> str:
    double = "" if turn in (360.0, 2 * math.pi) else " of twice the angle"
    return (
        f"The signal's values jump between {start:.4g} and {start + turn:.4g} as angles do, and numbers on both sides "
        f"are mixed to those between: bring cosine and sine{double} as two channels, and take the angle (atan2) of the "
        "result."
    )
