"""torchvision imports and its networks run, whichever build of torch lies beside it."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
from gsjbu.models.torchvision_compat import torchvision
import torch
package = torchvision()
assert torchvision() is package
net = package.models.resnet18(weights=None)
assert net(torch.zeros(1, 3, 64, 64)).shape == (1, 1000)
import transformers
transformers.AutoImageProcessor
print("fine")
"""


def test_torchvision_can_be_imported_in_a_fresh_process(root):
    done = subprocess.run([sys.executable, "-c", SCRIPT], cwd=root, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and "fine" in done.stdout, done.stderr
