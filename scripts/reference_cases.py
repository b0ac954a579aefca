"""Run some sixty reference cases through the public doors and write or compare the hashes of what comes out.

  python scripts/reference_cases.py --write before.json
  python scripts/reference_cases.py --check before.json     exit status 1 where a hash differs

A change that only moves code must leave every hash as it is on the same machine; processors differ in their last
bits, so no hash is kept in the repository.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import torch
from PIL import Image

import gsjbu
from gsjbu.cli import main as command_line
from gsjbu.grid import Grid
from gsjbu.images import decode, png_bytes, shrink, to_uint8
from gsjbu.render import bicubic, bilinear, nearest
from gsjbu.samples import SAMPLES
from gsjbu.signals import from_array, mixed, read_signal
from gsjbu.video import kernels as video_kernels

Case = Callable[[], Any]


def digest(value: Any) -> str:
    """One hash of tensors, arrays, bytes, numbers, texts and what holds them."""
    sha = hashlib.sha256()
    for part in _parts(value):
        sha.update(part)
    return sha.hexdigest()[:16]


def _parts(value: Any) -> Iterator[bytes]:
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu().numpy()
    if isinstance(value, np.ndarray):
        yield f"{value.dtype}{value.shape}".encode()
        yield np.ascontiguousarray(value).tobytes()
    elif isinstance(value, bytes):
        yield value
    elif isinstance(value, dict):
        for key in sorted(value):
            yield str(key).encode()
            yield from _parts(value[key])
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _parts(item)
    else:
        yield repr(value).encode()


def picture(height: int, width: int, channels: int = 3, seed: int = 0) -> torch.Tensor:
    """Smooth waves with hard edges and a little grain, ``[C, H, W]`` in [0, 1]."""
    y, x = torch.meshgrid(torch.linspace(0, 1, height), torch.linspace(0, 1, width), indexing="ij")
    grain = torch.rand(channels, height, width, generator=torch.Generator().manual_seed(seed))
    waves = torch.stack([0.5 + 0.4 * torch.sin(7 * x * (c + 1) + 5 * y) for c in range(channels)])
    edge = ((x - 0.4) ** 2 + (y - 0.6) ** 2 < 0.07).to(torch.float32)
    return (0.6 * waves + 0.3 * edge + 0.1 * grain).clamp(0, 1)


def noise(*shape: int, seed: int = 1) -> torch.Tensor:
    """Reproducible numbers in [0, 1)."""
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def soft_labels(rows: int, cols: int) -> torch.Tensor:
    """Shares of three classes, exactly 0 or 1 away from their borders."""
    x = torch.linspace(0, 3, cols)[None].expand(rows, cols)
    first = (1.2 - x).clamp(0, 1)
    last = (x - 2.1).clamp(0, 1)
    return torch.stack([first, 1 - first - last, last])


def told(kernel: Any) -> Any:
    """All of a kernel that decides what it renders and says."""
    return [
        kernel.raw,
        kernel.lr_guide,
        list(kernel.losses),
        kernel.objective,
        kernel.backend,
        list(kernel.notes),
    ]


def fit_cases() -> Iterator[tuple[str, Case]]:
    """Objectives and backends, at odd sizes and ratios."""

    def fitted(shape: tuple[int, int], values: torch.Tensor | None = None, **options: Any) -> Any:
        kernel = gsjbu.fit(picture(*shape), threads=1, signal=values, **options)
        lr = noise(5, kernel.grid.rows, kernel.grid.cols, seed=2)
        return [*told(kernel), kernel.render(lr, threads=1)]

    for backend in ("fused", "attention"):
        for stride, shape, radius in (
            (16, (96, 128), 2),
            (8, (61, 47), 2),
            (5, (33, 29), 1),
            (3, (20, 31), 3),
        ):
            options = {"stride": stride, "radius": radius, "iters": 6, "backend": backend}
            yield f"fit rgb {backend} stride {stride}", lambda s=shape, o=options: fitted(s, **o)
        size = {"lr_size": (9, 14), "iters": 5, "backend": backend}
        yield f"fit rgb {backend} ratio", lambda o=size: fitted((50, 97), **o)
        yield (
            f"fit signal {backend}",
            lambda o=size: fitted((50, 97), noise(4, 9, 14), objective="signal", **o),
        )
        yield f"fixed {backend}", lambda b=backend: fitted((64, 48), stride=16, iters=0, backend=b)
    kinds = {
        "measured": 40 * noise(1, 8, 12),
        "soft labels": soft_labels(8, 12),
        "probabilities": torch.softmax(3 * noise(4, 8, 12), dim=0),
        "hard labels": (soft_labels(8, 12) > 0.5).to(torch.float32),
        "features": noise(24, 8, 12),
    }
    for kind, values in kinds.items():
        yield (
            f"auto {kind}",
            lambda v=values: fitted((64, 90), v, lr_size=(8, 12), objective="auto", iters=12),
        )
    yield "auto without a signal", lambda: fitted((64, 90), stride=8, objective="auto", iters=12)
    yield "guide of five channels", lambda: told(gsjbu.fit(picture(40, 40, 5), stride=8, iters=4))


def library_cases(folder: Path) -> Iterator[tuple[str, Case]]:
    """Kernels on disk, one pixel's window, the module, films, grids and the plain interpolations."""

    def saved() -> Any:
        kernel = gsjbu.fit(picture(40, 56), stride=8, iters=3, objective="auto", signal=noise(1, 5, 7))
        path = folder / "kernel.safetensors"
        kernel.save(path)
        again = gsjbu.load(path)
        return [path.read_bytes(), told(again), again.render(noise(1, 5, 7))]

    def window() -> Any:
        kernel = gsjbu.fit(picture(40, 56), stride=8, iters=3)
        w = kernel.weights_at(13, 21)
        return [w.qx, w.qy, w.weights, w.spatial, w.range, w.colours]

    def module() -> Any:
        upsampler = gsjbu.GSJBU(iters=4, objective="signal", threads=1)
        values = noise(2, 6, 5, 7).requires_grad_(True)
        high = upsampler(torch.stack([picture(40, 56), picture(40, 56, seed=3)]), values)
        high.square().mean().backward()
        return [high, values.grad]

    def film() -> Any:
        frames = [picture(40, 56, seed=s) for s in (0, 0, 4)]
        return [told(k) for k in video_kernels(frames, iters=3, first_iters=6, stride=8)]

    yield "kernel file", saved
    yield "window", window
    yield "module", module
    yield "film", film
    yield "upsample", lambda: gsjbu.upsample(picture(50, 70), noise(6, 10, 14), iters=5)
    yield "upsample [h, w]", lambda: gsjbu.upsample(picture(50, 70), noise(10, 14), objective="rgb", iters=5)
    yield "estimate", lambda: gsjbu.estimate(300, 400, iters=10).bytes
    grid = Grid.from_stride(37, 45, 8)
    yield "cell means", lambda: grid.cell_means(picture(37, 45))
    for way in (nearest, bilinear, bicubic):
        yield way.__name__, lambda w=way: w(noise(3, grid.rows, grid.cols), grid)
    yield "ratio bicubic", lambda: bicubic(noise(3, 7, 9), Grid.from_sizes(37, 45, 7, 9))
    yield "shrink", lambda: shrink(picture(301, 401), 128)
    yield "decode", lambda: decode(png_bytes(to_uint8(picture(31, 41))))
    scene = next(iter(SAMPLES.values()))
    yield "scene", lambda: [scene.image, scene.labels, scene.depth]


def signal_cases() -> Iterator[tuple[str, Case]]:
    """One of each kind, as arrays and as files, with gaps."""

    def said(signal: Any) -> Any:
        return [signal.values, signal.mask, list(signal.names), list(signal.codes)]

    def file(array: np.ndarray) -> bytes:
        out = io.BytesIO()
        np.save(out, array)
        return out.getvalue()

    gappy = (10 * noise(12, 16)).numpy()
    gappy[3:5, 4:7] = np.nan
    numbers = (4 * soft_labels(12, 16)[1]).round().to(torch.int64).numpy()
    yield "signal depth", lambda: said(from_array(gappy))
    yield "signal labels", lambda: said(from_array(numbers))
    yield "signal probabilities", lambda: said(from_array(torch.softmax(noise(4, 12, 16), 0).numpy()))
    yield "signal .npy", lambda: said(read_signal(file(noise(20, 12, 16).numpy()), "a.npy"))
    palette = Image.fromarray(numbers.astype(np.uint8), "P")
    palette.putpalette([9, 9, 9, 200, 0, 0, 0, 200, 0, 0, 0, 200, 90, 90, 90])
    out = io.BytesIO()
    palette.save(out, "PNG")
    yield "signal palette", lambda: said(read_signal(out.getvalue(), "a.png"))

    def around_gaps() -> Any:
        signal = from_array(gappy)
        kernel = gsjbu.fit(picture(96, 128), lr_size=(12, 16), iters=4)
        return mixed(kernel.render, signal, kernel.is_pure)

    yield "gaps", around_gaps


def command_cases(folder: Path) -> Iterator[tuple[str, Case]]:
    """The command line: files in, files out."""
    photo = folder / "photo.png"
    photo.write_bytes(png_bytes(to_uint8(picture(64, 96))))
    np.save(folder / "features.npy", noise(9, 8, 12).numpy())
    depth = (50 * noise(8, 12)).numpy()
    np.save(folder / "depth.npy", depth)
    depth[2, 3] = np.nan
    np.save(folder / "gaps.npy", depth)

    def call(*words: str) -> None:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            status = command_line([*words, "--quiet"])
        assert status == 0, f"{' '.join(words)} ended with {status}"

    def upsampled(signal: str, ending: str, *more: str) -> bytes:
        out = folder / f"out{ending}"
        call("upsample", str(photo), str(folder / signal), "-o", str(out), "--iters", "5", *more)
        return out.read_bytes()

    yield "upsample .npy", lambda: upsampled("features.npy", ".npy")
    yield "upsample .safetensors", lambda: upsampled("features.npy", ".safetensors", "--float16")
    yield "upsample .png", lambda: upsampled("depth.npy", ".png")
    yield "upsample gaps", lambda: upsampled("gaps.npy", ".npy")
    yield "upsample rgb", lambda: upsampled("gaps.npy", ".npy", "--objective", "rgb")

    def batch(form: str) -> Any:
        source, out = folder / "in", folder / f"batch-{form}"
        source.mkdir(exist_ok=True)
        for n in range(3):
            (source / f"{n}.png").write_bytes(png_bytes(to_uint8(picture(48, 64, seed=n))))
            np.save(source / f"{n}.npy", noise(3 + n, 6, 8, seed=n).numpy())
        call("batch", str(source), str(out), "--to", form, "--iters", "4", "--workers", "1")
        return {p.name: p.read_bytes() for p in out.iterdir() if p.name[0].isdigit()}

    for form in ("npy", "safetensors", "kernel"):
        yield f"batch {form}", lambda f=form: batch(f)

    def compared(name: str, image: str, *more: str) -> Any:
        out = folder / name
        call("compare", image, str(out), "--iters", "5", "--resolution", "128", *more)
        facts = json.loads((out / "result.json").read_text("utf-8"))
        kept = {key: facts[key] for key in ("metrics", "losses", "image", "backend")}
        return [kept, {p.name: p.read_bytes() for p in out.glob("*.png")}]

    spheres = f"scene:{next(iter(SAMPLES))}"
    yield "compare scene", lambda: compared("scene", spheres, "--segmentation", "labels", "--methods", "all")
    yield "compare signal", lambda: compared("signal", str(photo), "--signal", str(folder / "depth.npy"))
    auto = ("--signal", str(folder / "features.npy"), "--objective", "auto", "--features", "off")
    yield "compare auto", lambda: compared("auto", str(photo), *auto)

    def film() -> Any:
        from gsjbu.io.films import Writer

        with Writer(folder / "in.mp4") as out:
            for n in range(3):
                out.add(to_uint8(picture(48, 64, seed=n)))
        call("video", str(folder / "in.mp4"), str(folder / "out.mp4"), "--values", str(folder / "values"),
             "--iters", "5", "--stride", "8")  # fmt: skip
        return {p.name: p.read_bytes() for p in (folder / "values").iterdir()}

    yield "video", film


def server_cases() -> Iterator[tuple[str, Case]]:
    """The one-shot form over HTTP: every panel of an answer."""

    def run(**settings: str) -> Any:
        from fastapi.testclient import TestClient

        from gsjbu.server.app import create_app
        from gsjbu.server.config import Config

        config = Config(allowed_hosts=("testserver",), warm_up=False)
        with TestClient(create_app(config)) as client:
            file = {"file": ("a.png", png_bytes(to_uint8(picture(90, 120))), "image/png")}
            answer = client.post("/api/run", files=file, data={"iters": "5", **settings}).json()
        panels = [{key: panel[key] for key in ("name", "png", "legend", "unit")} for panel in answer["panels"]]
        return [panels, answer["metrics"], answer["losses"], answer["image"], sorted(answer["status"])]

    yield "api run", run
    yield "api run, all methods", lambda: run(methods="all", features="false", stride="8")


def cases(folder: Path) -> Iterator[tuple[str, Case]]:
    """Every case by name."""
    yield from fit_cases()
    yield from library_cases(folder)
    yield from signal_cases()
    yield from command_cases(folder)
    yield from server_cases()


def main() -> int:
    """Write or check the hashes; the number of differences decides the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--write", metavar="FILE", help="store the hashes")
    what.add_argument("--check", metavar="FILE", help="compare with hashes stored before")
    args = parser.parse_args()
    torch.set_num_threads(1)
    gsjbu.fit(picture(16, 16), stride=8, iters=1, backend="fused")  # compiled before anything asks for auto
    with tempfile.TemporaryDirectory() as folder:
        found = {name: digest(case()) for name, case in cases(Path(folder))}
    if args.write:
        Path(args.write).write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", "utf-8")
        print(f"{len(found)} hashes written to {args.write}")
        return 0
    before = json.loads(Path(args.check).read_text("utf-8"))
    different = [name for name in sorted({*before, *found}) if before.get(name) != found.get(name)]
    for name in different:
        print(f"differs: {name}")
    print(f"{len(found)} cases, {len(different)} different")
    return 1 if different else 0


if __name__ == "__main__":
    raise SystemExit(main())
