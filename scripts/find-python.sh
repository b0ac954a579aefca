#!/bin/sh
# Prints a Python of at least 3.11 and below 3.15: $PYTHON, or the first of the usual names that will do.
set -u
for candidate in ${PYTHON:-} python3 python3.14 python3.13 python3.12 python3.11 python; do
    if "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' >/dev/null 2>&1; then
        command -v "$candidate"
        exit 0
    fi
done
echo "gsjbu needs Python 3.11, 3.12, 3.13 or 3.14, and none was found: install one, or say PYTHON=/path/to/python3 make …" >&2
exit 1
