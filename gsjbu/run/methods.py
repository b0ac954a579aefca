"""The ways of upsampling that a run compares: what each is there for, and which was measured best for such a signal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gsjbu.run.measured import MEASURED

#: plain: looks at no image. paper: one kernel, fitted to give back the image's colours. suited: fitted to the signal
#: itself (the objective auto). unfitted: the paper's kernel before any step. chosen: the objective asked for by hand.
ROLES = {
    "bilinear": "plain", "bicubic": "plain", "fixed": "unfitted", "auto": "suited", "tto_rgb": "paper",
    "tto_signal": "chosen",
}  # fmt: skip


@dataclass(frozen=True)
class Method:
    """One way, in one group of panels; ``id`` is the name that its panels end in, and its key in the metrics."""

    group: str
    id: str
    role: str
    measured_best: bool
    family: str | None = None  # of what the group shows, see measured.py; None: the image itself


def methods(group: str, ids: Iterable[str], objective: str, family: str | None) -> list[Method]:
    """Those of one group. ``objective``: the run's; ``family``: of what the group shows, None for the image itself."""
    best = "gsjbu" if family is None else MEASURED[family].best
    roles = {**ROLES, "gsjbu": _ROLE_OF.get(objective, "chosen")}
    if objective == "auto" and family is not None:
        best = "gsjbu" if best == "auto" else best  # then that is what goes by this name
    return [Method(group, one, roles[one], one == best, family) for one in ids]


_ROLE_OF: Mapping[str, str] = {"suited": "paper", "rgb": "paper", "auto": "suited"}
