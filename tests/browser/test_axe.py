"""axe-core over every state of the page: WCAG 2.2 A and AA, light and dark, narrow and wide, both languages."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Browser, Page

from tests.browser.hands import ROOT, Server, Watch, choose_pixel, once, painted, set_slider, shown, tab

AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
#: Widths of which the layout differs. The one between hides what the narrowest does or nothing: there it only has to
#: fit. Contrast, half of the work, is looked at in both schemes at the widest alone, which hides nothing.
LOOKS = ((320, "light"), (1440, "light"), (1440, "dark"))
WIDTHS = (320, 768, 1440)
WIDEST = 1440
#: Of all rules these alone ask for colours.
COLOURED = ["color-contrast", "link-in-text-block"]


def violations(page: Page, what: str, contrast: bool = True, colours_alone: bool = False) -> list[str]:
    """What axe finds in the present state, in a line each; ``colours_alone``: what another scheme may change."""
    found: list[dict[str, Any]] = page.evaluate(
        """([only, contrast]) => axe.run(document, {
          runOnly: only, rules: {'color-contrast': {enabled: contrast}},
          resultTypes: ['violations'],
        }).then((r) => r.violations)""",
        [
            {"type": "rule", "values": COLOURED} if colours_alone else {"type": "tag", "values": TAGS},
            contrast,
        ],
    )
    return [f"{what}: {v['id']}: {v['help']}: {n['target']} {n['failureSummary']}" for v in found for n in v["nodes"]]


def sideways(page: Page, what: str) -> list[str]:
    """Whether the present state has to be scrolled sideways, which nothing may need."""
    fits = page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    return [] if fits else [f"{what}: scrolls sideways"]


def every_look(page: Page, what: str, worded: bool = False) -> list[str]:
    """The present state in each look; then in Chinese, which changes no colour, only how long the words are, and which
    axe looks at where there are the most of them (``worded``)."""
    found = []
    for width, scheme in LOOKS:
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        again = (width, scheme) == LOOKS[-1]
        found += violations(page, f"{what}, {width} px, {scheme}", contrast=width == WIDEST, colours_alone=again)
    for language in ("en", "zh"):
        speak(page, language)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            painted(page)  # charts follow their holders
            found += sideways(page, f"{what}, {width} px, {language}")
            if worded and (language, width) == ("zh", 320):
                found += violations(page, f"{what}, {width} px, zh", contrast=False)
    speak(page, "en")
    painted(page)
    return found


def speak(page: Page, language: str) -> None:
    """Change the language, whatever stands over its button."""
    page.evaluate("(code) => import('/static/js/i18n.js').then(({load}) => load(code))", language)


def test_axe(chromium: Browser, server: Server, watch: Watch) -> None:
    """Empty, running, result (each tab, a pixel chosen, everything unfolded), a signal with news, and error."""
    assert AXE.is_file(), "axe-core is missing: run `npm install` (make test does)"
    context = chromium.new_context(viewport={"width": 1440, "height": 900})
    context.on("page", watch.follow)
    page = context.new_page()

    found: list[str] = []
    # empty: the first run is held back
    held = once(page, "**/api/jobs", lambda _: None)
    page.goto(server.url)
    page.wait_for_selector("body[data-ready]")
    page.wait_for_selector("body[data-phase=running]")
    page.evaluate(AXE.read_text("utf-8"))
    found += every_look(page, "empty")
    held[0].continue_()
    shown(page)

    choose_pixel(page, 300, 200)
    page.evaluate("document.querySelectorAll('details:not(.menu)').forEach((d) => { d.open = true; })")
    page.click("#chart-histograms")
    found += every_look(page, "result, all unfolded", worded=True)
    page.evaluate("document.getElementById('settings').open = true")
    for group in ("features", "segments", "kernel", "similarity"):
        tab(page, group)
        found += violations(page, group)
    page.click("#cut")
    found += violations(page, "cut out")
    page.keyboard.press("Escape")

    tab(page, "rgb")
    page.click("#grid")
    page.wait_for_selector("#fourth:visible")
    page.click("#line")
    page.wait_for_selector("#chart .curve")
    found += every_look(page, "grid and profile")
    page.click("#chart-runs")
    page.click("#difference")
    found += violations(page, "difference and runs")
    page.click("#difference")
    page.click("#line")

    # a signal with its truth, whose grid takes the stride's place; and news
    job = shown(page)
    page.click("#truth-scene button[data-what=depth][data-stride='16']")
    job = shown(page, job, timeout=60000)
    page.click("#relief")
    page.wait_for_selector("#relief-dialog[open]")
    found += violations(page, "relief")
    page.keyboard.press("Escape")
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.click(".menu > summary")
    page.click("#copy-link")
    page.hover("#toast p")
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        found += violations(page, f"signal, truth and news, {scheme}", colours_alone=scheme == "light")
    page.click("#toast .close")
    page.click("#truth-drop")
    shown(page, job)

    # running: a long run
    page.evaluate("document.getElementById('settings').open = true")
    for name, value in (("resolution", 512), ("stride", 2), ("radius", 8), ("iters", 1000)):
        set_slider(page, name, value)
    page.wait_for_selector("body[data-phase=waiting]")
    found += violations(page, "waiting")
    page.click("#run")
    page.wait_for_selector("#progress.on")
    found += violations(page, "running")
    page.click("#cancel")
    page.wait_for_selector("body[data-phase=cancelled]")

    # error: a refusal
    watch.expect("status of 4")
    page.set_input_files("#file", {"name": "picture.png", "mimeType": "image/png", "buffer": b"this is no picture"})
    page.wait_for_selector("#notice.error")
    found += every_look(page, "error", worded=True)
    context.close()
    assert found == []
