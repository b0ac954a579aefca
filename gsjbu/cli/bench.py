"""Measure this machine: fit and render, against F.interpolate(bilinear).

  gsjbu bench
  gsjbu bench --size 1024 --channels 64 --threads 1

Times are medians; the machine's other work shows in them. `make bench` in the repository compares further.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

from gsjbu.cli import options


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Sizes, repeats and the settings that speed depends on."""
    parser.add_argument(
        "--size", type=options.count(), default=512, help="side of the square image, in pixels (default: 512)"
    )
    parser.add_argument(
        "--channels", type=options.count(), default=384, help="channels of the rendered signal (default: 384)"
    )
    parser.add_argument("--threads", type=options.count(), help="threads (default: all cores)")
    parser.add_argument(
        "--repeats", type=options.count(), default=5, help="runs of which the median counts (default: 5)"
    )
    options.add_settings(parser, ("stride", "iters", "radius", "device"))
    options.add_output(parser)


def run(args: argparse.Namespace) -> int:
    """Time fit, render and bilinear."""
    import torch
    import torch.nn.functional as F

    import gsjbu
    from gsjbu.core.backends.dispatch import warm_up
    from gsjbu.samples import SAMPLES

    if args.threads:
        torch.set_num_threads(args.threads)
    scene = next(iter(SAMPLES.values())).image
    image = F.interpolate(scene[None], size=(args.size, args.size), mode="bilinear", align_corners=False)[0]
    rows = -(-args.size // args.stride)
    signal = torch.randn(args.channels, rows, rows, generator=torch.Generator().manual_seed(0), dtype=torch.float32)
    fit = {"stride": args.stride, "radius": args.radius, "device": args.device, "threads": args.threads}
    warm_up.patient = True
    gsjbu.fit(image, iters=2, **fit)  # compile and load first: a one-off
    kernel = gsjbu.fit(image, iters=args.iters, **fit)
    on = signal.to(kernel.device)
    times = {
        "fit_ms": _median(lambda: gsjbu.fit(image, iters=args.iters, **fit), args.repeats),
        "render_ms": _median(lambda: kernel.render(on), args.repeats),
        "bilinear_ms": _median(
            lambda: F.interpolate(on[None], size=(args.size, args.size), mode="bilinear"), args.repeats
        ),
    }
    facts = {
        "size": args.size,
        "stride": args.stride,
        "radius": args.radius,
        "iters": args.iters,
        "channels": args.channels,
        "threads": args.threads or "all",
        "device": str(kernel.device),
        "backend": kernel.backend,
    } | {name: round(value, 3) for name, value in times.items()}
    step = times["fit_ms"] / max(1, args.iters)
    sentence = (
        f"{args.size}×{args.size}, stride {args.stride}, radius {args.radius}, on {kernel.device} ({kernel.backend}):\n"
        f"  fit      {times['fit_ms']:9.1f} ms   {args.iters} steps, {step:.2f} ms each\n"
        f"  render   {times['render_ms']:9.1f} ms   {args.channels} channels\n"
        f"  bilinear {times['bilinear_ms']:9.1f} ms   F.interpolate, the same channels"
    )
    options.tell(args, facts, sentence)
    return 0


def _median(work: Callable[[], object], repeats: int) -> float:
    """Milliseconds."""
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        times.append(1e3 * (time.perf_counter() - started))
    return statistics.median(times)
