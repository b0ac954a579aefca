"""The report of `gsjbu evaluate` on a folder: figures.csv and index.html, one row a picture and method."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from html import escape
from pathlib import Path
from typing import Any

from gsjbu.cli.options import counted
from gsjbu.cli.report import document, number, table
from gsjbu.measures import MORE_IS_BETTER, UNITS, direction

Rows = list[dict[str, Any]]


def write(folder: Path, rows: Rows, failed: list[dict[str, str]]) -> None:
    """Both files into ``folder``. Raises OSError."""
    from gsjbu.io.writers import write_text

    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / "figures.csv", as_csv(rows))
    write_text(folder / "index.html", as_html(rows, failed))


def as_csv(rows: Rows) -> str:
    """``picture, method, width, height, kind``, one column a measure, and one a class: ``IoU NAME``."""
    lines = [_line(row, method, one) for row in rows for method, one in row["metrics"].items()]
    heads = list(dict.fromkeys(key for line in lines for key in line))
    out = io.StringIO()
    writer = csv.DictWriter(out, heads, lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return out.getvalue()


def _line(row: dict[str, Any], method: str, one: dict[str, Any]) -> dict[str, Any]:
    facts = {"picture": row["name"], "method": method} | {name: row[name] for name in ("width", "height", "kind")}
    measures = {name: value for name, value in one.items() if name != "classes"}
    return facts | measures | {f"IoU {name}": value for name, value in one.get("classes", {}).items()}


def as_html(rows: Rows, failed: list[dict[str, str]]) -> str:
    """Means over the pictures, every picture, every class, and what could not be measured."""
    parts = [
        f"<p>{escape(_legend(_measures(rows)))}</p>",
        *("<h2>Mean over the pictures</h2>", _means(rows), "<h2>Pictures</h2>", _pictures(rows)),
    ]
    if any(one.get("classes") for row in rows for one in row["metrics"].values()):
        parts += ["<h2>Classes, mean IoU over the pictures that have them</h2>", _classes(rows)]
    if failed:
        parts += ["<h2>Not measured</h2>", table([[one["name"], one["error"]] for one in failed], ["picture", "why"])]
    return document(f"GS-JBU measured on {counted(len(rows), 'picture')}", parts)


def _legend(measures: list[str]) -> str:
    parts = []
    for way in ("lower is better", "higher is better"):
        names = [name for name in measures if direction(name) == way]
        told = (f"{name} ({UNITS[name]})" if name in UNITS else name for name in names)
        parts += [f"{way.capitalize()}: {', '.join(told)}."] if names else []
    return " ".join([*parts, "★ is best."])


def _measures(rows: Rows) -> list[str]:
    found = (name for row in rows for one in row["metrics"].values() for name in one if name != "classes")
    return list(dict.fromkeys(found))


def _methods(rows: Rows) -> list[str]:
    return list(dict.fromkeys(method for row in rows for method in row["metrics"]))


def _means(rows: Rows) -> str:
    measures, methods = _measures(rows), _methods(rows)
    values = {
        m: [_mean(row["metrics"][m].get(n) for row in rows if m in row["metrics"]) for n in measures] for m in methods
    }
    return table([[m, *_marked(values, m, measures)] for m in methods], ["method", *measures])


def _marked(values: dict[str, list[float | None]], method: str, measures: list[str]) -> list[str]:
    out = []
    for n, name in enumerate(measures):
        there = [column[n] for column in values.values() if column[n] is not None]
        best = (max if MORE_IS_BETTER[name] else min)(there, default=None)  # type: ignore[type-var]
        mark = " ★" if best is not None and values[method][n] == best else ""
        out.append(number(values[method][n]) + mark)
    return out


def _pictures(rows: Rows) -> str:
    measures = _measures(rows)
    body = [
        [row["name"], method, *(number(one.get(n)) for n in measures)]
        for row in rows
        for method, one in row["metrics"].items()
    ]
    return table(body, ["picture", "method", *measures])


def _classes(rows: Rows) -> str:
    methods = _methods(rows)
    names = dict.fromkeys(name for row in rows for one in row["metrics"].values() for name in one.get("classes", {}))
    body = [
        [name, *(number(_mean(row["metrics"][m].get("classes", {}).get(name) for row in rows)) for m in methods)]
        for name in names
    ]
    return table(body, ["class", *methods])


def _mean(values: Iterable[float | None]) -> float | None:
    there = [value for value in values if value is not None]
    return sum(there) / len(there) if there else None
