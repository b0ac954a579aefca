"""Writes the table of settings in README.md and README.zh-CN.md from gsjbu/settings.py.

python scripts/readme_settings.py           rewrites the tables
python scripts/readme_settings.py --check   exits with 1 where a table has drifted (a test calls it)

The Chinese page keeps its own sentences: there only names, defaults and bounds are compared.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from gsjbu.settings import SETTINGS, Setting

ROOT = Path(__file__).resolve().parent.parent
BEGIN, END = "<!-- settings: made by scripts/readme_settings.py -->", "<!-- end of settings -->"


def bounds(setting: Setting) -> str:
    """``2 … 64 px``, ``on, off`` or the declared choices (local ones differ between machines)."""
    if setting.kind == "int":
        return f"{setting.low} … {setting.high} {setting.unit}".strip()
    if setting.kind == "bool":
        return "on, off"
    return ", ".join(f"`{value}`" for value in setting.choices or {})


def default(setting: Setting) -> str:
    """The default as a person writes it."""
    return (
        {True: "on", False: "off"}.get(setting.default, str(setting.default))
        if setting.kind == "bool"
        else str(setting.default)
    )


def row(setting: Setting) -> list[str]:
    """One line's cells: name, default, bounds, sentence."""
    return [f"`{setting.name}`", default(setting), bounds(setting), setting.sentence]


def table() -> str:
    """The whole table in Markdown."""
    lines = ["| setting | default | values | what it does |", "|---|---|---|---|"]
    lines += ["| " + " | ".join(row(setting)) + " |" for setting in SETTINGS.values()]
    return "\n".join(lines)


def between(text: str) -> str:
    """What stands between the two marks of a README."""
    return text.split(BEGIN, 1)[1].split(END, 1)[0].strip()


def drifts() -> list[str]:
    """What the READMEs say otherwise than the settings."""
    found = []
    if between((ROOT / "README.md").read_text("utf-8")) != table():
        found.append("README.md: run `python scripts/readme_settings.py`.")
    chinese = ROOT / "README.zh-CN.md"
    if chinese.is_file():
        shown = [
            line.strip("| ").split(" | ")[:3] for line in between(chinese.read_text("utf-8")).splitlines()[2:]
        ]
        for setting, cells in zip(SETTINGS.values(), shown, strict=False):
            if cells != row(setting)[:3]:
                found.append(f"README.zh-CN.md: the row of {setting.name} should begin {row(setting)[:3]}.")
        if len(shown) != len(SETTINGS):
            found.append(f"README.zh-CN.md has {len(shown)} rows; there are {len(SETTINGS)} settings.")
    return found


def main() -> int:
    """Check or rewrite; returns the exit status."""
    if "--check" in sys.argv[1:]:
        for sentence in (found := drifts()):
            print(sentence, file=sys.stderr)
        return int(bool(found))
    path = ROOT / "README.md"
    text = path.read_text("utf-8")
    head, rest = text.split(BEGIN, 1)
    path.write_text(f"{head}{BEGIN}\n{table()}\n{END}{rest.split(END, 1)[1]}", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
