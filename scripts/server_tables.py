"""The tables of docs/server.md, from the code: limits with their defaults, codes with their statuses.

python -m scripts.server_tables          rewrites them in place
"""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

from gsjbu.server.codes import CODES
from gsjbu.server.limits import GIB, KIB, MIB, Limits

PAGE = Path(__file__).resolve().parents[1] / "docs" / "server.md"


def limits() -> str:
    """One row a limit."""
    rows = ["| limit | default | what it bounds |", "|---|---|---|"]
    for f in fields(Limits):
        default = "by the cores" if f.name == "running_jobs" else _said(f.default, f.metadata["unit"])
        rows.append(f"| `{f.name}` | {default} | {f.metadata['description']} |")
    return "\n".join(rows)


def codes() -> str:
    """One row a code."""
    rows = ["| code | status | when |", "|---|---|---|"]
    rows += [f"| `{code}` | {status} | {when} |" for code, (status, when) in CODES.items()]
    return "\n".join(rows)


def filled(page: str) -> str:
    """The page with both tables as they are now."""
    for name, table in (("limits", limits()), ("codes", codes())):
        pattern = rf"(<!-- {name} -->\n).*?(\n<!-- end -->)"
        page = re.sub(pattern, lambda found, table=table: found[1] + table + found[2], page, flags=re.DOTALL)
    return page


def _said(value: float, unit: str) -> str:
    if unit != "bytes":
        return f"{value:,} {unit}".replace(",", " ")
    for size, name in ((GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")):
        if value >= size:
            return f"{value / size:g} {name}"
    return f"{value:g} bytes"


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text("utf-8")), "utf-8")
