"""Start the server: ``python app.py`` → http://127.0.0.1:8000."""

from __future__ import annotations

import os


def main() -> int:
    """Serve until SIGTERM or Ctrl+C."""
    import sys

    from gsjbu.extras import lacking

    if why := lacking("server", "The page"):
        print(f"app.py: {why}", file=sys.stderr)
        return 2
    from gsjbu.server.cli import main as serve

    return serve()


if __name__ == "__main__":
    # torch reads it as it is loaded; see gsjbu/core/threads.py
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")

    from gsjbu import entry

    raise SystemExit(entry.run("app.py", main))
