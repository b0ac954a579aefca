#!/bin/sh
# Prints the Chromium (or Chrome) that the browser tests drive, after installing one where that is possible:
# Debian's package as root, Playwright's own build elsewhere. Prints an empty line for Playwright's own.
set -u
find_browser() {
    for candidate in "${GSJBU_CHROMIUM:-}" chromium chromium-browser google-chrome google-chrome-stable \
        "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome" /Applications/Chromium.app/Contents/MacOS/Chromium; do
        if [ -n "$candidate" ] && command -v "$candidate" 2>/dev/null; then return 0; fi
    done
    return 1
}
find_browser && exit 0
if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    echo "installing Debian's chromium for the browser tests …" >&2
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends chromium; } >&2 </dev/null && find_browser && exit 0
fi
echo "no Chromium found; trying Playwright's own build …" >&2
if "${PYTHON:-python3}" -m playwright install chromium >&2 </dev/null; then
    echo ""
    exit 0
fi
echo "The browser tests need Chromium or Chrome and none could be installed from here: install one (Debian: apt-get install chromium), then call make test again." >&2
exit 1
