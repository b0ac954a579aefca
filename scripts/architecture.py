"""Draw docs/images/architecture.svg from the package's own imports; ``--check`` says whether it is what stands there.

python scripts/architecture.py            write it
python scripts/architecture.py --check    exit status 1 where the imports have moved on
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / "docs" / "images" / "architecture.svg"
# Rooms from the top floor down, with what each is for; the rest of the picture is measured.
FLOORS = (
    (("cli", "the command gsjbu"),),
    (("server", "the page's server, the only room that knows the web"), ("batch", "whole data sets")),
    (
        ("run", "one run: panels, metrics, result"),
        ("verbs", "fit, upsample, GSJBU, films: the library's words"),
    ),
    (("models", "backbones, segmenters"), ("samples", "built-in scenes")),
    (("io", "pictures, signals, films, files: in and out"),),
    (("core", "the method: grid → Gaussians → fit → render"),),
    (("settings", "every parameter, once; errors"),),
)
ROOMS = {room for floor in FLOORS for room, _ in floor}
# Files at the top of the package, and the room in which they are drawn.
TOP = {"verbs": "verbs", "module": "verbs", "video": "verbs", "settings": "settings", "measures": "settings",
       "errors": "settings", "version": "settings", "entry": "cli", "__main__": "cli"}  # fmt: skip
ALIASES = {"__init__", "grid", "images", "metrics", "render", "signals"}
WIDTH, HIGH, GAP, LEFT, ROW = 960, 64, 46, 20, 24


def room_of(module: str) -> str | None:
    """The room that holds ``gsjbu.…``."""
    parts = module.split(".")
    if parts[0] != "gsjbu" or len(parts) < 2:
        return None
    return TOP.get(parts[1]) or (parts[1] if parts[1] in ROOMS else "verbs")  # or a name of the library's own


def imported(path: Path) -> set[str]:
    """Modules of the package that a file imports, lazily or not; not those for type checking alone."""
    found: set[str] = set()

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            return
        if isinstance(node, ast.ImportFrom) and node.module:
            found.update(
                f"{node.module}.{alias.name}" if node.module == "gsjbu" else node.module for alias in node.names
            )
        elif isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(path.read_text("utf-8")))
    return {name for name in found if name.startswith("gsjbu")}


def measured() -> dict[tuple[str, str], int]:
    """How many files of one room import another."""
    arrows: dict[tuple[str, str], int] = {}
    for path in sorted((ROOT / "gsjbu").rglob("*.py")):
        parts = path.relative_to(ROOT / "gsjbu").with_suffix("").parts
        if len(parts) == 1 and parts[0] in ALIASES:
            continue
        room = room_of(".".join(("gsjbu", *parts)))
        assert room is not None
        for other in {room_of(module) for module in imported(path)} - {room, None}:
            assert other is not None
            arrows[room, other] = arrows.get((room, other), 0) + 1
    return arrows


def drawn() -> str:
    """The picture."""
    arrows = measured()
    boxes: dict[str, tuple[float, float, float]] = {}
    shapes, y = [], 20.0
    for floor in FLOORS:
        wide = (WIDTH - 2 * LEFT - (len(floor) - 1) * ROW) / len(floor)
        for n, (room, what) in enumerate(floor):
            x = LEFT + n * (wide + ROW)
            boxes[room] = x, y, wide
            shapes.append(
                f'<rect x="{x:.0f}" y="{y:.0f}" width="{wide:.0f}" height="{HIGH}" rx="8" class="room"/>'
                f'<text x="{x + 14:.0f}" y="{y + 26:.0f}" class="name">{room}</text>'
                f'<text x="{x + 14:.0f}" y="{y + 48:.0f}" class="what">{what}</text>'
            )
        y += HIGH + GAP
    ways = [_arrow(boxes[a], boxes[b], n, k) for k, ((a, b), n) in enumerate(sorted(arrows.items()))]
    return _STYLE.format(width=WIDTH, height=y - GAP + 20) + "\n".join([*ways, *shapes]) + "\n</svg>\n"


def _arrow(start: tuple[float, float, float], end: tuple[float, float, float], files: int, k: int) -> str:
    """A line from the bottom of one box to the top of another, the thicker the more files import."""
    share = 0.12 + 0.76 * ((k * 0.381966) % 1)
    x0, x1 = start[0] + share * start[2], end[0] + share * end[2]
    y0, y1 = start[1] + HIGH, end[1] - 6
    bend = (y1 - y0) / 2
    return (
        f'<path d="M{x0:.0f} {y0:.0f}C{x0:.0f} {y0 + bend:.0f} {x1:.0f} {y1 - bend:.0f} {x1:.0f} {y1:.0f}" '
        f'stroke-width="{1 if files < 4 else 2.5 if files < 12 else 4}" class="arrow"/>'
    )


_STYLE = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height:.0f}" role="img" \
aria-label="Rooms of the package; arrows are imports and all point down" font-family="system-ui, sans-serif">
<style>.room{{fill:#eef2f7;stroke:#5b6b80}}.name{{font-size:17px;font-weight:600;fill:#16202c}}\
.what{{font-size:13px;fill:#3c4a5a}}\
.arrow{{fill:none;stroke:#7f93ad;opacity:.55;marker-end:url(#head)}}</style>
<defs><marker id="head" viewBox="0 0 6 6" refX="5" refY="3" markerWidth="8" markerHeight="8" \
markerUnits="userSpaceOnUse" orient="auto"><path d="M0 0L6 3L0 6z" fill="#7f93ad"/></marker></defs>
<rect width="100%" height="100%" fill="#fff"/>
"""


def main() -> int:
    """Write or check."""
    picture = drawn()
    if "--check" in sys.argv[1:]:
        if PICTURE.is_file() and PICTURE.read_text("utf-8") == picture:
            return 0
        print(f"{PICTURE.relative_to(ROOT)} is not what the imports say: run python scripts/architecture.py")
        return 1
    PICTURE.write_text(picture, "utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
