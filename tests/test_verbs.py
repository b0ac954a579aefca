"""The verbs: a signal's gradient never changes what it is upsampled to."""

from __future__ import annotations

import inspect
import sys
import warnings

import numpy as np
import pytest
import torch
from torch import Tensor

import gsjbu
from gsjbu.errors import SettingError, ShapeError, SignalError, SignalWarning
from gsjbu.refining import Words
from gsjbu.verbs import FitOptions, RefineOptions
from tests.quarters import quarter

SCENE = quarter("spheres", "depth", 8)
SHARES = quarter("spheres", "labels", 16)
with_holes = SCENE.signal[0].clone()
with_holes[2:6, 3:7] = torch.nan

#: Signals as they are brought, and what is said of them.
BROUGHT = {
    "depth": (SCENE, SCENE.signal[0], {}),
    "depth with gaps": (SCENE, with_holes, {}),
    "depth with gaps that are filled": (SCENE, with_holes, {"fill": True}),
    "logits with a gap": (
        SHARES,
        torch.where(torch.arange(16) == 3, torch.nan, SHARES.signal.clamp_min(1e-4).log()),
        {"kind": "logits"},
    ),
    "shares": (SHARES, SHARES.signal, {}),
    "logits": (SHARES, SHARES.signal.clamp_min(1e-4).log(), {"kind": "logits"}),
    "[h, w, C]": (SHARES, SHARES.signal.permute(1, 2, 0), {}),
    "float64": (SCENE, SCENE.signal.double(), {}),
}


@pytest.mark.parametrize("name", BROUGHT)
def test_a_signal_that_asks_for_a_gradient_has_the_same_values(name):
    scene, signal, words = BROUGHT[name]
    asked = signal.clone().requires_grad_(True)
    plain, high = (gsjbu.upsample(scene.image, one, **words) for one in (signal, asked))
    torch.testing.assert_close(high, plain, atol=0, rtol=0, equal_nan=True)
    assert high.requires_grad and not plain.requires_grad
    high.nan_to_num().square().sum().backward()
    assert asked.grad is not None and asked.grad.isfinite().all() and asked.grad.abs().max() > 0


def test_the_gradient_is_that_of_mixing():
    scene, signal, _ = BROUGHT["depth"]
    asked, again = (signal.clone().requires_grad_(True) for _ in range(2))
    gsjbu.upsample(scene.image, asked)[40:60].sum().backward()
    kernel = gsjbu.fit(scene.image, objective="auto", signal=signal[None], kind="depth", lr_size=tuple(signal.shape))
    kernel.render(again[None])[0, 40:60].sum().backward()
    torch.testing.assert_close(asked.grad, again.grad)


def _levels(top: int, *shape: int) -> Tensor:
    return torch.randint(2, top - 1, shape, generator=torch.manual_seed(0)).float()


def _sum_to_whole(levels: Tensor) -> Tensor:
    return torch.cat([levels, 255 - levels.sum(dim=0, keepdim=True)])


@pytest.mark.parametrize(
    ("kind", "signal"),
    [
        ("depth", _levels(9, 6, 8)),
        ("depth", 1e6 + _levels(9, 6, 8)),  # mixed less an offset
        ("features", torch.rand(2, 6, 8)),
        ("heat_map", torch.rand(6, 8)),
        ("heat_map", _levels(255, 6, 8)),
        ("probabilities", _levels(255, 1, 6, 8)),
        ("probabilities", _sum_to_whole(_levels(120, 2, 6, 8))),
        ("soft_labels", _sum_to_whole(_levels(120, 2, 6, 8))),
        ("soft_labels", _levels(255, 6, 8)),
        ("soft_labels", _levels(65535, 1, 6, 8)),
        ("logits", torch.randn(3, 6, 8)),
        ("logits", torch.randn(6, 8)),
    ],
)
def test_the_gradient_is_that_of_finite_differences(kind, signal):
    signal, image = signal.double(), torch.rand(3, 48, 64, generator=torch.manual_seed(0))

    def high(x: Tensor) -> Tensor:
        return gsjbu.upsample(image, x, kind=kind, iters=0, objective="rgb")[..., 20:28, 20:28].double().square().sum()

    asked = signal.clone().requires_grad_(True)
    high(asked).backward()
    step = torch.zeros_like(signal)
    step[..., 2:4, 2:4] = 1 if (signal == signal.round()).all() else 0.01  # levels are whole numbers
    if signal.ndim == 3 and len(signal) > 1:  # shares stay a whole
        step[-1] = -step[:-1].sum(dim=0)
    assert asked.grad is not None
    expected = float(high(signal + step) - high(signal - step)) / 2
    assert float((asked.grad * step).sum()) == pytest.approx(expected, rel=0.02)


def test_class_numbers_have_no_gradient():
    numbers = SHARES.signal.argmax(dim=0).float()
    with pytest.raises(SignalError, match="no gradient: detach the signal"):
        gsjbu.upsample(SHARES.image, numbers.requires_grad_(True), kind="labels")
    assert gsjbu.upsample(SHARES.image, torch.zeros(4, 4, requires_grad=True)).requires_grad  # a map to be learnt
    with torch.no_grad():
        assert set(gsjbu.upsample(SHARES.image, numbers).unique().tolist()) <= set(numbers.unique().tolist())


@pytest.mark.skipif(sys.platform == "win32", reason="torch.compile wants Linux or macOS")
def test_compiled_code_goes_round_the_verbs():
    scene, signal, _ = BROUGHT["depth"]

    def deeper(x: torch.Tensor) -> torch.Tensor:
        return gsjbu.upsample(scene.image, 2 * x, kind="depth") + 1

    torch.testing.assert_close(torch.compile(deeper, backend="eager")(signal), deeper(signal))


@pytest.mark.parametrize("verb", [gsjbu.upsample, gsjbu.refine])
def test_a_doubt_is_the_callers(verb):
    """Where Python shows a warning once a line, it is the line that called."""
    size = (64, 64) if verb is gsjbu.refine else (16, 16)
    image, doubtful = torch.rand(3, 64, 64), np.random.default_rng(0).integers(0, 6, size)
    with pytest.warns(SignalWarning) as caught:
        verb(image, doubtful)
    assert {one.filename for one in caught if one.category is SignalWarning} == {__file__}


@pytest.mark.parametrize("objective", ["rgb", "signal", "auto", "suited"])
@pytest.mark.parametrize("of", [np.asarray, lambda x: x.numpy()[::-1, :, ::-1].copy()[::-1, :, ::-1], Tensor.tolist])
def test_a_fit_takes_arrays_as_tensors(objective, of):
    image, signal = torch.rand(3, 48, 64), torch.rand(2, 6, 8)
    gsjbu.fit(image, lr_size=(6, 8), iters=1, objective=objective, signal=signal)  # compiled from here on
    one, other = (
        gsjbu.fit(image, lr_size=(6, 8), iters=2, objective=objective, signal=given) for given in (signal, of(signal))
    )
    assert one.losses == other.losses and torch.equal(one.raw, other.raw)


@pytest.mark.parametrize(
    "given",
    [
        torch.rand(3, 48, 64),
        torch.rand(48, 64),
        torch.rand(48, 64, 3).permute(2, 0, 1),
        np.random.default_rng(0).random((48, 64, 3), np.float32),
        np.random.default_rng(0).random((3, 48, 64), np.float32),
    ],
)
def test_a_kernel_owns_its_guide(given):
    kernel = gsjbu.fit(given, 8, iters=0)
    before = kernel.guide.clone()
    given[...] = 0.5
    assert torch.equal(kernel.guide, before) and kernel.guide.is_contiguous()


@pytest.mark.parametrize("objective", ["signal", "auto"])
def test_a_fit_takes_rows_and_columns_for_one_channel(objective):
    image, signal = torch.rand(3, 48, 64), torch.rand(6, 8)
    one, other = (
        gsjbu.fit(image, lr_size=(6, 8), iters=1, objective=objective, signal=given)
        for given in (signal.numpy(), signal[None])
    )
    assert one.losses == other.losses and torch.equal(one.raw, other.raw)
    with pytest.raises(ShapeError, match=r"it must be \[C, 6, 8\] or \[6, 8\]"):
        gsjbu.fit(image, lr_size=(6, 8), iters=1, objective=objective, signal=signal.T)


def test_arrays_that_are_not_writable_are_taken_without_a_word(tmp_path):
    """As np.load gives of bytes, and other libraries of what they hold; torch warns of one once in a process only."""
    chance = np.random.default_rng(0)
    image, low, known = chance.random((48, 64, 3)), chance.random((6, 8)), np.ones((6, 8), bool)
    np.save(tmp_path / "x.npy", image)
    for array in (image, low, known):
        array.setflags(write=False)
    torch.set_warn_always(True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            kernel = gsjbu.fit(image, 8, 1, objective="auto", signal=low, mask=known)
            kernel.render(low[None], mask=known)
            gsjbu.upsample(tmp_path / "x.npy", low, kind="depth", iters=1)
    finally:
        torch.set_warn_always(False)


def test_the_loss_of_rgb_is_the_images_whatever_the_signal():
    image = torch.rand(3, 48, 64)
    losses = [
        gsjbu.fit(image, lr_size=(6, 8), iters=2, objective="rgb", lr_image="area", signal=signal).losses
        for signal in (None, torch.rand(2, 6, 8), 1000 + torch.rand(1, 6, 8))
    ]
    assert losses[1] == pytest.approx(losses[0], rel=1e-5) and losses[2] == pytest.approx(losses[0], rel=1e-5)


def test_a_fit_takes_rows_and_columns_for_a_grid():
    image = torch.rand(3, 48, 64)
    assert gsjbu.fit(image, grid=(6, 9), iters=0).grid == gsjbu.fit(image, lr_size=(6, 9), iters=0).grid
    for wrong in (5, "6x8", (1.5, 2), (6,)):
        with pytest.raises(ShapeError, match=r"grid is .*; it must be two whole numbers from 1, rows and columns"):
            gsjbu.fit(image, grid=wrong, iters=0)
        with pytest.raises(ShapeError, match="it must be two whole numbers from 1, rows and columns"):
            gsjbu.upsample(image, torch.rand(48, 32), grid=wrong)


@pytest.mark.parametrize(
    "given", [{"lr_size": (6, 8), "grid": (4, 4)}, {"stride": 8, "grid": (4, 4)}, {"stride": 8, "lr_size": (4, 4)}]
)
def test_a_grid_that_is_said_twice_is_refused(given):
    with pytest.raises(
        SettingError, match=f"{' and '.join(sorted(given, key='stride lr_size grid'.index))} say the same in two ways"
    ):
        gsjbu.fit(torch.rand(3, 48, 64), iters=0, **given)


def test_layout_and_grid_do_not_contradict():
    with pytest.raises(SignalError, match="layout says 6 rows × 8 columns, and grid 3 rows × 4 columns"):
        gsjbu.upsample(torch.rand(3, 48, 64), torch.rand(6, 8), layout="6x8", grid=(3, 4))


def test_a_fit_takes_a_kind_by_the_words_of_upsample():
    image, signal = torch.rand(3, 48, 64), torch.rand(1, 6, 8, generator=torch.manual_seed(0))
    with pytest.raises(SignalError, match="There is no kind of signal 'banana'"):
        gsjbu.fit(image, iters=1, objective="auto", signal=signal, kind="banana", lr_size=(6, 8))
    first, second = (
        gsjbu.fit(image, iters=1, objective="auto", signal=signal, kind=kind, lr_size=(6, 8))
        for kind in ("heat_map", "heatmap")
    )
    assert torch.equal(first.render(signal), second.render(signal))


def test_an_option_that_is_none_is_named_by_its_verb():
    image, signal = torch.rand(3, 48, 64), torch.rand(2, 6, 8)
    with pytest.raises(SettingError, match="upsample has no option bogus; it has iters"):
        gsjbu.upsample(image, signal, bogus=1)
    assert set(FitOptions.__annotations__) <= set(inspect.signature(gsjbu.fit).parameters)
    spelled = list(inspect.signature(gsjbu.refine).parameters.values())
    words = {word.name for word in spelled if word.kind is word.KEYWORD_ONLY}
    assert words | set(RefineOptions.__annotations__) == set(Words.__annotations__)


@pytest.mark.parametrize("name", ["clip", "fill", "probabilities"])
@pytest.mark.parametrize("wrong", ["off", "False", 1, None])
def test_what_is_on_or_off_is_no_text(name, wrong):
    with pytest.raises(SettingError, match=f"{name} is .*; it must be True or False"):
        gsjbu.upsample(torch.rand(3, 48, 64), torch.rand(2, 6, 8), **{name: wrong})


NO_CLASSES = {
    "depth": (1 + 9 * torch.rand(6, 8, generator=torch.manual_seed(0)), {"kind": "depth"}),
    "a heat map": (torch.rand(6, 8, generator=torch.manual_seed(0)), {"kind": "heat_map"}),
    "features": (torch.randn(20, 6, 8, generator=torch.manual_seed(0)), {"kind": "features"}),
}


@pytest.mark.parametrize("name", NO_CLASSES)
def test_words_of_classes_are_refused_where_there_are_none(name, tmp_path):
    image = torch.rand(3, 48, 64, generator=torch.manual_seed(1))
    signal, kind = NO_CLASSES[name]
    with pytest.raises(SignalError, match="probabilities is of classes"):
        gsjbu.upsample(image, signal, probabilities=True, **kind)
    with pytest.raises(SignalError, match="names is of classes"):
        gsjbu.upsample(image, signal, names=["a", "b"], **kind)
    if name != "a heat map":  # which can be made a mask
        large = signal.repeat_interleave(8, -1).repeat_interleave(8, -2)
        with pytest.raises(SignalError, match="soft is of classes"):
            gsjbu.refine(image, large, soft=True, **kind)


def test_shares_that_are_asked_for_keep_their_shape():
    image, mask = torch.rand(3, 48, 64), torch.rand(6, 8).round()
    soft = gsjbu.upsample(image, mask, kind="soft_labels", iters=1, probabilities=True)
    assert soft.shape == (48, 64)
    shares = torch.randn(3, 6, 8).softmax(dim=0)
    assert gsjbu.upsample(image, shares, kind="probabilities", iters=1, probabilities=True).shape == (3, 48, 64)


@pytest.mark.parametrize(
    "picture", [torch.rand(3, 48, 64), torch.rand(48, 64, 3).numpy(), (255 * torch.rand(48, 64)).to(torch.uint8)]
)
@pytest.mark.parametrize("signal", [torch.rand(6, 8), torch.randn(384, 6, 8)])
def test_an_image_in_the_place_of_the_signal_is_told(picture, signal):
    with pytest.raises(SignalError, match="Or are the two swapped"):
        gsjbu.upsample(signal, picture)


def test_a_large_signal_is_no_image():
    with pytest.raises(SignalError) as refusal:
        gsjbu.upsample(torch.rand(3, 24, 32), torch.randn(20, 48, 64))
    assert "swapped" not in refusal.value.message


@pytest.mark.parametrize("backend", ["auto", "attention"])
@pytest.mark.parametrize("objective", ["rgb", "auto"])
@pytest.mark.parametrize("no", [False, np.bool_(False), torch.tensor(False)])
def test_any_false_stops_a_fit(no, objective, backend):
    steps = []

    def progress(step: int, _loss: float) -> object:
        steps.append(step)
        return no

    signal = torch.rand(1, 4, 4) * 50 + 1
    options = {"signal": signal, "kind": "depth"} if objective == "auto" else {}
    image = np.random.default_rng(0).random((32, 32, 3))
    gsjbu.fit(image, lr_size=(4, 4), iters=9, objective=objective, progress=progress, backend=backend, **options)
    assert steps == [0]


@pytest.mark.parametrize("answer", [None, 0, True, np.bool_(True)])
def test_another_answer_goes_on(answer):
    steps = []
    image = np.random.default_rng(0).random((32, 32, 3))
    gsjbu.fit(image, lr_size=(4, 4), iters=4, progress=lambda step, _: (steps.append(step), answer)[1])
    assert steps == [0, 1, 2, 3]


@pytest.mark.parametrize("init", ["kept.safetensors", np.zeros((4, 4, 4))])
def test_a_fit_starts_from_a_kernel_alone(init):
    with pytest.raises(ShapeError, match=r"init is a \w+; it must be a Kernel, which gsjbu\.load reads"):
        gsjbu.fit(np.random.default_rng(0).random((16, 16, 3)), stride=4, iters=1, init=init)


def test_cells_that_hold_the_mean_of_all_others_have_no_value_unless_a_person_says_so() -> None:
    known = torch.ones(SCENE.signal.shape[1:], dtype=torch.bool)
    known[8:14, 8:14] = False
    signal = torch.where(known, SCENE.signal, SCENE.signal[:, known].mean())
    as_nan = torch.where(known, signal, torch.nan)
    with pytest.warns(SignalWarning, match="36 of 1024 cells are the mean of all others, which means no value"):
        high = gsjbu.upsample(SCENE.image, signal, kind="depth", iters=4)
    torch.testing.assert_close(high, gsjbu.upsample(SCENE.image, as_nan, kind="depth", iters=4), equal_nan=True)
    assert 0 < int(high.isnan().sum()) < 36 * 64
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not gsjbu.upsample(SCENE.image, signal, kind="depth", invalid="none", iters=4).isnan().any()
