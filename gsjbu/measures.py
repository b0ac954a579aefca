"""The figures by which ways of upsampling are compared, by name: whether more of each is better."""

from __future__ import annotations

MORE_IS_BETTER = {
    "psnr": True, "ssim": True, "l1": False,
    "rmse": False, "mae": False, "delta1": True, "edge_rmse": False,
    "miou": True, "accuracy": True, "boundary_miou": True, "boundary_f": True, "edge_alignment": True,
    "sad": False, "mse": False,
    "cosine": True,
    "agrees": True,
}  # fmt: skip
UNITS = {
    "psnr": "dB", "rmse": "the signal's unit", "mae": "the signal's unit", "edge_rmse": "the signal's unit",
    "sad": "thousands of pixels",
}  # fmt: skip


def direction(name: str) -> str:
    """``higher is better`` or ``lower is better``."""
    return "higher is better" if MORE_IS_BETTER[name] else "lower is better"
