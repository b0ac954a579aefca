"""Local models on the page: listed, run by the real classes, their panels, legend and status shown."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Browser

from tests import tiny_models
from tests.browser.hands import Server, Watch, shown, state, tab, visit


def test_local_models(chromium: Browser, tmp_path: Path) -> None:
    """A tiny Mask2Former, DINOv2 and ResNet in a folder of models."""
    for name in ("mask2former", "dinov2", "resnet"):
        place = tmp_path / "models" / f"tiny-{name}"
        place.mkdir(parents=True)
        getattr(tiny_models, name)(place)
    server = Server(tmp_path, None, "--models-dir", str(tmp_path / "models"))
    with visit(chromium, server, address="/?resolution=128") as page:
        job = shown(page)

        value = {}
        for setting in ("segmentation", "backbone"):
            found = page.eval_on_selector_all(
                f"[data-setting={setting}] option:enabled", "all => all.map((o) => [o.value, o.textContent])"
            )
            value |= {
                name: v
                for v, text in found
                for name in ("mask2former", "dinov2", "resnet")
                if f"tiny-{name}" in v + text
            }
        assert set(value) == {"mask2former", "dinov2", "resnet"}

        page.select_option("[data-setting=segmentation] select", value["mask2former"])
        job = shown(page, job, timeout=60000)
        tab(page, "segmentation")
        names = page.eval_on_selector_all("#strip .cell", "cells => cells.map((c) => c.dataset.panel)")
        assert {"seg_lr", "seg_bilinear", "seg_gsjbu"} <= set(names)
        legend = page.inner_text("#legend")
        assert any(word in legend for word in tiny_models.CLASSES)
        assert page.is_visible("#said")

        for name in ("dinov2", "resnet"):
            page.select_option("[data-setting=backbone] select", value[name])
            job = shown(page, job, timeout=60000)
            tab(page, "features")
            assert "tiny" in page.inner_text("#said") or name in page.inner_text("#said").lower()
            assert state(page, "result.settings.backbone") == value[name]


def test_random_weights_are_said(chromium: Browser, server: Server, watch: Watch) -> None:
    """Which weights made the features stands beside them, without unfolding anything."""
    context = chromium.new_context(viewport={"width": 1440, "height": 900}, locale="en-GB")
    context.on("page", watch.follow)
    page = context.new_page()
    page.goto(f"{server.url}/?resolution=128")
    shown(page)
    assert not page.is_visible("#said")
    tab(page, "features")
    assert page.inner_text("#said") == state(page, "result.status.features")
    context.close()
