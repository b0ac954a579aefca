"""The documented name of :mod:`gsjbu.run.metrics`: what lies there may be imported from here as well."""

from gsjbu.run.metrics import boundary_f, changed, compare, confusion, edge_alignment, l1, miou, psnr, rmse, ssim

__all__ = [
    "boundary_f", "changed", "compare", "confusion", "edge_alignment", "l1", "miou", "psnr", "rmse", "ssim",
]  # fmt: skip
