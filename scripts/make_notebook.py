"""Writes docs/notebook.ipynb from the cells below, without outputs: readable here, runnable there.

python scripts/make_notebook.py
"""

from __future__ import annotations

from pathlib import Path

import nbformat

CELLS = [
    """# Upsample Anything in a notebook

A low-resolution signal, the image it belongs to, and one call. Everything here runs on the built-in scenes;
put your own picture in the place of `image`.""",
    """import torch
from PIL import Image

import gsjbu
from gsjbu import images, metrics, render
from gsjbu.io.colours import paint
from gsjbu.grid import Grid
from gsjbu.samples import SAMPLES


def show(*pictures):
    \"\"\"[3, H, W] in [0, 1] or [H, W] values, side by side.\"\"\"
    shown = []
    for picture in pictures:
        if picture.ndim == 2:
            shown.append(torch.from_numpy(paint(picture.numpy(), float(picture.min()), float(picture.max()))))
        else:
            shown.append(torch.from_numpy(images.to_uint8(picture)))
    return Image.fromarray(torch.cat(shown, dim=1).numpy())""",
    """## An image and its low-resolution copy

At stride 16 the low-resolution grid of this 512×512 scene has 32×32 cells. Bilinear blurs; the fitted kernels
follow the edges. Only values of the low-resolution grid are mixed, nothing is invented.""",
    """scene = SAMPLES["paper"]
image = scene.image
kernel = gsjbu.fit(image, stride=16, iters=50)
low = kernel.lr_guide
bilinear, ours = render.bilinear(low, kernel.grid), kernel.render(low)
show(image, bilinear, ours)""",
    """print(f"PSNR  bilinear {metrics.psnr(bilinear, image):.2f} dB, GS-JBU {metrics.psnr(ours, image):.2f} dB")
print(f"loss  {kernel.losses[0]:.4f} -> {kernel.losses[-1]:.4f} in {len(kernel.losses)} steps")""",
    """## Another signal: depth

A signal that is not the image should say itself which of the image's edges count: objective `signal`.""",
    """grid = Grid.from_stride(512, 512, 16)
depth = grid.cell_means(scene.depth[None])
by_bilinear = render.bilinear(depth, grid)
by_signal = gsjbu.upsample(image, depth, objective="signal", iters=20)
show(scene.depth, by_bilinear[0], by_signal[0])""",
    """for name, full in {"bilinear": by_bilinear, "GS-JBU": by_signal}.items():
    print(f"{name:9s} RMSE {metrics.rmse(full, scene.depth[None]):.3f} m (lower is better)")""",
    """## What a kernel looks like

One Gaussian per low-resolution pixel: two widths, an angle, a colour tolerance.""",
    """print("sigma_x", [round(float(v), 2) for v in kernel.sigma_x.quantile(torch.tensor([0.05, 0.5, 0.95]))], "px")
print("sigma_r", [round(float(v), 3) for v in kernel.sigma_r.quantile(torch.tensor([0.05, 0.5, 0.95]))])
window = kernel.weights_at(256, 200)
most = window.weights.argmax()
print(f"pixel (256, 200) takes {100 * window.weights[most]:.0f} % from cell ({window.qx[most]}, {window.qy[most]})")
show(render.nearest(kernel.sigma_x, kernel.grid), render.nearest(kernel.theta, kernel.grid))""",
    """## Keep it, use it again

The kernel saves without pickle and renders any signal on its grid, whole or a few channels at a time.""",
    """kernel.save("kernel.safetensors")
again = gsjbu.load("kernel.safetensors")
assert torch.equal(again.render(depth), kernel.render(depth))""",
]


def notebook() -> nbformat.NotebookNode:
    """The notebook: texts are cells that begin with a heading, all others are code."""
    made = nbformat.v4.new_notebook(metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}})
    for number, text in enumerate(CELLS):
        new = nbformat.v4.new_markdown_cell if text.startswith("#") else nbformat.v4.new_code_cell
        made.cells.append(new(text, id=f"cell-{number:02d}"))
    return made


if __name__ == "__main__":
    nbformat.write(notebook(), Path(__file__).resolve().parent.parent / "docs" / "notebook.ipynb")
