"""Start the server: ``python app.py`` → http://127.0.0.1:8000."""

from __future__ import annotations

from gsjbu.server.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
