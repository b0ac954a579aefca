"""The fused kernel writes nothing past its buffers: a fit whose edge cells are narrow used to end the process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import torch
import gsjbu

torch.set_num_threads(1)
# Narrow edge cells hold more rows in a chunk than whole cells do: 11 of 61 pixels, 30 of 45, 6 of 38.
for height, width, stride, radius in ((255, 255, 61, 2), (255, 255, 45, 3), (44, 100, 38, 6), (512, 512, 63, 1)):
    for _ in range(3):
        kernel = gsjbu.fit(torch.rand(3, height, width), stride=stride, radius=radius, iters=2, threads=2)
        assert torch.isfinite(kernel.render(torch.rand(3, kernel.grid.rows, kernel.grid.cols))).all()
print("sound")
"""


def test_narrow_edge_cells_do_not_corrupt_memory(root: Path) -> None:
    # In a process of its own: a corrupted heap ends it.
    done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=root, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "sound\n"), done.stderr[-2000:]
