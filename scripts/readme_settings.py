"""Writes the table of settings in README.md and README.zh-CN.md from gsjbu/settings.py and the list of models.

python scripts/readme_settings.py           rewrites the tables
python scripts/readme_settings.py --check   exits with 1 where a table has drifted (a test calls it)

The Chinese page keeps its own sentences; a new setting's is to be translated there.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from gsjbu.models.catalogue import CATALOGUE
from gsjbu.settings import SETTINGS, Setting

ROOT = Path(__file__).resolve().parent.parent
PAGES = {"README.md": False, "README.zh-CN.md": True}  # whether it has sentences of its own
BEGIN, END = "<!-- settings: made by scripts/readme_settings.py -->", "<!-- end of settings -->"


def bounds(setting: Setting) -> str:
    """``2 … 64 px``, ``on, off`` or the declared choices and models (a machine's own folders are left out)."""
    if setting.kind == "int":
        return f"{setting.low} … {setting.high} {setting.unit}".strip()
    if setting.kind == "bool":
        return "on, off"
    values = [*(setting.choices or {}), *(spec.value for spec in CATALOGUE if spec.kind == setting.name)]
    return ", ".join(f"`{value}`" for value in dict.fromkeys(values))


def default(setting: Setting) -> str:
    """The default as a person writes it."""
    return ("off", "on")[setting.default] if setting.kind == "bool" else str(setting.default)


def rewritten(text: str, own_sentences: bool) -> str:
    """A README with its table as the settings are; the table's head, and sentences of its own, stay."""
    before, rest = text.split(f"{BEGIN}\n", 1)
    table, after = rest.split(END, 1)
    head, rule, *rows = table.splitlines()
    told = {cells[0]: cells[-1] for cells in (line.strip("| ").split(" | ") for line in rows)}
    lines = [head, rule]
    for setting in SETTINGS.values():
        sentence = told.get(f"`{setting.name}`", setting.sentence) if own_sentences else setting.sentence
        lines.append(f"| `{setting.name}` | {default(setting)} | {bounds(setting)} | {sentence} |")
    return "\n".join((f"{before}{BEGIN}", *lines, f"{END}{after}"))


def main() -> int:
    """Check or rewrite; returns the exit status."""
    drifted = 0
    for name, own_sentences in PAGES.items():
        path = ROOT / name
        text = path.read_text("utf-8")
        if (made := rewritten(text, own_sentences)) == text:
            continue
        drifted = 1
        if "--check" in sys.argv[1:]:
            print(f"{name}: run `python scripts/readme_settings.py`.", file=sys.stderr)
        else:
            path.write_text(made, "utf-8")
    return drifted if "--check" in sys.argv[1:] else 0


if __name__ == "__main__":
    sys.exit(main())
