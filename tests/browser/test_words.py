"""Words: one file per language, none missing, none unused, and the page readable in each."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page

from tests.browser.hands import ROOT, Server, Watch, npy_file, shown, state, tab

pytestmark = pytest.mark.address("resolution=128")

LANG = ROOT / "static" / "lang"
OTHERS = sorted(p.stem for p in LANG.glob("*.json") if p.stem != "en")


def words(code: str) -> dict[str, str]:
    """A language's strings."""
    text: dict[str, str] = json.loads((LANG / f"{code}.json").read_text("utf-8"))
    return text


def sources() -> str:
    """All of the page's own code."""
    files: list[Path] = [*(ROOT / "static" / "js").glob("*.js"), *(ROOT / "templates").glob("*.html")]
    return "\n".join(f.read_text("utf-8") for f in files)


def used() -> set[str]:
    """Every quoted key in the page's code; file names look like keys and are none."""
    families = {key.split(".")[0] for key in words("en")}
    quoted = set(re.findall(r"""["']([a-z]+(?:\.[A-Za-z0-9_]+)+)["']""", sources()))
    return {q for q in quoted if q.split(".")[0] in families and not q.endswith((".js", ".png", ".json"))}


def test_every_string_is_there_and_used() -> None:
    have = set(words("en"))
    assert used() - have == set(), "used, but not in en.json"
    assert have - used() == set(), "in en.json, but not used"


@pytest.mark.parametrize("code", OTHERS)
def test_languages_have_the_same_strings(code: str) -> None:
    english, other = words("en"), words(code)
    assert set(english) == set(other)
    for key in english:
        names = sorted(set(re.findall(r"\{\w+\}", english[key])))
        assert sorted(set(re.findall(r"\{\w+\}", other[key]))) == names, f"{key}: other values to fill in"


def test_templates_hold_no_words() -> None:
    """Text in the template is a language's file's business; names and formulas are not text."""
    html = (ROOT / "templates" / "index.html").read_text("utf-8")
    body = re.sub(r"<(script|noscript|title|pre|svg)\b.*?</\1>", "", html[html.index("<body") :], flags=re.S)
    texts = [t.strip() for t in re.findall(r">([^<]+)<", body) if t.strip()]
    assert set(texts) <= {"Upsample Anything", "×", "−", "+", "1×", "1:1"}


def test_no_inline_script_or_style() -> None:
    html = (ROOT / "templates" / "index.html").read_text("utf-8")
    assert not re.search(r"\sstyle=|\son\w+=|<style|javascript:", html)
    assert re.findall(r"<script(?![^>]*\ssrc=)", html) == []
    assert not re.search(r"(?:src|href)=\"(?:https?:)?//", html)


def test_switching_language_keeps_everything(page: Page) -> None:
    job = shown(page)
    title = page.inner_text("#verdict")
    page.click("#language")
    page.wait_for_selector("html[lang=zh-Hans]")
    page.wait_for_function("before => document.getElementById('verdict').textContent !== before", arg=title)
    assert page.inner_text("#verdict").startswith("GS-JBU 比双线性"), "letters of two kinds stand apart"
    assert page.inner_text("#run") == words("zh")["run.button"]
    assert page.inner_text("[data-setting=stride] label") == "步幅"
    assert page.evaluate("document.body.dataset.job") == job, "no new run for new words"
    for group in ("features", "kernel", "rgb"):
        page.click(f"#tab-{group}")
        page.wait_for_selector(f"#tab-{group}[aria-selected=true]")
    # nothing on the page is left in English but what says so, and names
    left = page.evaluate(
        """() => {
          const out = [];
          const skip = '[hidden], [lang=en], pre, [data-setting=backbone] option, [data-setting=segmentation] option,'
            + 'details:not([open]) > :not(summary)';
          const walk = document.createTreeWalker(document.querySelector('main'), NodeFilter.SHOW_TEXT);
          while (walk.nextNode()) {
            const node = walk.currentNode;
            const hidden = node.parentElement.closest(skip);
            if (!hidden && /[a-z]{4,}/.test(node.textContent)) out.push(node.textContent.trim());
          }
          return out;
        }"""
    )
    known = re.compile(r"^(picture|camera|.*ResNet.*|.*torch.*|.*fused.*|.*attention.*|\.npy.*)", re.I)
    assert [text for text in left if not known.match(text)] == []


def test_the_language_is_remembered(chromium: Browser, server: Server, watch: Watch) -> None:
    """By the browser's preference at first, then by the last choice, and the address above both."""
    context = chromium.new_context(locale="zh-CN", viewport={"width": 1440, "height": 900})
    context.on("page", watch.follow)
    page = context.new_page()
    page.goto(f"{server.url}/?resolution=128&features=off")
    shown(page)
    assert page.get_attribute("html", "lang") == "zh-Hans"
    page.click("#language")
    page.wait_for_selector("html[lang=en]")
    page.goto(f"{server.url}/?resolution=128&features=off")
    shown(page)
    assert page.get_attribute("html", "lang") == "en"
    page.goto(f"{server.url}/?resolution=128&features=off&lang=zh")
    shown(page)
    assert page.get_attribute("html", "lang") == "zh-Hans"
    assert state(page, "settings.stride") == 16
    context.close()


def test_a_browser_that_keeps_nothing_only_forgets(chromium: Browser, server: Server, watch: Watch) -> None:
    """As Chrome is where all site data is blocked: the very name throws."""
    context = chromium.new_context(locale="en-GB", viewport={"width": 1440, "height": 900})
    context.add_init_script(
        """for (const name of ['localStorage', 'sessionStorage', 'indexedDB', 'caches'])
             Object.defineProperty(window, name, { get() { throw new DOMException('blocked', 'SecurityError'); } });"""
    )
    context.on("page", watch.follow)
    page = context.new_page()
    page.goto(f"{server.url}/?resolution=128&features=off")
    shown(page)
    page.click("#language")
    page.wait_for_selector("html[lang=zh-Hans]")
    page.goto(f"{server.url}/?resolution=128&features=off")
    shown(page)
    assert page.get_attribute("html", "lang") == "en"
    context.close()


def test_chinese_has_one_word_for_one_thing() -> None:
    """上采样, 图像 and 导入; lists by 、 and signs of full width between Chinese characters."""
    for file in (LANG / "zh.json", LANG / "said" / "zh.json"):
        for text in json.loads(file.read_text("utf-8")).values():
            assert not re.search("升采样|图片|带入|千像素", text), text
            assert not re.search(r"[\u4e00-\u9fff][,;:?!]|[,;:?!][\u4e00-\u9fff]", text), text


@pytest.mark.address("resolution=128&features=off&lang=zh&stride=0&radius=0")
def test_lists_are_joined_as_in_chinese(page: Page) -> None:
    assert "步幅 = 0、半径 = 0" in page.inner_text("#notice p")
    assert "步幅：16；迭代：10" in (page.text_content("#ran-more") or "")
    assert "，1 " not in (page.text_content("#ran-more") or "")


@pytest.mark.address("resolution=128&features=off&lang=zh")
def test_a_brought_signal_is_worded_as_what_it_is(page: Page) -> None:
    """As the English titles are: classes like a segmentation, features explained like features."""
    rng = np.random.default_rng(0)
    job = shown(page)
    for kind, values, title, sentence in (
        (
            "labels", rng.integers(0, 3, (16, 16), np.uint8), "类别，自动",
            "同样的得分，用最适合它们的方法，再取最强的类别。",
        ),
        (
            "features", rng.standard_normal((8, 16, 16), np.float32), "信号，自动",
            "8 个通道最强的三个方向作为红、绿、蓝；颜色相同即特征相同。",
        ),
        ("depth", 7 * rng.random((16, 16), np.float32), "信号，自动", "导入信号的数值；各图同一标尺。"),
    ):  # fmt: skip
        page.set_input_files("#signal-file", npy_file(f"{kind}.npy", values))
        job = shown(page, job)
        assert state(page, "signal.kind") == kind
        tab(page, "signal")
        assert page.get_attribute("#right", "title") == title, kind
        assert page.text_content("#caption") == sentence, kind


def test_a_scenes_classes_and_the_difference_of_shares_in_words(page: Page) -> None:
    job = shown(page)
    page.select_option("[data-setting=segmentation] select", "labels")
    shown(page, job)
    tab(page, "segmentation")
    assert "red ball" in page.inner_text("#legend")
    page.evaluate(
        """() => import('/static/js/state.js').then(({state, set}) => set({result: {...state.result, metrics: {
          ...state.result.metrics, segmentation: {bilinear: {miou: 0.5}, auto: {miou: 0.571}}}}}))"""
    )
    assert "by 7.1 percentage points (mIoU" in page.inner_text("#verdict")
    page.click("#language")
    page.wait_for_selector("html[lang=zh-Hans]")
    assert "7.1 个百分点" in page.inner_text("#verdict")
    page.wait_for_function("() => document.getElementById('legend').textContent.includes('红球')")
