"""The dock widget: two layers, the settings that matter to a fit, and a worker that can be cancelled."""

from __future__ import annotations

import threading
from collections.abc import Generator
from functools import partial
from typing import Any

import numpy as np
from magicgui.widgets import CheckBox, ComboBox, Container, PushButton, SpinBox, Widget
from napari.layers import Image, Labels
from napari.qt.threading import create_worker
from napari.utils.notifications import show_info

from gsjbu.errors import Cancelled
from gsjbu.io.kinds import AUTO, KINDS
from gsjbu.napari.layers import Pair, upsampled
from gsjbu.settings import SETTINGS, Setting, unavailable_reason

NAMES = ("iters", "radius", "objective", "device")  # of settings.py


class Upsample(Container):  # type: ignore[misc]  # magicgui may not be there when types are checked
    """Shown by napari under Plugins; ``viewer`` is handed in by it."""

    def __init__(self, viewer: napari.viewer.Viewer) -> None:  # type: ignore[name-defined]  # noqa: F821
        self._viewer, self._stop = viewer, threading.Event()
        self._worker: Any = None
        self.image = ComboBox(label="Image", choices=partial(self._layers, (Image,)))
        self.signal = ComboBox(label="Signal", choices=partial(self._layers, (Image, Labels)))
        kinds = [(name.replace("_", " "), name) for name in (AUTO, *KINDS)]
        self.kind = ComboBox(label="Kind", choices=kinds, tooltip="What the signal is; auto looks at its numbers.")
        self.settings = {name: control(SETTINGS[name]) for name in NAMES}
        self.run, self.cancel = PushButton(text="Upsample"), PushButton(text="Cancel", enabled=False)
        buttons = Container(widgets=[self.run, self.cancel], layout="horizontal", labels=False)
        super().__init__(widgets=[self.image, self.signal, self.kind, *self.settings.values(), buttons])
        self.run.clicked.connect(self._start)
        self.cancel.clicked.connect(self._cancel)
        for event in ("inserted", "removed", "reordered"):
            getattr(viewer.layers.events, event).connect(lambda _: self.reset_choices())

    def _layers(self, types: tuple[type, ...], _: Any) -> list[Any]:
        return [layer for layer in self._viewer.layers if isinstance(layer, types)]

    def _start(self) -> None:
        if self.image.value is None or self.signal.value is None:
            show_info("An image layer and a signal layer are needed.")
            return
        pair = Pair(self.image.value, self.signal.value)
        if note := pair.note():
            show_info(note)
        options = {name: widget.value for name, widget in self.settings.items()}
        kind = "labels" if pair.is_labels else self.kind.value
        self._stop.clear()
        total = int(np.prod(pair.stack, dtype=int))
        self._worker = create_worker(
            work, pair, kind, options, self._stop, _start_thread=False,
            _progress={"total": total, "desc": "Upsampling"},
        )  # fmt: skip
        self._worker.returned.connect(partial(self._add, pair))
        self._worker.finished.connect(partial(self._running, False))
        self._running(True)
        self._worker.start()

    def _cancel(self) -> None:
        self._stop.set()
        if self._worker is not None:
            self._worker.quit()

    def _running(self, whether: bool) -> None:
        self.run.enabled, self.cancel.enabled = not whether, whether

    def _add(self, pair: Pair, made: list[np.ndarray] | None) -> None:
        if made is not None:
            self._viewer.add_layer(pair.layer(made))


def work(
    pair: Pair, kind: str, options: dict[str, Any], stop: threading.Event
) -> Generator[int, None, list[np.ndarray] | None]:
    """Yields after each frame; returns the results, or None once ``stop`` is set, which is seen at each step."""

    def progress(step: int, loss: float) -> None:
        if stop.is_set():
            raise Cancelled

    made = []
    for image, signal in pair.frames():
        try:
            made.append(upsampled(image, signal, kind, progress=progress, **options))
        except Cancelled:
            return None
        yield len(made)
    return made


def control(setting: Setting) -> Widget:
    """A setting as a control: its label, bounds, default and sentence."""
    about = {"name": setting.name, "label": setting.label, "value": setting.default, "tooltip": setting.sentence}
    if setting.kind == "int":
        return SpinBox(min=setting.low, max=setting.high, **about)
    if setting.kind == "bool":
        return CheckBox(**about)
    there = [(label, v) for v, label in setting.all_choices().items() if not unavailable_reason(setting.name, v)]
    return ComboBox(choices=there, **about)
