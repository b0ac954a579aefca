#!/bin/sh
# Prints the Chromium (or Chrome) that the browser tests drive, after installing one where that is possible:
# Debian's package as root, Playwright's own build elsewhere. Prints an empty line for Playwright's own.
# The headless shell comes first: it keeps no windows, and the tests take two thirds of the time.
set -u
find_browser() {
    for candidate in "$@"; do
        if [ -n "$candidate" ] && command -v "$candidate" 2>/dev/null; then return 0; fi
    done
    return 1
}
find_any() {
    find_browser chromium chromium-browser google-chrome google-chrome-stable \
        "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome" /Applications/Chromium.app/Contents/MacOS/Chromium
}
install() {
    DEBIAN_FRONTEND=noninteractive apt-get -qq -o Acquire::Retries=1 -o Acquire::http::Timeout=20 "$@" >&2 </dev/null
}
find_browser "${GSJBU_CHROMIUM:-}" chromium-headless-shell && exit 0
if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    for package in chromium-headless-shell chromium; do
        if [ "$package" = chromium ] && find_any; then exit 0; fi
        echo "installing Debian's $package for the browser tests …" >&2
        install install -y --no-install-recommends "$package" ||
            { install update && install install -y --no-install-recommends "$package"; }
        find_browser "$package" && exit 0
    done
fi
find_any && exit 0
echo "no Chromium found; trying Playwright's own build …" >&2
if "${PYTHON:-python3}" -m playwright install chromium >&2 </dev/null; then
    echo ""
    exit 0
fi
echo "The browser tests need Chromium or Chrome and none could be installed from here: install one (Debian: apt-get install chromium), then call make test again." >&2
exit 1
