"""The repository keeps its promises: layout, requirements, README, packages, nothing of one machine in it."""

from __future__ import annotations

import dataclasses
import os
import re
import runpy
import subprocess
import sys
import tomllib

import pytest
from packaging.requirements import Requirement

from gsjbu.models import catalogue
from tests import zygote

LAYOUT = """
app.py gsjbu/__init__.py gsjbu/__main__.py gsjbu/py.typed gsjbu/settings.py gsjbu/errors.py gsjbu/version.py
gsjbu/core/grid.py gsjbu/core/parameters.py gsjbu/core/reference.py gsjbu/core/tto.py gsjbu/core/backends
gsjbu/io gsjbu/models gsjbu/run/pipeline.py gsjbu/samples gsjbu/batch gsjbu/cli gsjbu/server
templates static tests benchmarks requirements.txt README.md
Makefile pyproject.toml .ci/run LICENSE CHANGELOG.md CONTRIBUTING.md
.pre-commit-config.yaml .gitignore hubconf.py docs examples
""".split()


def pins(path) -> dict[str, str]:
    """Package -> exact version of a requirements file."""
    found = {}
    for line in path.read_text("utf-8").splitlines():
        line = line.split("#")[0].strip()
        if line and not line.startswith("-"):
            requirement = Requirement(line)
            (pin,) = requirement.specifier
            assert pin.operator == "==", f"{path.name} must pin exactly: {line}"
            found[requirement.name] = pin.version
    return found


@pytest.fixture(scope="module")
def pyproject(root) -> dict:
    return tomllib.loads((root / "pyproject.toml").read_text("utf-8"))


@pytest.mark.parametrize("path", LAYOUT)
def test_layout(root, path):
    assert (root / path).exists()


def test_requirements_and_pyproject_name_the_same_packages(root, pyproject):
    exact = pins(root / "requirements.txt")
    extras = pyproject["project"]["optional-dependencies"]
    page = [*pyproject["project"]["dependencies"], *extras["server"], *extras["models"]]
    ranges = {r.name: r.specifier for r in map(Requirement, page)}
    assert exact.keys() == ranges.keys()
    outside = [name for name, version in exact.items() if version not in ranges[name]]
    assert outside == []


def test_development_requirements_lie_in_the_ranges_of_the_extras(root, pyproject):
    hosts = pins(root / "requirements-integrations.txt")  # their tests have an environment of their own
    extras = pyproject["project"]["optional-dependencies"]
    of_hosts = {r.name for extra in ("napari", "onnx", "raster") for r in map(Requirement, extras[extra])}
    assert of_hosts <= hosts.keys()
    exact = pins(root / "requirements-dev.txt") | {name: hosts[name] for name in of_hosts}
    page = pins(root / "requirements.txt")
    ranges = {r.name: r.specifier for group in extras.values() for r in map(Requirement, group)}
    ranges = {name: specifier for name, specifier in ranges.items() if name not in {"gsjbu", *page}}
    assert exact.keys() == ranges.keys()
    outside = [name for name, version in exact.items() if version not in ranges[name]]
    assert outside == []


@pytest.mark.parametrize(
    ("python", "machine", "wanted"),
    [("3.11", "AMD64", True), ("3.11", "arm64", True), ("3.11", "ARM64", False), ("3.12", "ARM64", True),
     ("3.15", "x86_64", False)],
)  # fmt: skip
def test_numba_is_installed_where_it_has_wheels(pyproject, python, machine, wanted):
    (numba,) = [line for line in pyproject["project"]["dependencies"] if line.startswith("numba")]
    environment = {"python_version": python, "platform_machine": machine}
    assert Requirement(numba).marker.evaluate(environment) == wanted


def test_every_package_is_shipped(root, pyproject):
    there = {
        ".".join(p.parent.relative_to(root).parts) for p in (root / "gsjbu").rglob("*.py") if p.parent.name != "_web"
    }
    named = {name for name in pyproject["tool"]["setuptools"]["packages"] if not name.startswith("gsjbu._web")}
    assert there == named


def test_readme_says_what_the_settings_say(root):
    done = subprocess.run(
        [zygote.python(), "scripts/readme_settings.py", "--check"], cwd=root, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_the_readme_offers_every_model_that_the_page_offers(root):
    """Whose choices are listed where models are declared, beside those of the settings."""
    text = (root / "README.md").read_text("utf-8")
    for kind in catalogue.KINDS:
        (row,) = re.findall(rf"^\| `{kind}` .*", text, re.M)
        missing = [spec.value for spec in catalogue.CATALOGUE if spec.kind == kind and f"`{spec.value}`" not in row]
        assert missing == []


def what_has_no_language(section: str) -> dict[str, object]:
    """Of one section of a README: its commands and programs, its figures, its names of things, where it leads."""
    blocks = re.findall(r"^```.*?^```|^    [^\n]+", section, re.M | re.S)
    prose = re.sub(r"^```.*?^```|^    [^\n]+", "", section, flags=re.M | re.S)
    links = re.findall(r"\]\(([^)]+)\)", prose)
    return {
        "commands": [re.sub(r" *# .*", "", block) for block in blocks],
        "figures": sorted(re.findall(r"\d+(?:\.\d+)*", re.sub(r"\]\([^)]+\)", "", prose))),
        "names": sorted(re.findall(r"`([^`\n]+)`", prose)),
        "links": [link for link in links if not re.search(r"README|images/(page|zh)\.", link)],
        "rows": len(re.findall(r"^\||^[-\d]", prose, re.M)),
    }


def test_the_chinese_readme_has_the_same_commands_figures_and_pictures_in_the_same_order(root):
    pages = [
        re.split(r"^## ", (root / name).read_text("utf-8"), flags=re.M) for name in ("README.md", "README.zh-CN.md")
    ]
    for section, chinese in zip(*pages, strict=True):
        assert what_has_no_language(chinese) == what_has_no_language(section), section.splitlines()[0]


def test_links_between_the_pages_lead_somewhere(root):
    broken = []
    for page in [*root.glob("*.md"), *(root / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+)", page.read_text("utf-8")):
            if "://" not in target and not (page.parent / target).exists():
                broken.append(f"{page.relative_to(root)} -> {target}")
    assert broken == []


def test_what_contributing_names_is_there(root):
    text = (root / "CONTRIBUTING.md").read_text("utf-8")
    paths = re.findall(r"`((?:gsjbu|tests|scripts|static|docs)/[\w./-]+\.\w+)`", text)
    assert len(paths) > 10
    assert [path for path in paths if not (root / path).is_file()] == []
    said = text[text.index("a `Spec` with ") : text.index("Then run")]
    parts = set(re.findall(r"`(\w+)`", said)) - {"Spec"}
    assert parts <= {part.name for part in dataclasses.fields(catalogue.Spec)}


def test_nothing_committed_names_a_place_on_one_machine(root):
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, text=True, check=True).stdout
    # spelt in pieces so that this file does not find itself
    places = "|".join(["wor" + "k", r"hom" + r"e/\w+", "User" + r"s/\w+"])
    place = re.compile(rf"(?<![\w.<}}])/(?:{places})/|{re.escape(str(root))}|{re.escape(sys.prefix)}")
    pictures = (".png", ".jpg", ".webp", ".npy", ".npz", ".safetensors", ".zip")
    found = []
    for name in filter(None, listed.split("\0")):
        path = root / name
        if not path.is_file() or path.suffix in pictures:
            continue
        for number, line in enumerate(path.read_text("utf-8", errors="replace").splitlines(), 1):
            if place.search(line):
                found.append(f"{name}:{number}: {line.strip()[:80]}")
    assert found == []


@pytest.mark.posix
def test_ci_is_executable_and_runs_lint_and_tests(root):
    script = root / ".ci" / "run"
    assert script.stat().st_mode & 0o111
    commands = script.read_text("utf-8").splitlines()
    assert [line.split()[1] for line in commands if line.startswith("make ")] == ["lint", "test"]


@pytest.mark.posix
def test_a_second_make_installs_nothing_and_serves(root, tmp_path):
    (tmp_path / "bin").mkdir()
    for name in ("bin/python", ".stamp-runtime", ".stamp-dev"):
        (tmp_path / name).touch()
    # A make that runs these tests hands its own variables down; this one is to start as from a shell.
    handed_down = {"MAKEFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "MFLAGS", "ARGS"}
    outside = {name: value for name, value in os.environ.items() if name not in handed_down}
    done = subprocess.run(
        ["make", "-n", "run", f"VENV={tmp_path}", "PORT=8123"], cwd=root, capture_output=True, text=True, env=outside
    )
    assert done.stdout.splitlines() == [f"{tmp_path}/bin/python app.py --host 127.0.0.1 --port 8123 "]


@pytest.mark.posix
@pytest.mark.parametrize("version", ["3.10.9", "3.15.0"])
def test_a_python_of_another_version_is_passed_over(root, tmp_path, version):
    """A stand-in that answers as Python `version` would is not taken; with none left, a sentence says what to do."""
    numbers = ", ".join(version.split("."))
    stand_in = tmp_path / "python3"
    program = f"import sys; sys.version_info = ({numbers}); exec(sys.argv[1])"
    stand_in.write_text(f'#!/bin/sh\nexec "{sys.executable}" -c \'{program}\' "$2"\n')
    stand_in.chmod(0o755)
    done = subprocess.run(
        ["/bin/sh", str(root / "scripts/find-python.sh")],
        env={"PATH": str(tmp_path), "PYTHON": ""},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "3.11, 3.12, 3.13 or 3.14" in done.stderr


def test_the_repository_has_one_address(root, pyproject):
    home = pyproject["project"]["urls"]["Homepage"]
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, text=True, check=True).stdout
    texts = [name for name in listed.split("\0") if name.endswith((".md", ".yml", ".cff", ".toml"))]
    owner = re.escape(home.split("/")[3])
    found = {
        a for n in texts for a in re.findall(rf"https://github\.com/{owner}/[\w-]+", (root / n).read_text("utf-8"))
    }
    assert found == {home}


def test_torch_hub_asks_for_what_the_module_needs(root, pyproject):
    needed = {Requirement(line).name for line in pyproject["project"]["dependencies"]}
    used_elsewhere = {"numba", "safetensors", "tqdm"}  # faster; where a kernel is saved; in commands
    namespace = runpy.run_path(str(root / "hubconf.py"))
    asked = {{"PIL": "pillow"}.get(name, name) for name in namespace["dependencies"]}
    assert asked == needed - used_elsewhere


@pytest.mark.parametrize(("given", "run"), [([], ["lowest", "newest"]), (["newest"], ["newest"])])
def test_make_compat_runs_the_ends_that_are_asked_for(given, run, root, monkeypatch) -> None:
    script = runpy.run_path(str(root / "scripts/compat.py"))
    asked: list[str] = []
    monkeypatch.setitem(script["main"].__globals__, "row", lambda end, tests: asked.append(end) or ("", True))
    assert script["main"](given) == 0
    assert asked == run
    with pytest.raises(SystemExit):
        script["main"](["oldest"])
