"""What follows mixing, as numbers: a kernel carries it, a file says it. stage.py does it, and loads the compiler."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

# A signal is taken for shares of a whole if its values lie in 0…1, and together are at most 1, to within:
SLACK = 1e-2
# No network is surer than this of a pixel: a 0 has no log odds.
SUREST = 1e-6


@dataclass(frozen=True)
class Refinement:
    """Which steps there are, and how strong. What is 0, empty or False is left out."""

    graph: float = 0.0  # 0…1: share of the graph's answer
    steps: int = 30  # towards it
    counts: bool = False  # class counts are matched
    strengths: tuple[float, ...] = ()  # of each round of smoothing along lines
    turns: int = 3  # of rows and columns in each round
    lines: float = 1.0  # 0…1: share of what is smoothed
    tolerance: float = 0.04  # of smoothing, in guide values
    logs: bool = False  # logarithms are smoothed: probabilities are multiplied, not added up
    odds: bool = False  # the log odds of a mask's probabilities are mixed and smoothed (``log_odds``)

    @property
    def is_pure(self) -> bool:
        """True if each value of the result is a convex combination of the mixture's."""
        return not self.graph and not self.in_unit

    @property
    def is_joint(self) -> bool:
        """True if the channels are weighed up against each other."""
        return self.counts or self.logs

    @property
    def in_unit(self) -> bool:
        """True if it is made for shares of a whole, and holds its result in 0…1 by itself."""
        return self.counts or self.logs or self.odds

    @property
    def sentence(self) -> str:
        """What it does, for people."""
        steps = []
        if self.graph:
            steps.append("edges of the whole image are followed (a graph that keeps the cell means)")
        if self.strengths:
            steps.append("smoothed along the image's edges, line by line")
        if self.counts:
            steps.append("every cell's pixels are shared out among its classes as its shares say")
        return f"After mixing: {'; '.join(steps)}."

    def suits(self, signal: Tensor) -> bool:
        """True if ``signal`` [C, h, w] is of a kind that the steps are made for."""
        if not self.in_unit:
            return True
        if self.odds and len(signal) > 1:
            return False
        inside = (signal >= -SLACK).all() and (signal <= 1 + SLACK).all()
        return bool(inside and (signal.sum(dim=0) <= 1 + SLACK).all())

    def as_dict(self) -> dict[str, Any]:
        """What a file says of it."""
        return {**asdict(self), "strengths": list(self.strengths)}


def log_odds(probabilities: Tensor) -> Tensor:
    """Float32, whose sigmoid they are: log p − log (1 − p), of p no nearer to 0 and 1 than SUREST."""
    return probabilities.to(torch.float32).clamp(SUREST, 1 - SUREST).logit()


def checked(said: dict[str, Any]) -> Refinement:
    """The refinement that a file's ``as_dict`` says; ValueError or TypeError if its numbers make no sense."""
    made = Refinement(**{**said, "strengths": tuple(float(s) for s in said["strengths"])})
    if not isinstance(made.counts, bool) or not all(0 <= s <= 1 for s in (made.graph, made.lines)):
        raise ValueError(f"its refinement has shares {made.graph} and {made.lines}, counts {made.counts!r}")
    if not isinstance(made.steps, int) or not 0 <= made.steps <= 10_000:
        raise ValueError(f"its refinement takes {made.steps!r} steps")
    if not isinstance(made.logs, bool) or not isinstance(made.odds, bool):
        raise ValueError(f"its refinement says logs {made.logs!r} and odds {made.odds!r}")
    if len(made.strengths) > 100 or not all(0 <= s <= 1e6 for s in made.strengths):
        raise ValueError(f"its refinement smooths by {made.strengths}")
    if not isinstance(made.turns, int) or not 1 <= made.turns <= 100:
        raise ValueError(f"its refinement takes {made.turns!r} turns")
    if not 1e-6 <= made.tolerance <= 1e6:
        raise ValueError(f"its refinement's tolerance is {made.tolerance}")
    return made
