"""``import gsjbu`` brings nothing of the web or of the optional parts, and costs little on top of torch."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys

# Packages that a user of the library must not pay for: the web's, the models', and the compiler, which loads
# on the first fit.
HEAVY = (
    "fastapi",
    "starlette",
    "uvicorn",
    "transformers",
    "torchvision",
    "numba",
    "scipy",
    "av",
    "ray",
    "zarr",
)

PROGRAM = f"""
import json, sys, time
import torch
before = time.perf_counter()
import gsjbu
took = time.perf_counter() - before
print(json.dumps({{"took": took, "heavy": [name for name in {HEAVY!r} if name in sys.modules]}}))
"""


def import_in_a_fresh_process(root) -> dict:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=root, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_importing_brings_no_web_and_no_compiler_and_is_quick(root):
    runs = [import_in_a_fresh_process(root) for _ in range(3)]
    assert all(run["heavy"] == [] for run in runs)
    assert statistics.median(run["took"] for run in runs) <= 0.3
