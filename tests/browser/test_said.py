"""What the server says in English is said in the page's language: every template, and what real runs make of them."""

from __future__ import annotations

import io
import json
import re
import time
from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image
from playwright.sync_api import Page

from gsjbu.core import devices
from gsjbu.errors import GsjbuError
from gsjbu.io.readers import read
from gsjbu.io.signals import Signal, label, understand
from gsjbu.io.truths import downsampled
from gsjbu.run.estimate import estimate
from gsjbu.run.pipeline import run
from gsjbu.samples import SAMPLES
from gsjbu.settings import Settings, schema
from tests.browser.hands import ROOT, Watch, shown
from tests.npy import npy
from tests.sentences import every_literal, sentences

SAID = ROOT / "static" / "lang" / "said"
#: What sources put together without a word of their own: a picture's mode and form (rasters.py), a kind (signals.py).
MADE = {"{} png", "{} jpeg", "{} webp", *(label(kind) for kind in ("soft_labels", "heat_map"))}
#: Names, which every language writes so; arguments and files are told by their form.
NAMES = set(
    "AVIF CPU Catmull DINOv2 EXIF EXR EfficientNet GB GS HF_HUB_OFFLINE ImageNet JBU JPEG Lite0 "
    "MATLAB NaN PFM PGM PNG Python RGB RMSE ResNet Rom TIFF WebP atan2 attention auto false features fused logits "
    "npy npz pickle probabilities px refine resnet18 small softmax stride true".split()
)


def catalogue(code: str = "zh") -> dict[str, str]:
    """A language's words by template."""
    words: dict[str, str] = json.loads((SAID / f"{code}.json").read_text("utf-8"))
    return words


def test_every_language_but_english_has_a_catalogue() -> None:
    assert {file.stem for file in SAID.iterdir()} == {p.stem for p in SAID.parent.glob("*.json")} - {"en"}


def test_every_sentence_of_the_sources_has_words() -> None:
    known = {template.lower() for template in catalogue()}
    missing = {text: module for text, module in sentences().items() if text.lower() not in known}
    assert missing == {}, "static/lang/said/zh.json lacks them; what the page cannot hear is in tests/sentences.py"


def test_every_setting_and_scene_has_words() -> None:
    """Their single words are no sentences; names of networks and devices are the same everywhere."""
    known = {template.lower() for template in catalogue()}
    needed = {one["label"] for one in schema()} | {one["unit"] for one in schema() if one["unit"]}
    for one in schema():
        if one["name"] not in ("backbone", "segmentation", "device"):
            needed |= {choice["label"] for choice in one["choices"] or []}
    needed |= {name for scene in SAMPLES.values() for name in scene.label_names}
    assert {text for text in needed if text.lower() not in known} == set()


def test_no_words_are_for_what_no_source_says() -> None:
    written = {text.lower() for _, text in every_literal()} | MADE
    assert {template for template in catalogue() if template.lower() not in written} == set()


def test_words_fill_in_every_value() -> None:
    """Holes beside each other are one; {1r} is taken as it is."""
    for template, words in catalogue().items():
        holes = range(1, len(re.findall(r"(?:\{\})+", template)) + 1)
        assert sorted({int(n) for n in re.findall(r"\{(\d+)r?\}", words)}) == list(holes), template


# ------------------------------------------------------------------------------ what is really said


def picture(values: np.ndarray, form: str = "PNG") -> bytes:
    out = io.BytesIO()
    Image.fromarray(values).save(out, form)
    return out.getvalue()


def brought() -> tuple[dict[str, bytes], dict[str, bytes]]:
    """Signals of many kinds on 12 × 16 cells, by file name; and files that are refused."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0:12, 0:16]
    depth = (1000 + 40 * x + 10 * y).astype(np.uint16)
    depth[2:4, 3:9] = 0
    labels = (x // 4 + y // 4 * 3).astype(np.uint8)
    labels[0] = 255
    shares = rng.dirichlet(np.ones(5) * 0.3, (12, 16)).transpose(2, 0, 1).astype(np.float32)
    noise = rng.standard_normal((300, 12, 16)).astype(np.float32)
    taken = {
        "depth.png": picture(depth),
        "labels.png": picture(labels),
        "grey.jpg": picture((x * 12).astype(np.uint8), "JPEG"),
        "colours.png": picture(rng.integers(0, 255, (12, 16, 3), np.uint8)),
        "labels.npy": npy(labels.astype(np.int64)),
        "shares.npy": npy(shares),
        "hard.npy": npy(np.eye(4, dtype=np.float32)[labels % 4].transpose(2, 0, 1)),
        "logits.npy": npy((8 * np.sin(x / 3) + 0.5).astype(np.float32)),
        "heat.npy": npy(np.exp(-((x - 8) ** 2 + (y - 6) ** 2) / 20).astype(np.float32)),
        "mask.npy": npy((labels % 2).astype(bool)),
        "gaps.npy": npy(np.where(x > 8, np.nan, 3 + x * 0.2 + y).astype(np.float32)),
        "angles.npy": npy((x * 25 % 360).astype(np.float32)),
        "unit.npy": npy(noise[:3] / np.linalg.norm(noise[:3], axis=0)),
        "tokens.npy": npy(noise[:193, :4].reshape(193, 64)),
        "squashed.npy": npy(noise[:8, :, :12]),
        "large.npy": npy(rng.standard_normal((96, 128)).astype(np.float32)),
        "enlarged.npy": npy(np.kron(rng.standard_normal((12, 16)), np.ones((2, 2))).astype(np.float32)),
    }
    refused = {
        "my holiday in Rome.npy": b"",
        "words.npy": b"hello there",
        "half.npy": npy(shares)[:300],
        "objects.npy": npy(np.array([{}], dtype=object)),
        "batch.npy": npy(noise[:4].reshape(2, 2, 12, 16)),
        "line.npy": npy(np.zeros(7, np.float32)),
        "turned.npy": npy(noise[0].T),
        "tall.npy": npy(rng.standard_normal((30, 12)).astype(np.float32)),
        "nothing.npy": npy(np.full((12, 16), np.nan, np.float32)),
        "complex.npy": npy(shares.astype(np.complex64)),
    }
    return taken, refused


def refusal(work: Callable[[], object]) -> str:
    with pytest.raises(GsjbuError) as refused:
        work()
    return refused.value.message


def of_signal(signal: Signal) -> list[str]:
    return [signal.note, signal.reason, signal.gaps, *signal.doubts]


@pytest.fixture(scope="module")
def texts() -> list[str]:
    """What runs, signals and refusals say, as they say it."""
    taken, refused = brought()
    size = (96, 128)
    signals = [understand(read(data, name=name), size) for name, data in taken.items()]
    out = [text for signal in signals for text in of_signal(signal)]
    out += [refusal(lambda n=name, d=data: understand(read(d, name=n), size)) for name, data in refused.items()]
    out.append(refusal(lambda: understand(read(taken["shares.npy"]), size, kind="labels")))
    out += [refusal(lambda g=given: Settings.parse(g)) for given in ({"stride": 0}, {"features": 3}, {"foo": 1})]  # type: ignore[misc]

    scene = SAMPLES["spheres"]
    small = torch.nn.functional.interpolate(scene.image[None], size, mode="area")[0]
    noisy = (small + 0.2 * torch.randn(small.shape, generator=torch.Generator().manual_seed(0))).clamp(0, 1)
    quick = {"resolution": 128, "iters": 3}
    told = [
        run(small, Settings.parse({**quick, "segmentation": "labels"}), sample=scene),
        run(noisy, Settings.parse({**quick, "backbone": "dinov2-small", "iters": 0})),
        run(small * 6 - 3, Settings.parse({**quick, "objective": "auto", "features": False})),
    ]
    plain = {**quick, "features": False}
    told += [run(small, Settings.parse(plain), signal=signal) for signal in signals if not signal.as_large]
    truth, large = scene.truth("depth"), Settings.parse({**plain, "resolution": 512})
    told.append(run(scene.image, large, signal=downsampled(truth, 16, 16), truth=truth))
    for result in told:
        out += result.status.values()
        out += [panel.title for panel in result.panels] + [panel.sentence for panel in result.panels]
    out += [one.sentence for one in estimate(3000, 4000, Settings.parse({"resolution": 4096})).advice]
    return list(dict.fromkeys(filter(None, out)))


IN_CHINESE = """async (texts) => {
  const { learn, said, inWords } = await import('/static/js/said.js?zh');
  learn(await (await fetch('/static/lang/said/zh.json')).json());
  return texts.map((text) => [said(text), inWords(text).map((part) => part.outerHTML ?? part).join('')]);
}"""


def english(words: str) -> list[str]:
    """The English words in a Chinese text, but for names and what is written as code: files, arguments, settings."""
    bare = re.sub(
        r"\[[^]]*\]|'[^']*'|“[^”]*”|dinov2-small|[\w.]*[./=_(][\w./=,()]*|\b\w+=\S*|现有的设置是.*", " ", words
    )
    return [word for word in re.findall(r"[A-Za-z]{2,}\w*", bare) if word not in NAMES]


def test_what_is_really_said_is_said_in_chinese(still: Page, texts: list[str]) -> None:
    """No English words are left but names, and every figure stays."""
    assert len(texts) >= 80
    wrong = {}
    for text, (words, _) in zip(texts, still.evaluate(IN_CHINESE, texts), strict=True):
        figures = [sorted(re.findall(r"\d+(?:\.\d+)?", one)) for one in (text, words)]
        if english(words.removeprefix("my holiday in Rome.npy")) or figures[0] != figures[1]:
            wrong[text] = words
    assert wrong == {}


def test_readings(still: Page) -> None:
    """The reading that knows most counts; names stay; what is unknown stays, and says that it is English."""
    cases = {
        "my little holiday.png is empty. The server is shutting down.": (
            "my little holiday.png是空的。服务器正在关闭。",
            '<span lang="en">my little holiday.png</span>是空的。服务器正在关闭。',
        ),
        "Nobody has heard of this. The job was cancelled.": (
            "Nobody has heard of this.作业已取消。",
            '<span lang="en">Nobody has heard of this.</span>作业已取消。',
        ),
        "The signal lies off the image by a constant shift, about 3 px right and 2 px up": (
            "信号相对图像有固定偏移，约为向右 3 px 和向上 2 px",
        ),
        "it might be depth: kind=depth says so": ("也可能是深度：可用 kind=depth 说明",),
        "auto, fused": ("自动，fused",),
        "sand and stone.npy": ("sand and stone.npy",),
        "": ("",),
    }
    for (text, expected), found in zip(cases.items(), still.evaluate(IN_CHINESE, list(cases)), strict=True):
        assert found[: len(expected)] == list(expected), text


@pytest.mark.address("resolution=128&features=off&lang=zh")
def test_the_page_says_it(page: Page, watch: Watch) -> None:
    """A signal's card and a run's notes, a refused upload in full, and why there is no accelerator."""
    watch.expect("status of 4")
    job = shown(page)
    depth = np.add.outer(10 * np.arange(16), 40 * np.arange(16)).astype(np.uint16) + 1000
    depth[2:4, 3:9] = 0
    png = {"mimeType": "image/png"}
    page.set_input_files("#signal-file", {"name": "depth.png", "buffer": picture(depth), **png})
    shown(page, job)
    assert "256 格中有 12 格为 0，表示没有值。" in page.inner_text("#signal-reason")
    page.click("#tab-signal")
    page.wait_for_function("() => document.getElementById('said').textContent.includes('信号视为')")
    page.set_input_files("#file", {"name": "words.png", "buffer": b"no picture", **png})
    page.wait_for_selector("#notice.error")
    assert page.inner_text("#notice p") == (
        "words.png：无论文件名是什么，这都不是 JPEG、PNG、WebP 或 AVIF 图像。需要 JPEG、PNG、WebP 或 AVIF 图像。"
    )
    if devices.unavailable_reason("cuda") and devices.unavailable_reason("mps"):
        assert "torch 不含 CUDA" in page.inner_text("#controls-main") or "未发现" in page.inner_text("#controls-main")
    assert page.locator("#said [lang=en], #notice [lang=en], #signal-reason [lang=en]").count() == 0


LISTS = (
    "The file has the channels " + ", ".join(f"class_{i}" for i in range(58)) + ".",
    "; ".join(f"{i} of {i + 1} cells are NaN" for i in range(40)) + ".",
    "x is " * 200 + "; it must be one of auto.",
)


@pytest.mark.parametrize("text", LISTS)
def test_names_with_any_number_of_signs_do_not_hold_up_the_page(still: Page, text: str) -> None:
    """A text has as many readings as its signs to the power of a template's holes."""
    began = time.monotonic()
    assert still.evaluate(IN_CHINESE, [text])
    assert time.monotonic() - began < 15  # 0.1 s on a quiet machine; minutes without a bound
