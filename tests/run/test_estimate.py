"""The estimate's shape: what costs more must be said to cost more, and advice must really save."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

import gsjbu
from gsjbu.errors import GsjbuError, SettingError, ShapeError
from gsjbu.settings import Settings

HD = (2160, 3840)


def seconds(**settings: int | str | bool) -> float:
    return gsjbu.estimate(*HD, Settings.parse({"resolution": 2048, **settings}), threads=1).seconds


def test_more_work_costs_more() -> None:
    assert seconds(iters=100) > seconds(iters=50) > seconds(iters=0)
    assert seconds(radius=4) > seconds(radius=2) > seconds(radius=1)
    assert seconds(stride=4) > seconds(stride=16)
    assert seconds(resolution=4096) > seconds(resolution=1024) > seconds(resolution=256)
    assert seconds(methods="all") > seconds(methods="pair")
    assert seconds(features=True) > seconds(features=False)


def test_more_threads_cost_less() -> None:
    one = gsjbu.estimate(*HD, resolution=2048, iters=200, threads=1)
    all_of_them = gsjbu.estimate(*HD, resolution=2048, iters=200)
    assert all_of_them.seconds <= one.seconds
    assert one.threads == 1


def test_stages_add_up_and_memory_grows_with_the_picture() -> None:
    small, large = gsjbu.estimate(256, 256), gsjbu.estimate(*HD, resolution=4096)
    assert small.seconds == pytest.approx(sum(small.stages.values()))
    assert large.bytes > 10 * small.bytes > 0


def test_the_resolution_bounds_the_picture() -> None:
    usual = gsjbu.estimate(8192, 8192, Settings()).seconds
    assert usual == pytest.approx(gsjbu.estimate(512, 512).seconds)
    assert usual == pytest.approx(gsjbu.estimate(8192, 8192, resolution=512).seconds)


def test_named_settings_without_a_resolution_are_for_the_whole_image() -> None:
    """``fit`` does not reduce an image, so what is asked before a fit must not either."""
    assert gsjbu.estimate(2048, 2048).stages["fit"] > 10 * gsjbu.estimate(512, 512).stages["fit"]


@pytest.mark.parametrize("size", [(0, 5), (5, -3)])
def test_an_image_without_pixels_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ShapeError, match="at least one pixel"):
        gsjbu.estimate(*size)


def test_a_quick_run_needs_no_advice() -> None:
    assert gsjbu.estimate(256, 256, iters=1).advice == []


def test_advice_saves_what_it_says() -> None:
    settings = Settings.parse({"resolution": 4096, "iters": 1000, "radius": 8, "stride": 2})
    slow = gsjbu.estimate(*HD, settings, threads=1)
    assert slow.advice
    assert [a.seconds for a in slow.advice] == sorted(a.seconds for a in slow.advice)
    for advice in slow.advice:
        then = gsjbu.estimate(*HD, replace(settings, **{advice.setting: advice.value}), threads=1)
        assert then.seconds == pytest.approx(advice.seconds)
        assert then.seconds < slow.seconds or then.bytes < slow.bytes
        assert str(advice.value).lower() in advice.sentence.lower() or advice.value is False


def test_advice_tells_what_changes_alone() -> None:
    slow = gsjbu.estimate(512, 512, iters=1000, stride=2, threads=1)
    said = {advice.setting: advice.sentence for advice in slow.advice}
    assert re.fullmatch(r"Set iterations to \d+: about [\d.]+ s instead of [\d.]+ s\.", said["iters"])
    sides = [(n, m) for n in (512, 1024, 2048, 4096) for m in (1, 1000)]
    told = [a.sentence for n, m in sides for a in gsjbu.estimate(n, n, iters=m, resolution=4096, threads=1).advice]
    assert any(" GB instead of " in sentence for sentence in told)
    for sentence in told:
        pairs = re.findall(r"([\d.]+ \w+) instead of ([\d.]+ \w+)", sentence)
        assert pairs and all(before != after for after, before in pairs), sentence


def test_bad_settings_are_refused_as_by_a_run() -> None:
    with pytest.raises(SettingError, match="stride is 0"):
        gsjbu.estimate(100, 100, stride=0)


def test_without_the_fused_kernel_the_estimate_says_attention(monkeypatch: pytest.MonkeyPatch) -> None:
    from gsjbu.core.backends import dispatch

    fused = gsjbu.estimate(512, 512, threads=1)
    monkeypatch.setattr(dispatch.warm_up, "state", "failed")
    other = gsjbu.estimate(512, 512, threads=1)
    assert (fused.backend, other.backend) == ("fused", "attention")
    assert other.seconds > fused.seconds


def test_named_settings_go_before_those_that_are_given_together() -> None:
    named = gsjbu.estimate(512, 512, iters=900)
    for together in (Settings(iters=5, resolution=512), {"iters": 5}):
        assert gsjbu.estimate(512, 512, together, iters=900).stages == pytest.approx(named.stages)


def test_a_brought_signal_sets_the_grid() -> None:
    """The LR grid is the signal's: a fine one costs what a fine stride costs, and the stride changes nothing."""
    plain = gsjbu.estimate(480, 640, iters=50)
    fine = gsjbu.estimate(480, 640, iters=50, lr_size=(240, 320), channels=1)
    assert fine.stages["fit"] > 3 * plain.stages["fit"]
    same = gsjbu.estimate(384, 512, iters=50, lr_size=(192, 256), channels=3, objective="rgb")
    assert same.stages == pytest.approx(gsjbu.estimate(384, 512, iters=50, stride=2).stages)
    suited = gsjbu.estimate(384, 512, iters=50, lr_size=(192, 256), channels=3)
    assert suited.stages["fit"] > 1.2 * same.stages["fit"], "it has a fit of its own"
    again = gsjbu.estimate(480, 640, iters=50, lr_size=(240, 320), channels=1, stride=64)
    assert again.seconds == pytest.approx(fine.seconds)
    slow = gsjbu.estimate(4096, 4096, resolution=4096, iters=500, lr_size=(2000, 2000), channels=21, threads=1)
    assert "stride" not in [a.setting for a in slow.advice]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"channels": -1}, "channels is -1; it must be a whole number from 1"),
        ({"channels": "a"}, "channels is 'a'"),
        ({"height": 1.5}, "1.5 rows × 64 columns; it needs a whole number"),
        ({"width": None}, "64 rows × None columns; it needs a whole number"),
        ({"lr_size": 5}, "lr_size is 5; it must be two whole numbers"),
        ({"lr_size": (0, 3)}, "lr_size is"),
        ({"threads": 0}, "threads is 0; it must be a whole number from 1"),
    ],
)
def test_what_is_no_count_is_refused(words: dict[str, Any], said: str) -> None:
    with pytest.raises(GsjbuError, match=said):
        gsjbu.estimate(**{"height": 64, "width": 64} | words)
