"""Which way of upsampling measured best for which family of signals: rows of benchmarks/QUALITY.md, and why."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Measured:
    """One row: a figure of each of the three ways, the best of them, and a sentence on why."""

    family: str
    row: str  # as in benchmarks/QUALITY.md
    figure: str  # what was measured, and which way is better
    bilinear: float
    gsjbu: float  # the objective rgb: one kernel for everything
    auto: float
    why: str
    best: str = "auto"

    def as_dict(self) -> dict[str, Any]:
        """For JSON, with the whole of it as a sentence."""
        return {**asdict(self), "sentence": self.sentence}

    @property
    def sentence(self) -> str:
        """Which was measured best for such a signal, and why."""
        return (
            f"Best for such a signal in our benchmark: {self.best} ({self.row}, {self.figure}: bilinear "
            f"{self.bilinear:g}, the paper's kernel {self.gsjbu:g}, auto {self.auto:g}). {self.why}"
        )


_MIOU = "mIoU in %, higher is better"

_ROWS = (
    Measured(
        "depth", "depth ×16", "RMSE on a scale of 255, lower is better", 13.49, 16.26, 8.65,
        "A kernel that gives back the image's colours prints its texture into the depth.",
    ),
    Measured(
        "soft_labels", "COCO-Stuff ×16", _MIOU, 75.0, 56.0, 88.49,
        "Shares say how many pixels of a cell each class has, and auto gives just so many to it.",
    ),
    Measured(
        "probabilities", "Cityscapes output ×8", _MIOU, 52.84, 52.03, 60.82,
        "A fit to the probabilities themselves finds which of the image's edges count.",
    ),
    Measured(
        "labels", "COCO-Stuff map ×16", _MIOU, 69.21, 55.21, 74.92,
        "One class a cell says nothing of what lies in between, so edges are followed half way only.",
    ),
    Measured(
        "features", "linear probe", _MIOU, 34.32, 31.26, 35.29,
        "Features change where things do, which is not wherever the colour does.",
    ),
)  # fmt: skip

#: By family of signals; ``python -m benchmarks.quality`` measures the rows.
MEASURED = {row.family: row for row in _ROWS}

_FAMILY_OF = {"logits": "probabilities", "heat_map": "depth"}


def family_of(kind: str) -> str:
    """The family of ``MEASURED`` that a kind of signal belongs to."""
    return _FAMILY_OF.get(kind, kind)
