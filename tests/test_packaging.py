"""What `pip install .` installs is whole: the package, its data, the page, and the command."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def wheel(root, tmp_path_factory) -> Path:
    """Built from a copy, so that the tree stays clean."""
    copy = tmp_path_factory.mktemp("source")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        capture_output=True,
        check=True,
    ).stdout
    for name in filter(None, listed.decode().split("\0")):
        source = root / name
        if source.is_file():
            target = copy / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read_bytes())
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(out), "."]
    done = subprocess.run(command, cwd=copy, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (path,) = out.glob("gsjbu-*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> tuple[Path, dict[str, str]]:
    """A folder with only the installed package in it, and an environment that finds it and not the repository."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(folder), str(wheel)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder, {**os.environ, "PYTHONPATH": str(folder)}


def test_the_wheel_holds_the_package_and_the_page_and_nothing_else(root, wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {"gsjbu/py.typed", "gsjbu/cli/__init__.py", "gsjbu/_web/templates/index.html"} <= names
    for folder in ("static", "templates"):
        there = [p.relative_to(root) for p in (root / folder).rglob("*") if p.is_file() and "out" not in p.parts]
        missing = [str(path) for path in there if f"gsjbu/_web/{path.as_posix()}" not in names]
        assert missing == []
    outside = {name.split("/")[0] for name in names}
    assert {name for name in outside if not name.endswith(".dist-info")} == {"gsjbu"}


def test_the_installed_command_upsamples(installed, tmp_path):
    """By the attention form: to compile the fused one anew takes half a minute, and says nothing of the wheel."""
    folder, environment = installed
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.modules['numba'] = None")
    environment = {**environment, "PYTHONPATH": os.pathsep.join([str(tmp_path), environment["PYTHONPATH"]])}
    program = (
        "import numpy, torch, PIL.Image, gsjbu;"
        "image = numpy.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=numpy.uint8);"
        "signal = numpy.random.default_rng(1).standard_normal((4, 5, 6), dtype=numpy.float32);"
        "numpy.save('s.npy', signal); PIL.Image.fromarray(image).save('i.png');"
        "a = gsjbu.upsample(image, signal, objective='rgb', iters=3);"
        "b = gsjbu.upsample(PIL.Image.fromarray(image), torch.from_numpy(signal), objective='rgb', iters=3);"
        "c = gsjbu.upsample(torch.from_numpy(image).permute(2, 0, 1) / 255, signal, objective='rgb', iters=3);"
        "assert a.shape == (4, 40, 60) and (a == b).all() and (a - c).abs().max() < 1e-6;"
        "print(gsjbu.__file__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(folder))
    command = [str(folder / "bin" / "gsjbu"), "upsample", "i.png", "s.npy", "-o", "o.npy", "--iters", "1"]
    done = subprocess.run(
        [*command, "--objective", "rgb"], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("o.npy: 4×40×60")


def test_the_installed_server_finds_the_page(installed, tmp_path):
    _, environment = installed
    program = (
        "from fastapi.testclient import TestClient\n"
        "from gsjbu.server.app import create_app\n"
        "from gsjbu.server.config import Config\n"
        "with TestClient(create_app(Config(warm_up=False)), base_url='http://127.0.0.1') as client:\n"
        "    page = client.get('/')\n"
        "    assert page.status_code == 200 and '<html' in page.text, page.text\n"
        "    import re\n"
        '    parts = re.findall(r\'(?:src|href)="(static/[^"]+)"\', page.text)\n'
        "    assert parts and all(client.get(part).status_code == 200 for part in parts), parts\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
