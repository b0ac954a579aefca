"""What the three experiments share: where their pictures go."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from gsjbu import images
from gsjbu.io.colours import palette


def output_folder(description: str | None) -> Path:
    """The folder named on the command line, made if it is not there."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the pictures go")
    folder: Path = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def write_classes(path: Path, labels: np.ndarray) -> None:
    """A class map ``[H, W]`` as a PNG in the page's palette."""
    path.write_bytes(images.png_bytes(palette(int(labels.max()) + 1)[labels]))
