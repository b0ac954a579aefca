"""The HTML report of `gsjbu compare`: one file beside its pictures, no script, nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Any

from gsjbu.measures import MORE_IS_BETTER, direction

STYLE = """
:root { color-scheme: light dark; --line: #8884; --muted: #777; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1200px; margin: 24px auto; padding: 0 16px; }
h1 { font-size: 22px; } h2 { font-size: 17px; margin-top: 32px; border-bottom: 1px solid var(--line); }
.panels { display: grid; grid-template-columns: repeat(auto-fill, minmax(260px, 1fr)); gap: 16px; }
figure { margin: 0; } figure img { width: 100%; background: #808080; image-rendering: auto; display: block; }
figcaption { font-size: 13px; color: var(--muted); } figcaption b { color: CanvasText; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: 4px 16px 4px 0; border-bottom: 1px solid var(--line); }
img.small { image-rendering: pixelated; }
"""
TITLES = {"psnr": "PSNR, dB", "ssim": "SSIM", "l1": "L1"}


def page(name: str, facts: dict[str, Any]) -> str:
    """The whole report on image ``name``; ``facts`` as in result.json."""
    from gsjbu.core.grid import size_text

    image = facts["image"]
    groups: dict[str, list[dict[str, Any]]] = {}
    for panel in facts["panels"]:
        groups.setdefault(panel["group"], []).append(panel)
    parts = [
        f"<p>{size_text(image['height'], image['width'])}, from {size_text(image['lr_height'], image['lr_width'])}, "
        f"on {escape(facts['device'])} ({escape(facts['backend'])}: {escape(facts['backend_reason'])}).</p>",
        *(f"<p><b>{escape(part)}</b>: {escape(str(text))}</p>" for part, text in facts["status"].items()),
        "<h2>Metrics</h2>",
        _metrics(facts["metrics"]),
        *(_group(group, panels) for group, panels in groups.items()),
        "<h2>Settings</h2>",
        table([[name, str(value)] for name, value in facts["settings"].items()], ["setting", "value"]),
    ]
    return document(f"GS-JBU on {name}", parts)


def document(title: str, parts: Iterable[str]) -> str:
    """``parts``, which are HTML, as a page under a ``title``, which is not."""
    title = escape(title)
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{title}</title>\n'
        f"<style>{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n" + "\n".join(parts) + "\n</body>\n</html>\n"
    )


def _metrics(metrics: dict[str, Any]) -> str:
    tables = []
    for group, methods in metrics.items():
        measured = {method: values for method, values in methods.items() if isinstance(values, dict)}
        columns = list(dict.fromkeys(column for values in measured.values() for column in values))
        rows = [[method, *(number(values.get(c)) for c in columns)] for method, values in measured.items()]
        if rows:
            tables.append(table(rows, [group, *map(_head, columns)]))
    return "\n".join(tables)


def _head(column: str) -> str:
    title = TITLES.get(column, column)
    return f"{title}, {direction(column)}" if column in MORE_IS_BETTER else title


def number(value: Any) -> str:
    """A figure as a table has it; None is one that there is not."""
    return f"{value:.4g}" if isinstance(value, int | float) else "–" if value is None else str(value)


def table(rows: list[list[str]], heads: list[str]) -> str:
    """Texts as an HTML table under ``heads``."""
    head = "".join(f"<th>{escape(text)}</th>" for text in heads)
    body = "".join("<tr>" + "".join(f"<td>{escape(text)}</td>" for text in row) + "</tr>\n" for row in rows)
    return f"<table>\n<tr>{head}</tr>\n{body}</table>"


def _group(group: str, panels: list[dict[str, Any]]) -> str:
    largest = max(panel["width"] for panel in panels)
    figures = "\n".join(
        f"<figure><img {'class=small ' if panel['width'] < largest or panel['width'] < 128 else ''}"
        f'src="{escape(panel["file"])}" alt="{escape(panel["title"])}">'
        f"<figcaption><b>{escape(panel['title'])}</b> {escape(panel['sentence'])}</figcaption></figure>"
        for panel in panels
    )
    return f'<h2>{escape(group)}</h2>\n<div class="panels">\n{figures}\n</div>'
