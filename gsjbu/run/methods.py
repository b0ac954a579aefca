"""The ways of upsampling that a run compares: what each is there for, and which was measured best for such a signal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gsjbu.core.kernel import Kernel
from gsjbu.run.measured import MEASURED
from gsjbu.run.mixing import is_plain
from gsjbu.run.once import Once

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
    kernel: Kernel | Once[Kernel] | None = None  # that mixes; None: an interpolation does

    @property
    def _made(self) -> Kernel | None:
        """The kernel, if it is there already."""
        if isinstance(self.kernel, Once):
            return self.kernel.value if self.kernel.is_made else None
        return self.kernel

    @property
    def steps(self) -> int | None:
        """That its fit took; None where there is no fit, or it is not made yet."""
        return None if self._made is None else len(self._made.losses)

    @property
    def follows(self) -> bool:
        """Whether it is what suits the signal itself, and did not fall back on an interpolation."""
        return self.role == "suited" and not (self._made is not None and is_plain(self._made))

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "group": self.group, "id": self.id, "role": self.role, "measured_best": self.measured_best,
            "family": self.family, "steps": self.steps,
        }  # fmt: skip


Kernels = Mapping[str, Kernel | Once[Kernel]]


def methods(
    group: str, ids: Sequence[str], objective: str, family: str | None, kernels: Kernels | None = None
) -> list[Method]:
    """Those of one group. ``objective``: the run's; ``family``: of what the group shows, None for the image itself;
    ``kernels``: of the ways that have one."""
    best = "gsjbu" if family is None else MEASURED[family].best
    roles = {**ROLES, "gsjbu": _ROLE_OF.get(objective, "chosen")}
    if objective == "auto" and family is not None:
        best = "gsjbu" if best == "auto" else best  # then that is what goes by this name
    return [Method(group, one, roles[one], one == best, family, (kernels or {}).get(one)) for one in ids]


_ROLE_OF: Mapping[str, str] = {"suited": "paper", "rgb": "paper", "auto": "suited"}
