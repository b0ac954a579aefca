"""The attention form held against the oracle, on every device there is; and its bounded memory.

Measured on the CPU (worst of all cases): away from the clamps values 2.3e-6, gradients 1.1e-5 relative. The
issue asks for 1e-5 and 1e-4. At the clamps, see TOLERANCE.
"""

from __future__ import annotations

from collections import defaultdict
from unittest.mock import MagicMock

import pytest
import torch

from gsjbu.core import parameters
from gsjbu.core.backends import attention, cpu
from gsjbu.core.backends.lattices import lattices
from gsjbu.core.grid import Grid
from gsjbu.core.parameters import ADAM, LOG_ADAM
from tests.oracle_cases import (
    AT_THE_CLAMPS,
    AWAY,
    CLAMPS,
    INSIDE,
    Case,
    Problem,
    one_torch_thread,
    oracle_answers,
    relative,
)

__all__ = ["one_torch_thread", "oracle_answers"]  # fixtures: they are used by being here

DEVICES = [
    "cpu",
    pytest.param(
        "cuda",
        marks=[pytest.mark.cuda, pytest.mark.skipif(not torch.cuda.is_available(), reason="no NVIDIA GPU")],
    ),
    pytest.param(
        "mps",
        marks=[
            pytest.mark.mps,
            pytest.mark.skipif(not torch.backends.mps.is_available(), reason="no Apple GPU"),
        ],
    ),
]

# where: (largest error of values, of gradients); beside it what was measured. float32 holds a logit of −300 (an
# exponent that far out decides between neighbours at σ = 1 or σr = 0.01) to 2e-5, and so the weights.
TOLERANCE = {
    "start": (1e-5, 1e-4),  #           2.2e-6   1.1e-5
    "sigma_r_inside": (3e-4, 5e-4),  #  1.0e-4   1.5e-4
    "sigma_1_inside": (5e-5, 1e-4),  #  1.6e-5   2.8e-5
    "sigma_64_inside": (3e-6, 1e-5),  # 7.0e-7   2.5e-6
    "needles": (2e-4, 1e-4),  #         5.0e-5   2.9e-5
    "needles_sharp": (2e-4, 2e-4),  #   5.0e-5   6.0e-5
    "beyond": (3e-4, 2e-4),  #          7.9e-5   5.0e-5
}


def on(device: str, problem: Problem) -> attention.Problem:
    where = torch.device(device)
    return attention.Problem(problem.guide.to(where), problem.lr_guide.to(where), problem.grid, problem.case.radius)


def held_against_the_oracle(problem: Problem, device: str) -> None:
    case, ours = problem.case, on(device, problem)
    values = attention.render(ours, problem.raw, problem.signal.to(ours.device)).cpu()
    _, (loss,), gradient = attention.fit(
        ours, problem.raw, 1, 0.1, case.rgb_weight, problem.signal, case.signal_weight, move=False
    )
    for_values, for_gradients = TOLERANCE[case.where]
    assert (values - problem.values).abs().max() <= for_values
    right, right_gradient = problem.loss_and_gradient
    # A signal's loss is of squared differences of means over up to 64 × 64 pixels, which float32 sums in the order of
    # the machine's matrix library: measured 2e-5 on one processor, 1.0e-4 on another.
    assert loss == pytest.approx(right, rel=5e-5 if case.rgb_weight else 2e-4, abs=1e-9)
    errors = relative(gradient, right_gradient)
    assert max(errors.values()) <= for_gradients, errors


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("case", AWAY, ids=str)
def test_values_and_gradients(case, device):
    held_against_the_oracle(Problem(case), device)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("case", AT_THE_CLAMPS, ids=str)
def test_values_and_gradients_at_the_clamps(case, device):
    held_against_the_oracle(Problem(case), device)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("case", INSIDE, ids=str)
def test_gradients_of_logarithms_on_a_quarter_of_the_pixels(case, device):
    problem = Problem(case)
    right, right_gradient = problem.loss_and_gradient_in_logs
    _, (loss,), gradient = attention.fit(on(device, problem), problem.raw, 1, 0.1, 1.0, move=False, optimiser=LOG_ADAM)
    assert loss == pytest.approx(right, rel=5e-5)
    errors = relative(gradient, right_gradient)
    assert max(errors.values()) <= TOLERANCE[case.where][1], errors


@pytest.mark.parametrize(
    "case",
    [
        Case(61, 97, 8, 2, rgb_weight=0.7, signal_weight=0.3),
        Case(65, 81, 16, 2, rgb_weight=0, signal_weight=1),  # lattices without a pixel of the last cells
        Case(65, 33, (8, 30), 2),  # along x cells are too small to be halved
        Case(40, 33, 3, 2, channels=2, rgb_weight=0, signal_weight=1),
    ],
    ids=str,
)
def test_steps_in_logarithms_are_those_of_the_fused_kernel(case):
    """Losses to 2e-4 after twelve steps (measured 9e-5): Adam divides small gradients by small ones."""
    problem = Problem(case)
    told = (problem.raw, 12, 0.1, case.rgb_weight, problem.signal, case.signal_weight)
    fused = cpu.Problem.of(problem.guide, problem.lr_guide, problem.grid, case.radius)
    _, right, _ = cpu.fit(fused, *told, threads=1, optimiser=LOG_ADAM)
    _, losses, _ = attention.fit(on("cpu", problem), *told, optimiser=LOG_ADAM)
    assert losses[0] == pytest.approx(right[0], rel=1e-5)
    assert losses == pytest.approx(right, rel=2e-4)


def test_every_clamp_has_its_tolerance():
    assert set(TOLERANCE) == {"start", *CLAMPS}


@pytest.mark.parametrize(
    "case", [Case(61, 47, 7, 2, rgb_weight=0.5, signal_weight=0.5), Case(50, 33, (9, 4), 1)], ids=str
)
def test_the_chunks_are_seams_that_do_not_show(case, monkeypatch):
    problem = Problem(case)

    def everything() -> list[torch.Tensor]:
        ours = on("cpu", problem)
        raw, losses, gradient = attention.fit(
            ours, problem.raw, 4, 0.1, case.rgb_weight, problem.signal, case.signal_weight
        )
        return [raw, gradient, torch.tensor(losses), attention.render(ours, problem.raw, problem.signal)]

    whole = everything()
    monkeypatch.setattr(attention, "CHUNK_ELEMENTS_OF_CPU", 1)  # one row of cells at a time
    rows = everything()
    monkeypatch.setattr(attention, "KEPT_ELEMENTS", 0)  # and none of it kept between steps
    for one, two, three in zip(whole, rows, everything()):
        # gradients are summed in another order, and Adam divides small ones by small ones
        assert (one - two).abs().max() <= 2e-5 * max(1.0, float(one.abs().max()))
        assert torch.equal(two, three)


def test_chunks_bound_the_memory(monkeypatch):
    monkeypatch.setattr(attention, "CHUNK_ELEMENTS_OF_CPU", 100_000)
    monkeypatch.setattr(attention, "KEPT_ELEMENTS", 1_000_000)
    grid = Grid.from_stride(100, 130, 16)
    guide = torch.rand(3, 100, 130)
    for radius, kept in ((1, True), (4, False)):
        problem = attention.Problem(guide, grid.cell_means(guide), grid, radius)
        row = grid.cols * problem.pixels_per_cell * (2 * radius + 1) ** 2
        sizes = [chunk.colour.numel() for chunk in problem.chunks()]
        assert len(sizes) == (2 if kept else 7)  # 63 cells of 256 pixels, seven rows
        assert max(sizes) <= max(row, attention.CHUNK_ELEMENTS_OF_CPU)
        assert (problem._kept is not None) == kept


@pytest.mark.parametrize("device", DEVICES)
def test_the_same_input_gives_the_same_bits(device):
    problem = Problem(Case(97, 61, 7, 2))
    runs = [attention.fit(on(device, problem), problem.raw, 10, 0.1, 1.0) for _ in range(2)]
    assert torch.equal(runs[0][0], runs[1][0])
    assert runs[0][1] == runs[1][1]


def test_gradients_reach_the_raw_values_through_a_render():
    """For whoever trains through the kernel: d(render)/d(raw) against central differences of the oracle's render."""
    problem = Problem(Case(20, 17, 5, 1))
    raw = problem.raw.clone().requires_grad_(True)
    pull = torch.randn(5, 20, 17, generator=torch.Generator().manual_seed(0))
    (attention.render(on("cpu", problem), raw, problem.signal) * pull).sum().backward()

    from gsjbu.core import reference

    exact = problem.raw.double().requires_grad_(True)
    w = reference.weights(problem.guide, exact, 1, problem.step)
    (reference.render(w, problem.signal, 20, 17, problem.step) * pull).sum().backward()
    assert raw.grad is not None
    assert max(relative(raw.grad, exact.grad).values()) <= 2e-5  # type: ignore[arg-type]


def test_stopping_keeps_what_was_reached():
    problem = Problem(Case(32, 32, 8, 1))
    seen: list[int] = []

    def progress(step: int, loss: float) -> bool:
        seen.append(step)
        return step < 2

    raw, losses, _ = attention.fit(on("cpu", problem), problem.raw, 50, 0.1, 1.0, progress=progress)
    assert seen == [0, 1, 2]
    assert len(losses) == 3
    straight, _, _ = attention.fit(on("cpu", problem), problem.raw, 3, 0.1, 1.0)
    assert torch.equal(raw, straight)


@pytest.mark.parametrize("optimiser", [ADAM, LOG_ADAM], ids=["adam", "log-adam"])
def test_steps_are_those_of_torchs_adam(optimiser):
    problem = Problem(Case(50, 33, (9, 4), 1))
    at = optimiser.coordinates(problem.raw, parameters.USUAL).clone().requires_grad_(True)
    adam = torch.optim.Adam([at], betas=(optimiser.beta1, optimiser.beta2))
    objectives = [
        attention._Objective(on("cpu", problem).on(part), optimiser, 1.0, None, 0.0)
        for part in lattices(problem.grid, optimiser.pitch, optimiser.keep)
    ]
    for step, rate in enumerate(optimiser.rates(6)):
        objectives[step % len(objectives)].backward(at)
        adam.param_groups[0]["lr"] = float(rate)
        adam.step()
        if optimiser.in_logs:
            with torch.no_grad():
                for c, bounds in parameters.log_bounds(parameters.highest(problem.grid)).items():
                    at[c].clamp_(*bounds)
    raw, _, _ = attention.fit(on("cpu", problem), problem.raw, 6, optimiser.rate, 1.0, optimiser=optimiser)
    assert torch.equal(raw, optimiser.raw(at.detach()))


def test_a_cuda_graph_is_made_and_replayed_on_the_gpu_that_was_named(monkeypatch):
    """Not on the current one. torch.cuda is a stand-in that notes which it is asked for."""
    gpu, asked = torch.device("cuda:1"), []

    def note(*args, **options):
        asked.append([x for x in (*args, *options.values()) if isinstance(x, torch.device)])
        return MagicMock()

    for name in ("Stream", "current_stream", "device"):
        monkeypatch.setattr(torch.cuda, name, note)
    for name in ("stream", "graph", "CUDAGraph"):
        monkeypatch.setattr(torch.cuda, name, MagicMock())
    monkeypatch.setattr(torch.optim, "Adam", lambda *_, **__: MagicMock(state=defaultdict(dict)))
    objective = MagicMock()
    objective.problem.device = gpu
    objective.problem.chunks.return_value = []
    step = attention._cuda_graph_step(objective, torch.zeros(4, 2, 2), 0.1, True)
    assert step is not None
    step(0)
    assert asked == [[gpu]] * 5  # a stream, twice the one that waits, the graph, its replay
    assert torch.cuda.graph.call_args.kwargs["capture_error_mode"] == "thread_local"
