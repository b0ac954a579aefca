"""What a reader of a guide does: its marked blocks as one script, in a folder that looks like the repository."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

#: What a reader in the repository's root sees.
LINKED = ("gsjbu", "examples", "integrations", "hubconf.py", "static", "templates")


def script_of(text: str) -> str:
    """The blocks of a guide, in order, as one shell script; Python blocks in a row are one program."""
    parts: list[tuple[str, str]] = []
    for language, body in re.findall(r"^```(sh|python) run\n(.*?)^```", text, re.M | re.S):
        if parts and parts[-1][0] == language:
            body = parts.pop()[1] + body
        parts.append((language, body))
    script = ["set -euo pipefail", "trap 'kill $(jobs -p) 2>/dev/null || true' EXIT"]
    for number, (language, body) in enumerate(parts):
        script.append(body if language == "sh" else f"python - <<'BLOCK{number}'\n{body}BLOCK{number}")
    return "\n".join(script)


def follow(script: str, root: Path, folder: Path, python: str) -> str:
    """Run ``script`` in ``folder`` made into the reader's repository, where `python` and `gsjbu` are ``python``'s.

    Returns what it printed.
    """
    for name in LINKED:
        (folder / name).symlink_to(root / name)
    tools = folder / "bin"
    tools.mkdir()
    (tools / "python").write_text(f'#!/bin/sh\nexec "{python}" "$@"\n')
    (tools / "gsjbu").write_text(f'#!/bin/sh\nexec "{python}" -m gsjbu "$@"\n')
    for tool in tools.iterdir():
        tool.chmod(0o755)
    path = os.pathsep.join([str(tools), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-c", script], cwd=folder, env={**os.environ, "PATH": path, "PYTHONPATH": str(folder)},
        capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done.stdout
