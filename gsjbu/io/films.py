"""Films in and out, through PyAV: ``pip install 'gsjbu[video]'``."""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gsjbu.errors import GsjbuError
from gsjbu.extras import lacking
from gsjbu.io import addresses

#: Ticks in which times are written: fine enough for any frame rate, as films of the web have it.
CLOCK = Fraction(1, 90000)
ENDINGS = (".mp4", ".mkv", ".mov")
#: What a frame says of its colours, and the number that says nothing.
UNKNOWN = {"color_range": 0, "colorspace": 2, "color_primaries": 2, "color_trc": 2}
#: What a container says of itself, and not of the film.
OF_CONTAINER = ("encoder", "major_brand", "minor_version", "compatible_brands")
#: FFmpeg's numbers of matrices, as the scaler numbers them: BT.709, FCC, BT.601 (twice), SMPTE 240M, BT.2020.
MATRICES = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9}


def _av() -> Any:
    if why := lacking("video", "Video"):
        raise GsjbuError("video_missing", why)
    import av

    return av


class Reader:
    """The frames of a film as ``[3, H, W]`` in [0, 1], upright as a player shows them; use it in a ``with`` block.

    ``times``: when each frame so far is shown, and for how long, in seconds. ``aspect``: width of a pixel over its
    height, as the film's own turn has it. ``colours``: range, matrix, primaries and transfer of its colours, as numbers
    of FFmpeg. ``format``: of its frames' pixels, PyAV's. ``words``: title, comment, time of making and the like.
    """

    def __init__(self, path: str | Path) -> None:
        addresses.named(path)
        av = _av()
        if not os.path.isfile(path):
            raise GsjbuError("video_unreadable", _no_film(path))
        try:
            self._file = av.open(str(path))
        except av.FFmpegError as error:
            raise GsjbuError("video_unreadable", f"{Path(path).name} cannot be read as a film: {error}.") from error
        if not self._file.streams.video:
            self._file.close()
            raise GsjbuError("video_unreadable", f"{Path(path).name} has no picture track.")
        self._stream = self._file.streams.video[0]
        self._stream.thread_type = "AUTO"
        self.rate: Fraction = self._stream.average_rate or Fraction(24)
        self.count: int = self._stream.frames  # as the header has it; 0 where it does not say
        self.aspect: Fraction = self._stream.sample_aspect_ratio or Fraction(1)
        self.times: list[tuple[Fraction, Fraction]] = []
        self.quarters = 0  # turns counterclockwise that put a frame upright
        self.colours: dict[str, int] = {}
        self.format: Any = None
        said = self._file.metadata
        self.words = {name: text for name, text in said.items() if name.lower() not in OF_CONTAINER}
        self._error = av.FFmpegError
        self._name, self._path = Path(path).name, str(path)

    def __iter__(self) -> Iterator[Tensor]:
        try:
            for frame in self._file.decode(self._stream):
                unit = frame.time_base or Fraction(1)
                start = frame.pts * unit if frame.pts is not None else len(self.times) / self.rate
                self.times.append((start, frame.duration * unit if frame.duration else 1 / self.rate))
                self.format = frame.format
                self.quarters = round(frame.rotation / 90) % 4
                self.colours = {name: int(getattr(frame, name) or 0) for name in UNKNOWN}
                pixels = torch.from_numpy(np.rot90(frame.to_ndarray(format="rgb24"), self.quarters).copy())
                yield pixels.permute(2, 0, 1).to(torch.float32).div_(255).contiguous()
        except self._error as error:
            raise GsjbuError("video_unreadable", f"{self._name} is damaged: {error}.") from error

    def decoded(self, most: int | None = None) -> int:
        """How many frames it gives, up to ``most``, for which it is decoded from the start: what a header counts may be
        cut by an edit list, and Matroska's has no count. Of a damaged film those before the damage."""
        count = 0
        with _av().open(self._path) as file:
            file.streams.video[0].thread_type = "AUTO"
            with suppress(self._error):  # told of when they are read
                for _ in itertools.islice(file.decode(file.streams.video[0]), most):
                    count += 1
        return count

    @property
    def has_alpha(self) -> bool:
        """Whether its frames have one, be it beside them as WebM has it."""
        beside = {name.lower(): text for name, text in self._stream.metadata.items()}.get("alpha_mode") == "1"
        return beside or any(part.is_alpha for part in self.format.components)

    def sound_for(self, file: Any) -> tuple[dict[int, Any], list[str]]:
        """A track in ``file`` for each of this film's tracks of sound, by its index; the codecs that it cannot hold."""
        tracks, left = {}, []
        for stream in self._file.streams.audio:
            codec = stream.codec_context.codec.canonical_name
            try:
                if codec not in file.supported_codecs:
                    raise ValueError(codec)
                tracks[stream.index] = file.add_stream_from_template(stream)
            except ValueError:
                left.append(codec)
        return tracks, left

    def copy_sound(self, file: Any, tracks: dict[int, Any], until: Fraction) -> None:
        """The sound up to a time in seconds, packet by packet."""
        with _av().open(self._path) as source:
            for packet in source.demux([source.streams[index] for index in tracks]):
                if packet.dts is None or packet.pts is None or packet.pts * packet.time_base >= until:
                    continue
                packet.stream = tracks[packet.stream.index]
                file.mux(packet)

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()


class Writer:
    """Writes uint8 ``[H, W, 3]`` pictures as H.264; use it in a ``with`` block.

    ``like``: a film whose presentation times, pixel aspect, colour range, words and sound it takes over. What was at
    ``path`` before stays until the film is whole; where there was nothing, the frames before an error are kept.
    ``notes``: what a person should know of the file.
    """

    def __init__(self, path: str | Path, rate: Fraction | int = 24, like: Reader | None = None) -> None:
        self._path = addresses.named(path)
        if self._path.suffix.lower() not in ENDINGS:
            raise GsjbuError(
                "output_format",
                f"{self._path.name or path} cannot be written as a film; use one of {', '.join(ENDINGS)}.",
            )
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._part = self._path.with_name(f".{self._path.stem}.{os.getpid()}.part{self._path.suffix}")
        av = _av()
        self._error = av.FFmpegError
        try:
            self._file = av.open(str(self._part), mode="w")
        except (OSError, ValueError) as error:
            raise self._unwritten(error) from error
        self._rate = rate
        self._like = like
        self._stream: Any = None
        self._sound: dict[int, Any] = {}
        self._last = -math.inf  # presentation time, in ticks
        self._scaled = False
        self.count = 0
        self.notes: list[str] = []

    def add(self, picture: np.ndarray) -> None:
        """One frame. One of another size than the first is scaled to that, and said."""
        height, width = picture.shape[:2]
        if self._stream is None:
            self._start(height, width)
        stream = self._stream
        if not self._scaled and (height, width) != (stream.height, stream.width):
            self._scaled = True
            self.notes.append(
                f"From frame {self.count} on (the first is 0) pictures are {width}×{height}, and scaled to the "
                f"{stream.width}×{stream.height} of those before, as a film has one size."
            )
        frame = self._encoded(_av().VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24"))
        if self._like is not None:
            start, long = self._like.times[self.count]
            # no two at one time, and none before the last: containers refuse them
            self._last = max(round(start / CLOCK), self._last + 1)
            frame.time_base, frame.pts = CLOCK, self._last
            self._long[frame.pts] = round(long / CLOCK)
        try:
            self._mux(frame)
        except self._error as error:
            raise self._unwritten(error) from error
        self.count += 1

    def _start(self, height: int, width: int) -> None:
        self._stream = self._file.add_stream("libx264", rate=self._rate)
        self._stream.width, self._stream.height = width, height
        # Colours at half the size, which everything plays, need even sides.
        self._stream.pix_fmt = "yuv420p"
        if width % 2 or height % 2:
            self._stream.pix_fmt = "yuv444p"
            self.notes.append(
                f"{width}×{height} has an odd side: colours are kept at full size (yuv444p), which some players do not "
                "show."
            )
        self._stream.options = {"crf": "16", "preset": "veryfast"}
        self._long: dict[int, int] = {}  # by presentation time, in ticks
        if self._like is not None:
            self._stream.codec_context.time_base = CLOCK
            aspect = 1 / self._like.aspect if self._like.quarters % 2 else self._like.aspect  # turned by a quarter
            self._stream.codec_context.sample_aspect_ratio = aspect
            self._sound, left = self._like.sound_for(self._file)
            if left:
                self.notes.append(
                    f"The sound ({', '.join(left)}) is left out, as {self._path.suffix} does not hold it; .mkv does."
                )
            self._file.metadata.update(self._like.words)
            self.notes += _not_kept(self._like, self._stream.pix_fmt)
            for name, value in self._like.colours.items():
                setattr(self._stream.codec_context, name, value)

    def _encoded(self, frame: Any) -> Any:
        """Red, green and blue as the film's luma and colours, by the range and matrix of the one that it is like."""
        colours = self._like.colours if self._like is not None else {}
        known = {name: value for name, value in colours.items() if value != UNKNOWN[name]}
        frame = frame.reformat(
            format=self._stream.pix_fmt, dst_colorspace=MATRICES.get(known.get("colorspace", -1)),
            dst_color_range=known.get("color_range"),
        )  # fmt: skip
        for name, value in known.items():
            setattr(frame, name, value)
        return frame

    def _mux(self, frame: Any) -> None:
        for packet in self._stream.encode(frame):
            if self._like is not None:
                packet.duration = self._long.get(packet.pts, 0)
            self._file.mux(packet)

    def _finish(self) -> None:
        """What the encoder still holds, and the sound as long as the picture."""
        self._mux(None)
        if self._like is not None and self._sound:
            start, long = self._like.times[self.count - 1]
            self._like.copy_sound(self._file, self._sound, start + long)

    def _closed(self, kept: bool, error: BaseException | None) -> bool:
        """Whether the film is whole, where it is to be ``kept``; an ``error`` that there was goes before others."""
        try:
            if self._stream is not None and kept:
                self._finish()
            self._file.close()
        except self._error as failure:
            if error is None:
                raise self._unwritten(failure) from failure
            return False
        return kept

    def _unwritten(self, error: Exception) -> GsjbuError:
        return GsjbuError("output_format", f"{self._path.name} cannot be written as a film: {error}.")

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        kept = error is None or (self.count > 0 and not self._path.exists())
        try:
            kept = self._closed(kept, error)
            if kept:
                os.replace(self._part, self._path)
                if isinstance(error, GsjbuError):
                    error.message += f" The {self.count} frames before it are in {self._path}."
                    error.args = (error.message,)
        finally:
            self._part.unlink(missing_ok=True)


def _not_kept(film: Reader, written: str) -> list[str]:
    """What of a film's pixels those of the format ``written`` do not hold, as a sentence."""
    brought = film.format
    parts = [part for part in brought.components if not part.is_alpha]
    bits = max(part.bits for part in parts)
    lost = ["its alpha channel"] if film.has_alpha else []
    lost += [f"{bits} bits a colour (8 are written)"] if bits > 8 else []
    halved = len(parts) > 1 and written == "yuv420p"
    if halved and (brought.chroma_width(2), brought.chroma_height(2)) != (1, 1):
        lost.append("the size of its colours (half each way is written)")
    return [f"Not kept of the film ({brought.name}): {', '.join(lost)}."] if lost else []


def _no_film(path: str | Path) -> str:
    """The sentence on what is no file."""
    if os.path.isdir(path):
        return (
            f"{path} is a folder, and a film is one file; of numbered pictures this makes one: ffmpeg -framerate 24 "
            f"-pattern_type glob -i '{path}/*.png' -c:v ffv1 film.mkv"
        )
    return f"{path} is no regular file, as a film must be." if os.path.exists(path) else addresses.missing(path)
