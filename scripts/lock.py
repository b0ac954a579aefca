"""Writes requirements.lock: requirements.txt and all that it needs, with hashes, for every system.

``pip install torch==… torchvision==…`` comes first, from the index that has the build for the machine; what only
torch's builds need (CUDA, triton) comes with it and is not listed. Then
``pip install --require-hashes --no-deps -r requirements.lock`` installs the rest, byte for byte what was resolved.

    python scripts/lock.py            needs uv; asks the package index
    python scripts/lock.py --check    asks nobody: every pin of requirements.txt is in the lock, with hashes
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PINS, LOCK = ROOT / "requirements.txt", ROOT / "requirements.lock"
HEAD = "# Made by scripts/lock.py from requirements.txt; torch and torchvision are installed before, see there.\n"
OF_TORCH = re.compile(r"(torch|torchvision|triton|nvidia-.*|cuda-.*)==")


def blocks(text: str) -> list[str]:
    """The entries of a lock file: a pin and the lines of hashes that belong to it."""
    return re.findall(r"^[A-Za-z0-9].*\n(?:[ \t].*\n?)*", text, re.MULTILINE)


def resolved() -> str:
    """What uv makes of the pins, for Python 3.11 and later on any system, without what torch brings itself."""
    command = [
        "uv",
        "pip",
        "compile",
        str(PINS),
        "--universal",
        "--python-version",
        "3.11",
        "--generate-hashes",
    ]
    done = subprocess.run([*command, "--no-header", "--no-annotate", "-q"], capture_output=True, text=True, check=True)
    return HEAD + "".join(block for block in blocks(done.stdout) if not OF_TORCH.match(block))


def faults() -> list[str]:
    """What is wrong with the lock beside the pins, a sentence each."""
    entries = {block.split("==")[0].lower(): block for block in blocks(LOCK.read_text("utf-8"))}
    found = [f"{name} has no hash." for name, block in entries.items() if "--hash=sha256:" not in block]
    for line in PINS.read_text("utf-8").splitlines():
        pin = line.split("#")[0].strip()
        if pin and not OF_TORCH.match(pin):
            name = pin.split("==")[0]
            if not entries.get(name, "").startswith(pin):
                found.append(f"{pin} is not in the lock; run python scripts/lock.py.")
    return found


def main() -> int:
    """Write or check; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="only compare the lock with the pins")
    if not parser.parse_args().check:
        LOCK.write_text(resolved(), "utf-8")
    found = faults()
    print("\n".join(found) or f"{LOCK.name}: {len(blocks(LOCK.read_text('utf-8')))} packages", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
