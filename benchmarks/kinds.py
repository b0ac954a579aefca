"""How often the guess of a signal's kind is right: ``python -m benchmarks.kinds``.

Rows are what the signals are, columns what they were taken for; below, every one that was taken for something else,
with the reason that a person is shown.
"""

from __future__ import annotations

import sys
from collections import Counter

from benchmarks.brought import known_signals
from benchmarks.scenes import DATA
from gsjbu.io.kinds import KINDS
from gsjbu.io.signals import understand

#: What the issue of the guess is held to.
LEAST = 0.97


def main() -> int:
    """Print the table; 1 if too many are wrong."""
    if not DATA.is_dir():
        print(f"There is no {DATA}: nothing to measure with.")
        return 0
    table: Counter[tuple[str, str]] = Counter()
    wrong = []
    for known in known_signals():
        signal = understand(known.content, size=known.size)
        table[known.kind, signal.kind] += 1
        if signal.kind != known.kind:
            unsure = f", or {signal.runner_up}" if signal.runner_up else ""
            wrong.append(f"{known.name}: {known.kind}, taken for {signal.kind}{unsure} ({signal.reason})")
    print_table(table)
    print("\n".join(wrong))
    total, right = table.total(), sum(n for (is_, taken), n in table.items() if is_ == taken)
    print(f"{right} of {total} right, {100 * right / total:.1f} %.")
    return 0 if right >= LEAST * total else 1


def print_table(table: Counter[tuple[str, str]]) -> None:
    """Markdown, so that it can go into the docs as it is."""
    print("| is | " + " | ".join(f"taken for {kind}" for kind in KINDS) + " |")
    print("|---" * (len(KINDS) + 1) + "|")
    for is_ in KINDS:
        counts = (str(table[is_, taken] or "·") for taken in KINDS)
        print(f"| {is_} | " + " | ".join(counts) + " |")


if __name__ == "__main__":
    sys.exit(main())
