"""``python -m gsjbu`` is the command ``gsjbu``."""

import sys

from gsjbu import entry


def main() -> int:
    """The command ``gsjbu``."""
    return entry.run("gsjbu", _command)


def _command() -> int:
    from gsjbu.cli import main as command

    return command()


if __name__ == "__main__":
    sys.exit(main())
