"""The result of a fit: one Gaussian per LR pixel over one guide, frozen, ready to mix any signal."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gsjbu.core import blend as blends
from gsjbu.core import parameters
from gsjbu.core.backends import dispatch
from gsjbu.core.blend import Blend, Means
from gsjbu.core.grid import Grid
from gsjbu.errors import KernelFileError, ShapeError
from gsjbu.settings import SETTINGS

FORMAT = "gsjbu-kernel-1"


@dataclass(frozen=True)
class Window:
    """What one HR pixel is made of: one entry per LR pixel of its window, all float64 ``[n]`` but where said."""

    x: int
    y: int
    qx: np.ndarray  # int64 [n]  LR column
    qy: np.ndarray  # int64 [n]  LR row
    weights: np.ndarray  # sums to 1
    spatial: np.ndarray  # exp(−½((dx'/σx)² + (dy'/σy)²)), in 0…1
    range: np.ndarray  # exp(−‖I_p − I_q‖²/(2σr²)), in 0…1
    colours: np.ndarray  # [n, G] guide value of each LR pixel


@dataclass(frozen=True)
class Kernel:
    """Made by ``gsjbu.fit`` or ``gsjbu.load``; never changes.

    ``losses[k]`` is the objective before step k; an empty list means the fixed kernel. ``backend`` is ``fused``
    or ``attention`` and ``backend_reason`` says why the other one declined.
    """

    guide: Tensor  # [G, H, W] float32, on the CPU
    grid: Grid
    radius: int
    raw: Tensor  # [4, h, w] float32, on the CPU
    losses: Sequence[float] = field(default_factory=list)
    objective: str = "rgb"
    backend: str = "fused"
    backend_reason: str = ""
    device: str = "cpu"
    threads: int | None = None
    blend: Blend | None = (
        None  # further members of the mixture, and back-projection; None: these Gaussians alone
    )
    notes: tuple[str, ...] = ()  # sentences on what the objective ``auto`` found and did

    @property
    def is_pure(self) -> bool:
        """True if every output value is a convex combination of LR values."""
        return self.blend is None or self.blend.is_pure

    @property
    def fits(self) -> list[int]:
        """How many steps each fit took whose losses ``losses`` joins: one, or with ``auto`` up to two; or none."""
        second = 0 if self.blend is None else min(self.blend.second_steps, len(self.losses))
        return [steps for steps in (len(self.losses) - second, second) if steps]

    @cached_property
    def blend_means(self) -> Means:
        """Cell means of what this kernel with a blend makes of an LR signal."""
        with torch.inference_mode(False), torch.no_grad():  # kept, also for a render that wants gradients
            return Means(self)

    @cached_property
    def _parameters(self) -> parameters.Parameters:
        with torch.inference_mode(False):
            return parameters.from_raw(self.raw)

    @property
    def sigma_x(self) -> Tensor:
        """[h, w] float32, 1…64 HR pixels: spread along the Gaussian's first axis."""
        return self._parameters.sigma_x

    @property
    def sigma_y(self) -> Tensor:
        """[h, w] float32, 1…64 HR pixels: spread along its second axis."""
        return self._parameters.sigma_y

    @property
    def theta(self) -> Tensor:
        """[h, w] float32, −π…π radians: the first axis, from the image's x axis towards its y axis."""
        return self._parameters.theta

    @property
    def sigma_r(self) -> Tensor:
        """[h, w] float32, 0.01…1: tolerance in guide values."""
        return self._parameters.sigma_r

    @cached_property
    def lr_guide(self) -> Tensor:
        """[G, h, w]: the guide's cell means."""
        with torch.inference_mode(False):
            return self.grid.cell_means(self.guide)

    def render(self, signal: Tensor, out: np.ndarray | None = None, threads: int | None = None) -> Tensor:
        """Mix an LR signal: ``[C, h, w]`` or ``[B, C, h, w]`` → ``[C, H, W]`` or ``[B, C, H, W]``, float32.

        Every output value is a convex combination of LR values, unless ``is_pure`` is False. ``out``: an array to
        write into, of any float type, a memory-mapped .npy included; it is filled in bands of rows (with a blend,
        in blocks of channels), so it may be larger than memory.
        Gradients flow to ``signal`` where it asks for them. Raises ShapeError if the sizes do not fit.
        """
        signal = torch.as_tensor(signal)
        lead = tuple(signal.shape[:-3])
        if signal.ndim not in (3, 4) or tuple(signal.shape[-2:]) != (self.grid.rows, self.grid.cols):
            raise ShapeError(
                f"The signal is {list(signal.shape)}; it must be [C, {self.grid.rows}, {self.grid.cols}] "
                f"or [B, C, {self.grid.rows}, {self.grid.cols}]."
            )
        if not signal.is_floating_point():
            signal = signal.to(torch.float32)
        size = (self.grid.height, self.grid.width)
        flat = signal.reshape(-1, *signal.shape[-2:])
        if out is not None and tuple(out.shape) != (*signal.shape[:-2], *size):
            raise ShapeError(f"out is {list(out.shape)}; it must be {[*signal.shape[:-2], *size]}.")
        target = None if out is None else out.reshape(-1, *size)
        render = dispatch.render if self.blend is None else blends.render
        with torch.autocast(flat.device.type, enabled=False):  # weights and sums need float32
            mixed = render(self, flat, target, threads if threads is not None else self.threads)
        if out is not None and target is not None and not np.may_share_memory(out, target):
            out[...] = target.reshape(out.shape)  # its batch and channels could not be joined without a copy
        return mixed.reshape(*lead, signal.shape[-3], *size)

    def weights_at(self, x: int, y: int) -> Window:
        """The window of HR pixel ``(x, y)``: its LR pixels and their weights. Raises ShapeError outside the image.

        With a blend the weights are those of the whole mixture (some may be negative), before back-projection;
        ``spatial`` and ``range`` remain those of the fitted Gaussians.
        """
        g, blend = self.grid, self.blend
        cx, cy = g.cell_of(x, y)
        reach = max(self.radius, 2 if blend is not None and blend.plain_share else 0)
        qy, qx = np.mgrid[
            max(0, cy - reach) : min(g.rows, cy + reach + 1),
            max(0, cx - reach) : min(g.cols, cx + reach + 1),
        ]
        qx, qy = qx.ravel(), qy.ravel()
        near = (abs(qx - cx) <= self.radius) & (abs(qy - cy) <= self.radius)
        dx, dy = x + 0.5 - (qx + 0.5) * g.step_x, y + 0.5 - (qy + 0.5) * g.step_y
        colours = self.lr_guide[:, qy, qx].double().numpy().T
        distance = ((self.guide[:, y, x].double().numpy() - colours) ** 2).sum(axis=1)

        def gaussians(p: parameters.Parameters) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            """Weights, and the logarithms of their spatial and their range part."""
            sx, sy, theta, sr = (v[qy, qx].double().numpy() for v in p)
            along_x = np.cos(theta) * dx + np.sin(theta) * dy
            along_y = -np.sin(theta) * dx + np.cos(theta) * dy
            spatial = -0.5 * ((along_x / sx) ** 2 + (along_y / sy) ** 2)
            tolerance = -distance / (2 * sr**2)
            logits = np.where(near, spatial + tolerance, -np.inf)
            weights = np.exp(logits - logits.max())
            return weights / weights.sum(), spatial, tolerance

        weights, spatial, tolerance = gaussians(self._parameters)
        if blend is not None:
            weights = blend.first_share * weights
            if blend.second is not None:
                weights += blend.second_share * gaussians(parameters.from_raw(blend.second))[0]
            if blend.plain_share:
                rows, cols = blends.plain_weights(blend, g, x, y)
                weights += blend.plain_share * rows[qy] * cols[qx]
        return Window(x, y, qx, qy, weights, np.exp(spatial), np.exp(tolerance), colours)

    def save(self, path: str | Path) -> None:
        """Write to a safetensors file: guide, raw values, losses and how they came about. Raises OSError."""
        from safetensors.torch import save

        g = self.grid
        notes = {
            "format": FORMAT, "step": [g.step_y, g.step_x], "radius": self.radius, "objective": self.objective,
            "backend": self.backend, "backend_reason": self.backend_reason, "device": self.device,
            "blend": None if self.blend is None else self.blend.as_dict(), "notes": list(self.notes),
        }  # fmt: skip
        tensors = {
            "guide": self.guide.contiguous(),
            "raw": self.raw.contiguous(),
            "losses": torch.tensor(list(self.losses), dtype=torch.float64),
        }
        if self.blend is not None and self.blend.second is not None:
            tensors["second"] = self.blend.second.contiguous()
        # Not save_file: it hides a full disk in an error of its own, and lets nobody else read the file.
        Path(path).write_bytes(save(tensors, metadata={"gsjbu": json.dumps(notes)}))


def load(path: str | Path) -> Kernel:
    """Read a kernel that ``Kernel.save`` wrote. Raises KernelFileError if the file is not one."""
    from safetensors import SafetensorError, safe_open

    name = Path(path).name
    try:
        with safe_open(str(path), framework="pt") as file:
            notes = json.loads((file.metadata() or {}).get("gsjbu", "{}"))
            if not isinstance(notes, dict) or notes.get("format") != FORMAT:
                raise KernelFileError(f"{name} is not a saved kernel; it must be a file from Kernel.save.")
            return _from_file(file, notes)
    except KernelFileError:
        raise
    except FileNotFoundError as e:
        raise KernelFileError(f"There is no file {name}.") from e
    except OSError as e:
        raise KernelFileError(f"{name} cannot be opened; it must be a file from Kernel.save.") from e
    except (SafetensorError, ValueError, KeyError, TypeError) as e:
        raise KernelFileError(f"{name} cannot be read as a saved kernel: {str(e).rstrip('.')}.") from e


def _from_file(file: Any, notes: dict[str, Any]) -> Kernel:
    """Everything is checked: compiled code reads what the sizes and the grid say, without looking."""
    guide, raw, losses = (file.get_tensor(name) for name in ("guide", "raw", "losses"))
    if guide.ndim != 3 or 0 in guide.shape or raw.ndim != 3 or raw.shape[0] != 4 or losses.ndim != 1:
        raise ValueError(f"its guide is {list(guide.shape)}, its raw values {list(raw.shape)}")
    if not bool(torch.isfinite(guide).all()) or not bool(torch.isfinite(raw).all()):
        raise ValueError("it has NaN or infinite values")
    step_y, step_x = (float(step) for step in notes["step"])
    grid = Grid(guide.shape[1], guide.shape[2], raw.shape[1], raw.shape[2], step_y, step_x)
    if not grid.is_regular:
        raise ValueError(f"a step of {step_x} × {step_y} does not go with its sizes")
    for name, known in (("backend", ("fused", "attention")), ("device", ("cpu", "cuda", "mps"))):
        if notes[name] not in known:
            raise ValueError(f"{name} is {notes[name]!r}")
    radius = SETTINGS["radius"].parse(notes["radius"])
    blend = None
    if notes.get("blend") is not None:
        second = file.get_tensor("second").to(torch.float32) if "second" in file.keys() else None  # noqa: SIM118
        blend = blends.checked(Blend(second=second, **notes["blend"]), grid)
    return Kernel(
        guide=guide.to(torch.float32),
        grid=grid,
        radius=int(radius),
        raw=raw.to(torch.float32),
        losses=losses.tolist(),
        objective=str(notes["objective"]),
        backend=notes["backend"],
        backend_reason=str(notes["backend_reason"]),
        device=notes["device"],
        blend=blend,
        notes=tuple(str(note) for note in notes.get("notes", [])),
    )
