"""The sentences that the package's sources write, as templates: ``{}`` stands for each value that is filled in."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / "gsjbu"

#: Rooms and modules whose sentences never come to the page, by reason.
ELSEWHERE = {
    "command line": "cli entry.py io/films.py io/float_maps.py io/halving.py io/levels.py io/writers.py "
    "io/stretching.py server/cli.py server/hosts.py server/listening.py server/serve.py",
    "library": "__init__.py batch hf napari raster verbs.py refining.py module.py video.py core/blend.py core/eager.py "
    "core/compiler.py core/files.py core/fit.py core/kernel.py core/kernel_file.py core/onnx_file.py core/threads.py "
    "core/tto.py core/window.py io/addresses.py io/compared.py io/containers.py io/masks.py "
    "io/outputs.py io/restoring.py measures.py run/metrics.py",
    "programs: words and forms that the page does not send": "io/names.py server/clients.py server/forms.py "
    "server/schemas.py server/security.py server/strict.py",
    "descriptions of the API, logs, numbers for machines, files": "server/archive.py server/codes.py server/decoder.py "
    "server/app.py server/files.py server/limits.py server/logs.py server/meters.py io/colours.py io/point_clouds.py "
    "io/words.py models/torchvision_compat.py",
}
#: Modules of which the page hears these functions alone; "" is the module's own level.
HEARD = {
    "core/gaps.py": set(),
    "core/grid.py": {"size_text"},
    "core/plain.py": {"why_unreadable"},
    "io/enlarging.py": {""},
    "io/guides.py": {"stretched", "_brought_back"},
    "io/pictures.py": {
        "",
        "loaded",
        "check_before_opening",
        "first_of",
        "clear_parts",
        "_too_large",
        "_too_many_scans",
    },
    "io/resolution.py": {"why"},
    "io/readers.py": {"", "_in_64_bits", "_safetensors", "read"},
    "run/measured.py": {""},
}
#: What is no sentence: names, code, and what other programs say.
UNSAID = re.compile(
    r"(DINO|ConvNeXt|Swin|Mask2Former|ResNet)\S* (\w+$|\w+, (registers$|\w+ \()|\()"  # a model's name
    r"|Value error,|x\.reshape|is seen by torch|from gsjbu|attachment|private, max|Settings and SETTINGS"
    r"|(allocate memory|out of memory|start new thread|attention on a GPU|kernel, fixed|last layer|stage \{\})$"
    r"|(Fetching \{\}:|\{\}, stride) \{\}|\{\} (and|or) \{\}$"
)
#: Whatever stands in the arguments of these names and calls is said to nobody.
SILENT = set(
    "description summary response_description headers "  # of FastAPI and Pydantic
    "debug info warning error exception start cached "  # logs, code of a process, keys
    "ValueError RuntimeError OSError HelperLost".split()  # caught, and said in other words
)
SENTENCE = re.compile(r"[a-z]{2,}\S* \S*[\w{]|[}\w]\S* \S*[a-z]{2,}")


def text_of(node: ast.AST) -> str | None:
    """A literal's text, or an f-string's template."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(str(p.value) if isinstance(p, ast.Constant) else "{}" for p in node.values)
    return None


def literals(node: ast.AST, function: str = "") -> Iterator[tuple[str, str]]:
    """(function, text) of every literal that is said to someone, but for docstrings."""
    if isinstance(node, ast.keyword) and node.arg in SILENT:
        return
    if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) in SILENT:
        return
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return
    text = text_of(node)
    if text is not None:
        yield function, text
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        function = node.name
    for child in ast.iter_child_nodes(node):
        if isinstance(node, ast.JoinedStr):
            if isinstance(child, ast.FormattedValue):
                yield from literals(child.value, function)
        elif isinstance(node, ast.Dict) and child in node.values and _key_of(node, child) in SILENT:
            continue
        else:
            yield from literals(child, function)


def _key_of(node: ast.Dict, value: ast.AST) -> str | None:
    key = node.keys[node.values.index(value)]  # type: ignore[arg-type]
    return None if key is None else text_of(key)


def modules() -> dict[str, ast.Module]:
    """Every module that the page may hear, by its path in the package."""
    silent = tuple(path for paths in ELSEWHERE.values() for path in paths.split())
    files = {file.relative_to(PACKAGE).as_posix(): file for file in sorted(PACKAGE.rglob("*.py"))}
    heard = {name: file for name, file in files.items() if not name.startswith(silent)}
    return {name: ast.parse(file.read_text("utf-8")) for name, file in heard.items()}


def every_literal() -> Iterator[tuple[str, str]]:
    """(module, text) of every literal that the page may hear."""
    for name, tree in modules().items():
        for function, text in literals(tree):
            if name not in HEARD or function in HEARD[name]:
                yield name, text.strip()


def sentences() -> dict[str, str]:
    """Template → module of everything with words in it that the page may hear."""
    return {text: name for name, text in every_literal() if SENTENCE.search(text) and not UNSAID.match(text)}


if __name__ == "__main__":
    print("\n".join(f"{name}: {text}" for text, name in sentences().items()))
