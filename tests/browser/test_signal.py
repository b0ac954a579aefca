"""A signal beside the picture: depth and labels, shown fittingly; every method in every group; segmentation."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page

import gsjbu
from gsjbu.core.grid import Grid
from gsjbu.io.pictures import decode, shrink
from gsjbu.io.restoring import restored
from gsjbu.io.signals import understand
from gsjbu.samples import SAMPLES
from tests.browser.hands import depth, npy_file, on_stage, shown, state, tab
from tests.npy import npy

pytestmark = pytest.mark.address("resolution=128")

FIRST = next(iter(SAMPLES))


def coarse_depth() -> np.ndarray:
    """The first scene's depth on a grid of 40 × 32 cells (ratios 12.8 and 16)."""
    depth = SAMPLES[FIRST].depth
    return Grid.from_sizes(512, 512, 40, 32).cell_means(depth[None]).numpy()[0].astype(np.float32)


@pytest.mark.address("features=off")
def test_a_depth_map(still: Page) -> None:
    job = shown(still)
    lr = coarse_depth()
    still.set_input_files("#signal-file", npy_file("depth.npy", lr))
    job = shown(still, job)
    assert still.inner_text("#signal-name") == "depth.npy"
    assert "depth" in still.inner_text("#signal-shape")
    assert (state(still, "result.image.lr_width"), state(still, "result.image.lr_height")) == (32, 40)

    assert still.get_attribute("#tab-signal", "aria-selected") == "true", "what was brought is shown"
    assert still.get_attribute("#viewer", "data-left") == "signal_bilinear"
    assert still.get_attribute("#viewer", "data-right") == "signal_auto", "what measured best for a depth"
    words = still.eval_on_selector_all("#strip .words", "all => all.map((one) => one.textContent)")
    assert words == ["Low resolution", "Plain (Bilinear)", "Paper (GS-JBU)", "Adapted (auto)"]
    assert "Adapted (auto) is best for such a signal" in still.inner_text("#measured")
    assert still.locator("#warning").count() == 0
    assert still.locator(".tag .bar").count() == 2, "what the colours mean"
    x, y = 300, 410
    still.mouse.move(*on_stage(still, x + 0.5, y + 0.5))
    still.wait_for_selector(f"#readout[data-x='{x}'][data-y='{y}'][data-exact=true]")
    values = still.eval_on_selector("#readout .value[data-side=right] .numbers", "n => JSON.parse(n.dataset.values)")
    assert len(values) == 1
    assert lr.min() - 1e-4 <= values[0] <= lr.max() + 1e-4, "pure mixing stays within the signal's range"

    tab(still, "rgb")
    still.select_option("[data-setting=methods] select", "all")
    job = shown(still, job)
    assert still.get_attribute("#tab-rgb", "aria-selected") == "true", "only when it is new"
    still.click("#signal-drop")
    shown(still, job)
    assert still.locator("#tab-signal").count() == 0
    assert still.locator("#signal-open").is_visible()


def test_an_objective_chosen_by_hand_holds_for_every_tab_and_is_said(still: Page) -> None:
    job = shown(still)
    still.set_input_files("#signal-file", depth())
    job = shown(still, job)
    assert still.locator("#by-hand").count() == 0
    still.select_option("[data-setting=objective] select", "rgb")
    shown(still, job)
    assert "RGB: reconstruct the image" in still.inner_text("#by-hand")
    assert still.get_attribute("#viewer", "data-right") == "signal_gsjbu"
    for group in ("features", "signal", "rgb"):
        tab(still, group)
        assert not still.eval_on_selector_all("#left option", "all => all.some((o) => o.value.endsWith('auto'))")
        assert still.locator("#by-hand").is_visible()


def test_every_method_in_every_group(still: Page) -> None:
    """The list of methods: bilinear, bicubic, fixed, TTO on RGB and on the signal, for RGB and features."""
    job = shown(still)
    still.select_option("[data-setting=methods] select", "all")
    shown(still, job, timeout=40000)
    for group, name in (("rgb", "{}_rgb"), ("features", "features_{}")):
        tab(still, group)
        options = still.eval_on_selector_all("#left option", "all => all.map((o) => o.value)")
        for method in ("bilinear", "bicubic", "fixed", "tto_rgb", "tto_signal", "gsjbu"):
            assert name.format(method) in options
    tab(still, "rgb")
    rows = still.eval_on_selector_all("#metrics tbody tr", "rows => rows.map((r) => r.dataset.method)")
    assert rows == ["bilinear", "bicubic", "fixed", "gsjbu", "tto_rgb", "tto_signal"]
    still.click("#chart-psnr")
    label = still.get_attribute("#chart svg", "aria-label") or ""
    assert label.count("dB") == 7  # once on the axis, once for each of six


@pytest.mark.address("resolution=512&features=false&iters=1")
def test_the_card_says_what_the_run_has(still: Page) -> None:
    """Over the picture of the moment: tokens of a photo lie in rows over it, and over another in others."""
    shown(still)
    files = []
    for size in ((448, 304), (304, 448)):
        photo = io.BytesIO()
        Image.linear_gradient("L").resize(size).save(photo, "PNG")
        files.append({"name": f"{size}.png", "mimeType": "image/png", "buffer": photo.getvalue()})
    job = shown(still)
    still.set_input_files("#file", files[0])
    job = shown(still, job)
    values = np.random.default_rng(0).standard_normal((1 + 28 * 19, 384), np.float32)
    tokens = npy_file("tokens.npy", values)
    still.set_input_files("#signal-file", tokens)
    job = shown(still, job)
    words = "text => document.getElementById('signal-shape').textContent.startsWith(text)"
    still.wait_for_function(words, arg="384 × 19 × 28 · features")
    assert still.input_value("#signal-kind") == "features"
    still.set_input_files("#file", files[1])
    shown(still, job)
    still.wait_for_function(words, arg="384 × 28 × 19 · features")


@pytest.mark.address("resolution=128&features=off")
@pytest.mark.parametrize("how", ["picker", "drop"])
def test_labels(page: Page, how: str) -> None:
    """Labels come back with a legend, and an .npy may be dropped anywhere."""
    job = shown(page)
    labels = SAMPLES[FIRST].labels[8::16, 8::16].numpy().astype(np.uint8)
    if how == "picker":
        page.set_input_files(
            "#signal-file",
            npy_file("labels.npy", labels),
        )
    else:
        page.evaluate(
            """bytes => {
              const moved = new DataTransfer();
              moved.items.add(new File([new Uint8Array(bytes)], 'labels.npy'));
              dispatchEvent(new DragEvent('drop', {dataTransfer: moved, cancelable: true}));
            }""",
            list(npy(labels)),
        )
    shown(page, job)
    tab(page, "signal")
    assert page.locator("#legend li").count() >= 5
    assert "%" in page.inner_text("#legend")


@pytest.mark.address("resolution=128&features=off")
def test_segmentation_with_exact_labels(still: Page) -> None:
    """Offline, the scene's own labels are upsampled: overlay with adjustable opacity, legend, figures of both."""
    job = shown(still)
    still.select_option("[data-setting=segmentation] select", "labels")
    shown(still, job)
    tab(still, "segmentation")
    assert still.get_attribute("#viewer", "data-right") == "seg_auto"
    assert still.locator("#opacity").is_visible()
    before = still.evaluate("document.getElementById('viewer').opacity")
    still.locator("#opacity").focus()
    still.keyboard.press("Home")
    assert still.evaluate("document.getElementById('viewer').opacity") == 0 != before
    text = still.inner_text("#metrics")
    assert "mIoU" in text and "%" in text
    assert still.get_attribute("#verdict", "data-winner") in ("win", "loss", "tie")
    assert "not a model" in (still.text_content("#ran-more") or "")


def probabilities(data: Path) -> tuple[Path, np.ndarray]:
    """The paper's own sample: a photograph, and what a network says of it at 32 × 32."""
    return data / "probs/ua_2009_003810.jpg", np.load(data / "probs/ua_2009_003810_predlow_probs.npy")


def measured_depth(data: Path) -> tuple[Path, np.ndarray]:
    """A Middlebury scene and its disparities, reduced ×8; cells without any are NaN."""
    truth = np.load(data / "depth/mb05_art/gt.npy").astype(np.float64)
    rows, cols = truth.shape[0] // 8, truth.shape[1] // 8
    cells = truth[: 8 * rows, : 8 * cols].reshape(rows, 8, cols, 8)
    known = np.isfinite(cells).sum(axis=(1, 3))
    lr = np.where(known > 0, np.nansum(cells, axis=(1, 3)) / np.maximum(known, 1), np.nan)
    return data / "depth/mb05_art/rgb.png", lr.astype(np.float32)


@pytest.mark.parametrize("made", [probabilities, measured_depth])
@pytest.mark.address("features=off")
def test_a_photograph_with_its_own_signal_comes_out_as_the_library_has_it(
    still: Page, data_dir: Path, made: Callable[[Path], tuple[Path, np.ndarray]]
) -> None:
    photo, lr = made(data_dir)
    job = shown(still)
    still.set_input_files("#file", str(photo))
    job = shown(still, job)
    still.set_input_files(
        "#signal-file",
        npy_file("signal.npy", lr),
    )
    shown(still, job)
    with still.expect_download() as caught:
        still.click("#download")
    with zipfile.ZipFile(caught.value.path()) as archive:
        through_the_page = np.load(io.BytesIO(archive.read("signal_hr.npy")))

    image = shrink(decode(photo.read_bytes()), 512)
    signal = understand(npy(lr))
    signal = signal.fitted(*image.shape[1:])
    kernel = gsjbu.fit(image, lr_size=lr.shape[-2:], objective="auto", signal=signal.values, kind=signal.kind)
    expected = restored(signal, kernel)
    # In parts of the signal's span: float32 has no more digits for disparities of 200.
    assert np.abs(through_the_page - expected).max() <= 1e-5 * max(1.0, float(np.ptp(expected)))


@pytest.mark.address("resolution=128&features=off")
def test_what_a_signal_is_taken_for_is_said_and_changed(still: Page) -> None:
    job = shown(still)
    still.set_input_files("#signal-file", depth())
    job = shown(still, job)
    before = str(state(still, "signal.id"))
    taken = still.input_value("#signal-kind")
    assert taken == state(still, "signal.kind")
    assert len(still.inner_text("#signal-reason")) > 20, "why"
    other = "heat_map" if taken == "depth" else "depth"
    still.select_option("#signal-kind", other)
    shown(still, job)
    assert state(still, "signal.kind") == other == still.input_value("#signal-kind")
    assert state(still, "signal.id") != before
    assert state(still, "result.signal.kind") == other, "the run is of the signal as it is taken now"
    assert still.inner_text("#signal-name") == "depth.npy"


@pytest.mark.address("resolution=128&features=off")
def test_a_doubt_is_said_once_and_where_to_answer_it(still: Page) -> None:
    """Of the kind, in the page's language; of gaps, in the server's sentence."""
    job = shown(still)
    object_ = np.where(np.hypot(*np.mgrid[-16:16, -16:16]) < 9, 9.0, -9.0).astype(np.float32)
    still.set_input_files("#signal-file", npy_file("mask.npy", object_ + 0.1 * np.arange(32, dtype=np.float32) / 32))
    shown(still, job)
    said = still.inner_text("#signal-reason")
    assert said.endswith("It may be depth, too: choose above.") and "kind=" not in said
    assert said.count("the logits of a mask") == 1


@pytest.mark.address("resolution=128&features=off")
def test_a_warning_is_whole(still: Page) -> None:
    values = np.random.default_rng(0).random((16, 16), np.float32) + 1
    values[3:5, 4:7] = 0
    job = shown(still)
    still.set_input_files("#signal-file", npy_file("holes.npy", values))
    shown(still, job)
    cut = "all => all.filter((p) => p.scrollHeight > p.clientHeight + 1).map((p) => p.textContent)"
    assert still.locator("#said p").count() >= 2
    assert still.eval_on_selector_all("#said p", cut) == []


@pytest.mark.address("resolution=128&features=off")
def test_noise_for_a_signal_is_warned_of(still: Page) -> None:
    job = shown(still)
    still.set_input_files("#signal-file", depth())
    shown(still, job)
    assert "GS-JBU is not expected to help" in still.inner_text("#warning")
    tab(still, "rgb")
    assert still.locator("#warning").count() == 0, "it is about the signal"


@pytest.mark.address("resolution=128&features=off")
def test_a_signal_that_does_not_go_with_the_next_picture_is_named_and_taken_off(still: Page, tmp_path: Path) -> None:
    """And what was on show goes, as it is not of the picture that is chosen."""
    y, x = np.mgrid[:16, :16].astype(np.float32)
    np.save(tmp_path / "my depth.npy", 2 + np.sin(x / 3) + y / 9)
    job = shown(still)
    still.set_input_files("#signal-file", tmp_path / "my depth.npy")
    job = shown(still, job)
    Image.new("RGB", (600, 60), (90, 120, 40)).save(tmp_path / "strip.png")
    still.set_input_files("#file", tmp_path / "strip.png")
    still.wait_for_selector("body[data-phase=failed]")
    said = "my depth.npy (16 rows × 16 columns) does not have the shape of this picture (13 × 128)"
    assert said in still.inner_text("#notice p") and "token" not in still.inner_text("main")
    assert said in still.inner_text("#stage") and "stays on show" not in still.inner_text("#stage")
    assert still.is_hidden("gs-viewer") and still.is_visible("#awaited-picture") and still.is_hidden("#result")
    assert still.locator("#tabs button, #strip li").count() == 0
    still.click("#notice button:has-text('Remove the signal')")
    shown(still, job)
    assert state(still, "signal") is None and state(still, "result.from.name") == "strip.png"
    assert still.is_visible("gs-viewer") and still.is_hidden("#notice")
