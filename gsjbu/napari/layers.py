"""What two layers hold, frame by frame, and the layer that comes out: data, place and looks, without a window."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

import gsjbu
from gsjbu.errors import SignalError


@dataclass(frozen=True, eq=False)
class Pair:
    """An image layer and a signal layer: Labels, or an Image of one channel, of several, or of colours.

    Axes before the image's rows and columns are a stack, and the signal has them too; one more, just before its own
    rows and columns, is its channels. Raises SignalError for anything else.
    """

    image: Any
    signal: Any

    def __post_init__(self) -> None:
        if self.channels not in ((0,) if self.is_labels else (0, 1)):
            text = (
                f"The image is {list(_pixels(self.image).shape)} and the signal {list(_pixels(self.signal).shape)}: "
                "the signal must have the image's stack, rows and columns, and may have channels before its rows."
            )
            raise SignalError("signal_shape", text)

    @property
    def stack(self) -> tuple[int, ...]:
        """Frames along each axis before the image's rows; () for one image."""
        shape = _pixels(self.image).shape
        return tuple(shape[: -3 if self.image.rgb else -2])

    @property
    def channels(self) -> int | None:
        """Axes of channels in the signal, 0 or 1; None: it has not the image's stack."""
        lead = _planes(self.signal).shape[:-2]
        return len(lead) - len(self.stack) if lead[: len(self.stack)] == self.stack else None

    @property
    def is_labels(self) -> bool:
        return _is_labels(self.signal)

    def frames(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Image [H, W] or [H, W, C] and signal [h, w] or [C, h, w] of each frame."""
        for at in np.ndindex(self.stack):
            yield np.asarray(_pixels(self.image)[at]), np.asarray(_planes(self.signal)[at])

    def note(self) -> str | None:
        """A sentence where somebody has placed the signal in the viewer, and not over the whole image."""
        if (self.signal.scale == 1).all() and (self.signal.translate == 0).all():
            return None
        off = np.abs(_edges(self.image) - _edges(self.signal)).max(axis=0)
        if (off <= self.signal.extent.step[-2:]).all():
            return None
        return f"{self.signal.name} lies elsewhere than {self.image.name}; it is taken to cover all of it."

    def layer(self, made: list[np.ndarray]) -> Any:
        """The new layer of one result a frame: where the image is, and looking like the signal."""
        from napari.layers import Layer

        data = np.stack(made).reshape(*self.stack, *made[0].shape) if self.stack else made[0]
        rgb = not self.is_labels and self.signal.rgb
        about = {"name": f"{self.signal.name} upsampled", **_place(self.image, data.ndim - rgb, len(self.stack))}
        if not rgb:
            about["colormap"] = self.signal.colormap
        if rgb:
            data, about["rgb"] = np.moveaxis(data, -3, -1), True
        return Layer.create(data, about, "labels" if self.is_labels else "image")


def upsampled(image: np.ndarray, signal: np.ndarray, kind: str, **options: Any) -> np.ndarray:
    """One frame: refined where the signal is as large as the image, upsampled where it is smaller."""
    if signal.shape[-2:] == image.shape[:2]:
        known = {name: options[name] for name in ("iters", "radius", "device") if name in options}
        return np.asarray(gsjbu.refine(image, signal, kind=kind, layout="chw", **known))
    return gsjbu.upsample(image, signal, kind=kind, layout="chw", **options).numpy()


def _pixels(layer: Any) -> Any:
    """The array; of several scales, the finest."""
    return layer.data[0] if layer.multiscale else layer.data


def _planes(layer: Any) -> Any:
    """[..., h, w], colours as channels."""
    data = _pixels(layer)
    return data if _is_labels(layer) or not layer.rgb else np.moveaxis(np.asarray(data), -1, -3)


def _is_labels(layer: Any) -> bool:
    from napari.layers import Labels

    return isinstance(layer, Labels)


def _edges(layer: Any) -> np.ndarray:
    """First and last outer edge of rows and columns in the viewer's world, [2, 2]; its extents are pixels' centres."""
    half = layer.extent.step[-2:] / 2
    return np.asarray(layer.extent.world[:, -2:] + np.stack([-half, half]))


def _place(image: Any, ndim: int, at: int) -> dict[str, Any]:
    """The image's transforms; an axis of channels, at ``at``, has none of its own."""
    from napari.utils.transforms import Affine

    # napari has one of no shear that it does not take back.
    shear = image.shear if image.shear.any() else None
    own = Affine(scale=image.scale, translate=image.translate, rotate=image.rotate, shear=shear)
    outer, units = image.affine, {"units": image.units}
    if ndim > image.ndim:
        own, outer, units = own.expand_dims([at]), outer.expand_dims([at]), {}
    sheared = {"shear": own.shear} if own.shear.any() else {}
    return {"scale": own.scale, "translate": own.translate, "rotate": own.rotate, "affine": outer, **sheared, **units}
