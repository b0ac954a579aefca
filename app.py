"""Start the server: ``python app.py`` → http://127.0.0.1:8000."""

from __future__ import annotations

import os

if __name__ == "__main__":
    # torch reads it as it is loaded; see gsjbu/threads.py
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")

    from gsjbu.server.cli import main

    raise SystemExit(main())
