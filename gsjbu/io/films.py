"""Films in and out, through PyAV: ``pip install 'gsjbu[video]'``."""

from __future__ import annotations

import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gsjbu.errors import GsjbuError
from gsjbu.extras import lacking

ENDINGS = (".mp4", ".mkv", ".mov")


def _av() -> Any:
    if why := lacking("video", "Video"):
        raise GsjbuError("video_missing", why)
    import av

    return av


class Reader:
    """The frames of a film as ``[3, H, W]`` in [0, 1]; use it in a ``with`` block."""

    def __init__(self, path: str | Path) -> None:
        av = _av()
        if not Path(path).is_file():
            raise GsjbuError("video_unreadable", f"There is no {path}.")
        try:
            self._file = av.open(str(path))
        except av.FFmpegError as error:
            raise GsjbuError(
                "video_unreadable", f"{Path(path).name} cannot be read as a film: {error}."
            ) from error
        if not self._file.streams.video:
            self._file.close()
            raise GsjbuError("video_unreadable", f"{Path(path).name} has no picture track.")
        self._stream = self._file.streams.video[0]
        self._stream.thread_type = "AUTO"
        self.rate: Fraction = self._stream.average_rate or Fraction(24)
        self.count: int = self._stream.frames  # 0 where the file does not say
        self._error = av.FFmpegError
        self._name = Path(path).name

    def __iter__(self) -> Iterator[Tensor]:
        try:
            for frame in self._file.decode(self._stream):
                pixels = torch.from_numpy(frame.to_ndarray(format="rgb24"))
                yield pixels.permute(2, 0, 1).to(torch.float32).div_(255).contiguous()
        except self._error as error:
            raise GsjbuError("video_unreadable", f"{self._name} is damaged: {error}.") from error

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()


class Writer:
    """Writes uint8 ``[H, W, 3]`` pictures as H.264; use it in a ``with`` block.

    What was at ``path`` before stays until the film is whole.
    """

    def __init__(self, path: str | Path, rate: Fraction | int = 24) -> None:
        self._path = Path(path)
        if self._path.suffix.lower() not in ENDINGS:
            raise GsjbuError(
                "output_format",
                f"{self._path.name} cannot be written as a film; use one of {', '.join(ENDINGS)}.",
            )
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._part = self._path.with_name(f".{self._path.stem}.{os.getpid()}.part{self._path.suffix}")
        try:
            self._file = _av().open(str(self._part), mode="w")
        except (OSError, ValueError) as error:
            raise GsjbuError(
                "output_format", f"{self._path.name} cannot be written as a film: {error}."
            ) from error
        self._rate = rate
        self._stream: Any = None

    def add(self, picture: np.ndarray) -> None:
        """One frame; all of one size. An odd row or column at the edge is left out, as the format needs even sizes."""
        height, width = (n - n % 2 for n in picture.shape[:2])
        if self._stream is None:
            self._stream = self._file.add_stream("libx264", rate=self._rate)
            self._stream.width, self._stream.height = width, height
            self._stream.pix_fmt = "yuv420p"
            self._stream.options = {"crf": "16", "preset": "veryfast"}
        frame = _av().VideoFrame.from_ndarray(np.ascontiguousarray(picture[:height, :width]), format="rgb24")
        self._file.mux(self._stream.encode(frame))

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if self._stream is not None and error is None:
                self._file.mux(self._stream.encode(None))
            self._file.close()
            if error is None:
                os.replace(self._part, self._path)
        finally:
            self._part.unlink(missing_ok=True)
