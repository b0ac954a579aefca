"""``import gsjbu`` brings nothing of the web or of the optional parts, and costs little on top of torch."""

from __future__ import annotations

import io
import json
import statistics
import subprocess
import sys

# Packages that a user of the library must not pay for: the web's, the models', and the compiler, which loads
# on the first fit.
HEAVY = ("fastapi", "starlette", "uvicorn", "transformers", "torchvision", "numba", "scipy", "av", "ray", "zarr")

PROGRAM = f"""
import json, sys, time
import torch
before = time.perf_counter()
import gsjbu
took = time.perf_counter() - before
print(json.dumps({{"took": took, "heavy": [name for name in {HEAVY!r} if name in sys.modules]}}))
"""


def import_in_a_fresh_process(root) -> dict:
    done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=root, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_importing_brings_no_web_and_no_compiler_and_is_quick(root):
    runs = [import_in_a_fresh_process(root) for _ in range(3)]
    assert all(run["heavy"] == [] for run in runs)
    assert statistics.median(run["took"] for run in runs) <= 0.3


HELP = """
import sys
from gsjbu.cli import COMMANDS, parser, serve
parser().format_help()
for command in set(COMMANDS) - {serve}:  # it hands its options on
    try:
        parser().parse_args([command.__name__.rpartition(".")[2], "--help"])
    except SystemExit:
        pass
print(*[name for name in ("torch", "PIL", "tqdm", "numba") if name in sys.modules], file=sys.stderr)
"""


def test_help_brings_nothing_that_takes_time(root):
    done = subprocess.run([sys.executable, "-c", HELP], cwd=root, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr.strip()) == (0, "")


def test_documented_names_of_older_code_still_lead_somewhere():
    """Whoever imported from the flat package may go on doing so."""
    import numpy as np

    from gsjbu.grid import Grid
    from gsjbu.images import decode, png_bytes, shrink, to_image, to_uint8
    from gsjbu.metrics import psnr
    from gsjbu.render import bicubic, bilinear, nearest
    from gsjbu.samples import SAMPLES
    from gsjbu.signals import from_array, mixed, read_signal
    from gsjbu.video import kernels

    image = shrink(decode(png_bytes(to_uint8(next(iter(SAMPLES.values())).image))), 32)
    grid = Grid.from_stride(32, 32, 8)
    lr = grid.cell_means(to_image(image))
    assert all(way(lr, grid).shape == (3, 32, 32) for way in (nearest, bilinear, bicubic))
    assert psnr(bilinear(lr, grid), image) > 10
    depth = from_array(np.linspace(1.5, 9.5, 16, dtype=np.float32).reshape(4, 4), kind="depth")
    assert mixed(lambda v: bilinear(v, grid), depth).shape == (1, 32, 32)
    file = io.BytesIO()
    np.save(file, np.eye(4, dtype=np.int64))
    assert read_signal(file.getvalue(), "a.npy").kind == "labels"
    assert len(list(kernels([image], first_iters=1, stride=8))) == 1


MODULES = """
import sys, gsjbu
names = {name for name in dir(gsjbu) if not name.startswith("__")}
assert not {"torch", "PIL", "numpy"} & set(sys.modules)
for name in sorted(names):
    getattr(gsjbu, name)
print(*sorted(names - set(gsjbu.__all__)))
"""


def test_public_modules_are_there_when_they_are_first_used(root):
    errors = "import gsjbu, sys; gsjbu.errors; print(*{'torch', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", errors], cwd=root, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr
    done = subprocess.run([sys.executable, "-c", MODULES], cwd=root, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [
        "batch", "errors", "grid", "hf", "images", "metrics", "raster", "render", "samples", "signals", "video",
    ]  # fmt: skip
