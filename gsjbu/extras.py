"""The optional parts: which packages each brings, and the sentence for whoever asks for one that is not installed."""

from __future__ import annotations

from importlib.util import find_spec

#: Extra -> the names under which its packages are imported. pyproject.toml lists the packages themselves.
EXTRAS = {
    "server": ("fastapi", "uvicorn", "jinja2", "python_multipart", "prometheus_client", "psutil"),
    "models": ("torchvision", "transformers"),
    "video": ("av",),
    "zarr": ("zarr",),
    "ray": ("ray",),
    "geo": ("tifffile",),
    "exr": ("OpenEXR",),
    "onnx": ("onnx", "onnxscript"),
    "raster": ("rasterio",),
}


def lacking(extra: str, what: str) -> str | None:
    """Why ``what`` cannot be done here and which command would change that, or None where ``extra`` is installed."""
    missing = [name for name in EXTRAS[extra] if not _is_there(name)]
    if not missing:
        return None
    packages = "one more package" if len(missing) == 1 else "more packages"
    return f"{what} needs {packages} ({', '.join(missing)}): pip install 'gsjbu[{extra}]'."


def _is_there(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except (ImportError, ValueError):  # somebody has put a bar before it
        return False
