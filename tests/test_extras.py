"""Each optional package taken away: one sentence, with the command that brings it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from pathlib import Path

import numpy as np
import pytest
from torch import nn

import app
from gsjbu.batch import BatchConfig, cluster
from gsjbu.cli import main
from gsjbu.core import onnx_file
from gsjbu.errors import GsjbuError
from gsjbu.extras import EXTRAS, lacking
from gsjbu.io import films, levels, readers, writers
from gsjbu.io.signals import understand
from gsjbu.models import catalogue
from gsjbu.raster import scene

ASKS: dict[str, list[Callable[[Path], object]]] = {
    "models": [lambda _: catalogue.backbone("resnet18", seed=12345)],
    "video": [lambda _: films.Reader("film.mp4")],
    "zarr": [
        lambda folder: readers.bring(folder, 100),
        lambda folder: writers.write(folder / "a.zarr", "zarr", (1, 2, 2), [np.zeros((1, 2, 2))]),
    ],
    "ray": [lambda folder: cluster.run([], str(folder), BatchConfig(), 1, print)],
    "geo": [
        lambda _: readers.read(b"II*\0" + bytes(40), "a.tif", 100),
        lambda _: levels.tiff(understand(np.eye(4, dtype=np.float32)), np.eye(4, dtype=np.float32)),
    ],
    "onnx": [lambda folder: onnx_file._write(nn.Identity(), (), folder / "a.onnx", [], {}, {})],
    "raster": [lambda _: scene.need_rasterio()],
    "exr": [lambda _: readers.read(b"\x76\x2f\x31\x01" + bytes(40), "a.exr", 100)],
}


@pytest.mark.parametrize(("extra", "package"), [(extra, name) for extra, names in EXTRAS.items() for name in names])
def test_without_a_package_one_sentence_says_how_to_install_it(
    extra: str, package: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    command = f"pip install 'gsjbu[{extra}]'."
    if extra == "server":
        assert main(["serve"]) == 2 and app.main() == 2
        said = capsys.readouterr().err.splitlines()
        assert len(said) == 2 and all(package in line and line.endswith(command) for line in said)
        return
    for ask in ASKS[extra]:
        with pytest.raises(GsjbuError) as refused:
            ask(tmp_path)
        assert package in refused.value.message and refused.value.message.endswith(command)


def test_a_package_that_is_barred_counts_as_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Bar:
        def find_spec(self, name: str, path: object, target: object = None) -> ModuleSpec | None:
            if name == "av":
                raise ImportError("not here")
            return None

    monkeypatch.delitem(sys.modules, "av", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Bar(), *sys.meta_path])
    assert "(av)" in str(lacking("video", "Video"))


def test_with_all_installed_nothing_is_lacking() -> None:
    ours = EXTRAS.keys() - {"onnx", "raster"}  # whose tests have an environment of their own
    assert [extra for extra in ours if lacking(extra, "It")] == []


def test_pyproject_has_the_extras_that_the_sentences_name(root: Path) -> None:
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    assert EXTRAS.keys() == extras.keys() - {"all", "dev", "napari"}  # napari asks us, never we it
    assert set(extras["all"][0].removeprefix("gsjbu[").removesuffix("]").split(",")) == EXTRAS.keys()


CORE_ALONE = f"""
import sys
for name in {sorted(name for names in EXTRAS.values() for name in names)!r}:
    sys.modules[name] = None
import json, numpy as np, gsjbu
from gsjbu.cli import main
rng = np.random.default_rng(0)
depth = rng.uniform(1, 5, (6, 8)).astype(np.float32)
depth[2, 3] = np.nan
high = gsjbu.upsample(rng.integers(0, 256, (48, 64, 3), np.uint8), depth, iters=1)
print(json.dumps({{"shape": list(high.shape), "scene": main(["compare", "scene:spheres", "report", "--iters", "1"])}}))
"""


def test_the_core_alone_upsamples_and_compares(tmp_path: Path, root: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CORE_ALONE], cwd=tmp_path, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(root)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told == {"shape": [48, 64], "scene": 0}
    status = json.loads((tmp_path / "report/result.json").read_text("utf-8"))["status"]
    assert "pip install 'gsjbu[models]'" in status["features"]
