"""Angles as numbers: from one end of a turn values jump to the other, though both are one direction."""

from __future__ import annotations

import math

import numpy as np

#: Turns, of directions (360°) and of lines (180°), which begin at 0 or lie around it.
TURNS = (360.0, 180.0, 2 * math.pi, math.pi)
#: Values reach both ends but for so much of a turn, and each eighth of it has so many of them.
RIM, LEAST_OF_EIGHTH = 0.05, 0.01
#: Neighbours that are so far apart jump between the ends; those half as far, of which an edge of the scene has many,
#: may be so few beside them. Jumps are so many pairs of all at least.
JUMP, BETWEEN, MOST_BETWEEN, LEAST_JUMPS = 0.75, 0.25, 0.1, 0.005
#: A seam is a line: of jumps that go on as angles do, against the rise on both sides, so many a row (or column) do, and
#: there may be more steps between, as around a summit. So much of all jumps goes on.
LEAST_OF_SIDE, MOST_AROUND, LEAST_ON = 0.25, 1.5, 0.5


def doubt(plane: np.ndarray, known: np.ndarray) -> str:
    """What to bring instead of angles [h, w]; empty where it is not sure that they are such."""
    values = plane[known].astype(np.float64)
    low, high = float(values.min()), float(values.max())
    for turn in TURNS:
        for start in (0.0, -turn / 2):
            if -RIM < (start - low) / turn <= 0 and -RIM < (high - start) / turn - 1 <= 1e-6:
                return _sentence(start, turn) if _turns(plane, known, (values - start) / turn, turn) else ""
    return ""


def _turns(plane: np.ndarray, known: np.ndarray, parts: np.ndarray, turn: float) -> bool:
    """Whether neighbours jump from end to end; ``parts`` of a turn of all values."""
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
