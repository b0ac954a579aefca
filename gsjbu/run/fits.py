"""The kernels of a run, each fitted once, and the upsamplers that are compared for a signal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from torch import Tensor

from gsjbu.core import gaps, interpolation
from gsjbu.core.fit import fit_kernel, most_steps
from gsjbu.core.grid import Grid
from gsjbu.core.interpolation import Upsampler
from gsjbu.core.kernel import Kernel
from gsjbu.io import restoring
from gsjbu.run.once import Once
from gsjbu.run.panels import WAYS
from gsjbu.run.stages import Stages
from gsjbu.settings import Settings

if TYPE_CHECKING:
    from gsjbu.io.signals import Signal

T = TypeVar("T")


@dataclass
class Fits:
    """The kernels of a run, each made once: the chosen objective's, the fixed one, and others to compare with."""

    guide: Tensor
    grid: Grid
    settings: Settings
    lr_image: str  # bilinear or area, of every kernel of the run
    threads: int | None
    stages: Stages
    signal: Signal | None = None  # the one that was brought: what it is and where its gaps are is known
    # With the signal each was fitted to, which keeps the id in its key from becoming another's.
    made: dict[Any, tuple[Kernel, Tensor | None]] = field(default_factory=dict)

    def main(self, lr: Tensor) -> Kernel:
        """The kernel of the chosen objective; on RGB, and where each is to have what suits it, one for all signals."""
        objective = self.settings.objective
        return self.on("rgb" if objective == "suited" else objective, lr)

    def fixed(self) -> Kernel:
        """The kernel without a fit: the same Gaussian everywhere."""
        return self.on("rgb", None, iters=0)

    def suited(self, lr: Tensor) -> Kernel | None:
        """What suits the signal ``lr`` besides; None where the objective was chosen by hand, and holds for all."""
        return self.on("auto", lr) if self.settings.objective == "suited" else None

    def best(self, lr: Tensor) -> Kernel:
        """What a person takes home: the kernel that suits ``lr``, or that of the objective they chose."""
        return self.suited(lr) or self.main(lr)

    @property
    def unfitted(self) -> dict[str, tuple[Any, ...]]:
        """The pictures that take no fit, by way, and what each depends on."""
        s, lr = self.settings, (self.grid, self.lr_image)
        depends = {"original": (), "bilinear": lr, "bicubic": lr, "fixed": (*lr, s.radius, s.device, s.optimiser)}
        return {way: (s.resolution, *key) for way, key in depends.items()}

    def of_image(self, way: str, what: str, make: Callable[[], T]) -> T:
        """``what`` is made of the image's own LR by a ``way``; kept for the next run where that takes no fit."""
        key = self.unfitted.get(way)
        return make() if key is None else self.stages.cached(f"{way} {what}", key, make)

    def pictures(self, lr_image: Tensor, ways: Mapping[str, Upsampler]) -> dict[str, Tensor]:
        """The image [3, H, W] from its own LR in all ``ways``, and by the fixed kernel, whose figures are told."""
        every = {**ways, "fixed": ways.get("fixed", lambda x: self.fixed().render(x))}
        return {way: self.of_image(way, "picture", partial(every[way], lr_image)) for way in every}

    def on(self, objective: str, lr: Tensor | None, iters: int | None = None) -> Kernel:
        """The kernel fitted by ``objective``, for ``lr`` where it depends on the signal."""
        s = self.settings
        iters = s.iters if iters is None else iters
        about = None if objective == "rgb" else lr
        name = (objective, iters, id(about))
        if name not in self.made:
            if about is None:
                chosen = (s.resolution, s.radius, s.device, s.optimiser)
                key = (*chosen, self.grid, self.lr_image, iters, self.threads)
                what = "kernel, fixed" if iters == 0 else "kernel"
                kernel = self.stages.cached(what, key, lambda: self._fit(objective, iters, None))
            else:
                kernel = self._fit(objective, iters, about)
            self.made[name] = kernel, about
        return self.made[name][0]

    def _fit(self, objective: str, iters: int, about: Tensor | None) -> Kernel:
        return fit_kernel(
            self.guide, self.grid, iters=iters, objective=objective, signal=about, **self._known_of(about),
            progress=lambda step, loss: self.stages.report(step + 1, most_steps(objective, iters), loss),
            **self._options(objective),
        )  # fmt: skip

    def _options(self, objective: str) -> dict[str, Any]:
        s = self.settings
        # What suits a signal has the LR image that goes with one, whatever the paper's demonstration takes.
        how = s.lr_image if objective == "auto" else self.lr_image
        return {
            "radius": s.radius, "device": s.device, "threads": self.threads, "optimiser": s.optimiser, "lr_image": how,
        }  # fmt: skip

    def suited_later(self, features: Tensor) -> Once[Kernel] | None:
        """What suits ``features`` [C, h, w] besides, fitted when it is first asked for; it holds nothing of the run."""
        if self.settings.objective != "suited":
            return None
        fit = partial(
            fit_kernel, self.guide, self.grid, iters=self.settings.iters, objective="auto", signal=features,
            kind="features", **self._options("auto"),
        )  # fmt: skip
        return Once(fit)

    def _known_of(self, about: Tensor | None) -> dict[str, Any]:
        """What is known of the signal that was brought."""
        signal = self.signal
        return {"kind": signal.kind, "mask": signal.mask} if signal is not None and about is signal.values else {}

    def joint(self, lr: Tensor) -> set[str]:
        """Of the ways for ``lr``, those whose kernel needs all channels at once."""
        kernels = {"gsjbu": self.main(lr), "auto": self.suited(lr)}
        return {name for name, kernel in kernels.items() if kernel is not None and kernel.is_joint}

    def reach(self, lr: Tensor) -> int:
        """How many LR pixels from its own a pixel takes from in any way for ``lr``."""
        return max(kernel.reach for kernel in (self.main(lr), self.best(lr)))

    def upsamplers(self, lr: Tensor, mask: Tensor | None = None, of_image: bool = False) -> dict[str, Upsampler]:
        """What is compared, by name, for the signal ``lr`` (a fit on the signal needs to know it).

        ``of_image``: it is the image's own LR, which the paper's kernel suits.

        Where ``mask`` [h, w] is False there is no value: no part is taken, but in bicubic interpolation, whose weights
        are of both signs.
        """

        def plain(x: Tensor) -> Tensor:
            return interpolation.bilinear(x, self.grid)

        def by(kernel: Callable[[], Kernel]) -> Upsampler:
            return lambda x: kernel().render(x, mask=mask, clip=True)

        found: dict[str, Upsampler] = {"bilinear": plain if mask is None else gaps.leaving_out(plain, mask)}
        found |= {name: by(kernel) for name, kernel in self.kernels(lr, of_image).items()}
        if self.settings.methods == "all":
            found["bicubic"] = lambda x: interpolation.bicubic(x, self.grid)
        return {way: found[way] for way in WAYS if way in found}

    def kernels(self, lr: Tensor, of_image: bool = False) -> dict[str, Callable[[], Kernel]]:
        """Of the :meth:`upsamplers` for ``lr`` those that have Gaussians, each fitted when it is first wanted."""
        found: dict[str, Callable[[], Kernel]] = {"gsjbu": lambda: self.main(lr)}
        if self.settings.objective == "suited" and not of_image:
            found["auto"] = lambda: self.on("auto", lr)
        if self.settings.methods == "all":
            found["fixed"] = self.fixed
            found["tto_rgb"] = lambda: self.on("rgb", lr)
            if self.settings.objective != "signal":  # which is what goes by gsjbu then
                found["tto_signal"] = lambda: self.on("signal", lr)
        return found

    def fitted(self, lr: Tensor, of_image: bool = False) -> dict[str, Kernel]:
        """The same, all of them fitted."""
        return {name: kernel() for name, kernel in self.kernels(lr, of_image).items()}

    def signal_upsamplers(self) -> dict[str, Upsampler]:
        """The same for the signal that was brought: gaps stay gaps where one number can be none."""
        signal = self.signal
        assert signal is not None
        found = self.upsamplers(signal.values, signal.mask)
        if bool(signal.mask.all()) or (signal.shape[0] == 1 and not signal.asked.fill):
            return found

        def filling(upsampler: Upsampler) -> Upsampler:
            return lambda x: restoring.filled(upsampler(x), x, self.grid)

        return {name: filling(upsampler) for name, upsampler in found.items()}
