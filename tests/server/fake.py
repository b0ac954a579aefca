"""A stand-in for the pipeline's ``run``: same shapes, no fit; its speed and faults are chosen by the test."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from gsjbu.core.grid import Grid
from gsjbu.run.methods import Method
from gsjbu.run.panels import Panel
from gsjbu.run.result import Result
from gsjbu.settings import Settings

STAGES = ("grid", "tto", "render", "features", "panels")


@dataclass
class FakeKernel:
    """Flat Gaussians."""

    grid: Grid
    sigma_x: Tensor
    sigma_y: Tensor
    theta: Tensor
    sigma_r: Tensor
    losses: list[float]
    fits: list[int] = field(default_factory=list)
    lr_image: str = "bilinear"
    device: str = "cpu"
    backend: str = "fake"
    backend_reason: str = "a test"

    blend: None = None
    blur: None = None
    refinement: None = None

    def centres(self) -> tuple[np.ndarray, np.ndarray]:
        return (np.arange(self.grid.cols) + 0.5) * self.grid.step_x, (
            np.arange(self.grid.rows) + 0.5
        ) * self.grid.step_y

    def to_bytes(self) -> bytes:
        from safetensors.torch import save

        return save({"sigma_x": self.sigma_x})


class FakeResult(Result):
    """A result whose read-outs take no kernel."""

    def pixel(self, x: int, y: int) -> dict[str, list[float]]:
        return {p.name: p.values[:, y, x].tolist() for p in self.panels}

    def vectors(self, x: int, y: int) -> tuple[Tensor, Tensor]:
        return torch.ones(1), torch.ones(1)

    def similarity_to(self, vectors: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        one = torch.ones(self.image["height"], self.image["width"])
        return one, one

    def window(self, x: int, y: int, group: str = "rgb", way: str = "gsjbu") -> list[dict[str, Any]]:
        qx, qy = self.kernel.grid.cell_of(x, y)
        return [{"qx": qx, "qy": qy, "weight": 1.0}]


@dataclass
class FakeRun:
    """Callable like ``pipeline.run``. ``seconds`` are spread over the steps; ``fault`` may raise at a stage."""

    seconds: float = 0.0
    fault: Callable[[str], None] = lambda stage: None
    ballast_bytes: int = 0
    started: int = 0
    threads: list[int | None] = field(default_factory=list)

    def __call__(
        self,
        image: Tensor,
        settings: Settings,
        *,
        signal: Any = None,
        truth: Any = None,
        sample: Any = None,
        notes: Sequence[str] = (),
        cache: dict[Any, Any] | None = None,
        progress: Callable[[Any], None] = lambda p: None,
        threads: int | None = None,
    ) -> FakeResult:
        self.started += 1
        self.threads.append(threads)
        ballast = torch.ones(self.ballast_bytes // 4)
        steps = max(1, settings.iters)
        for number, stage in enumerate(STAGES):
            self.fault(stage)
            count = steps if stage == "tto" else 1
            for step in range(1, count + 1):
                share = (number + step / count) / len(STAGES)
                loss = 0.1 / step if stage == "tto" else None
                progress(SimpleNamespace(stage=stage, step=step, steps=count, loss=loss, share=share))
                if stage == "tto":
                    time.sleep(self.seconds / count)
        height, width = image.shape[-2:]
        grid = Grid.from_stride(height, width, settings.stride)
        lr = grid.cell_means(image)
        hr = interpolate(lr[None], (height, width), mode="bilinear")[0]
        ones = torch.full((grid.rows, grid.cols), 8.0) + 0 * ballast.sum()
        panels = [_panel("original", image), _panel("bilinear_rgb", hr), _panel("gsjbu_rgb", hr)]
        kernel: Any = FakeKernel(
            grid, ones, ones.clone(), torch.zeros_like(ones), ones / 80, [0.1 / s for s in range(1, steps + 1)]
        )
        return FakeResult(
            settings=settings, kernel=kernel, panels=panels, metrics={"rgb": {"bilinear": {"psnr": 20.0}}},
            status={"features": "fake"}, timings_ms={"tto": 1.0}, features_kernel=kernel, signal_kernel=kernel,
            features_lr=lr, methods=[Method("rgb", "gsjbu", "paper", True, kernel=kernel)],
        )  # fmt: skip


def fake_estimate(
    height: int, width: int, settings: Settings, channels: int = 3, lr_size: tuple[int, int] | None = None
) -> SimpleNamespace:
    """The stand-in takes no time and little memory."""
    advice = [SimpleNamespace(setting="iters", value=10, seconds=0.1, sentence="Fewer steps.")]
    return SimpleNamespace(seconds=0.2, bytes=height * width * 12, stages={"tto": 0.1}, advice=advice)


def _panel(name: str, values: Tensor) -> Panel:
    picture = (values * 255).clamp(0, 255).to(torch.uint8).permute(1, 2, 0).contiguous().numpy()
    return Panel(name, "rgb", name, "A panel of a test.", picture, values)


def main(argv: list[str]) -> None:
    """A server over the stand-in: to try the page against, and for tests that need a process."""
    from dataclasses import replace

    from gsjbu.server.cli import config_of
    from gsjbu.server.listening import bound
    from gsjbu.server.serve import serve

    run = FakeRun(seconds=float(os.environ.get("FAKE_SECONDS", "0.2")))
    config = replace(config_of(argv, os.environ), run=run, estimate=fake_estimate, warm_up=False)
    serve(config, bound(config.host, config.port))


if __name__ == "__main__":
    main(sys.argv[1:])
