"""``python -m gsjbu`` is the command ``gsjbu``."""

import sys

from gsjbu.cli import main

if __name__ == "__main__":
    sys.exit(main())
