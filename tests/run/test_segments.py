"""Parts that features tell apart: the groups they were drawn from, at full resolution, whatever the rest of the run."""

from __future__ import annotations

import pytest
import torch

from gsjbu.core import interpolation
from gsjbu.core.grid import Grid
from gsjbu.models.pca import pca3
from gsjbu.run import segments
from gsjbu.run.once import Once
from gsjbu.run.panels import Panel

GRID = Grid.from_stride(48, 64, 8)


def thirds(channels: int = 12) -> tuple[torch.Tensor, torch.Tensor]:
    """Features [C, 6, 8] of three groups that lie side by side, and which cell is of which."""
    draw = torch.Generator().manual_seed(3)
    which = torch.tensor([0, 0, 0, 0, 1, 1, 1, 2]).expand(6, 8)
    centres = 4 * torch.randn(3, channels, generator=draw)
    return centres[which].permute(2, 0, 1) + 0.05 * torch.randn(channels, 6, 8, generator=draw), which


def shown(values: torch.Tensor) -> dict[str, Panel]:
    def plain(x: torch.Tensor) -> torch.Tensor:
        return interpolation.bilinear(x, GRID)

    made = segments.segments(values, Once(lambda: pca3(values).apply(values)), {"bilinear": plain}, (48, 64))
    assert not any(panel.is_made for panel in made), "what nobody looks at costs nothing"
    heads = [panel.as_dict() for panel in made]
    assert [head["name"] for head in heads] == [
        "segments_lr", "segments_bilinear", "foreground_lr", "foreground_bilinear",
    ]  # fmt: skip
    for head, panel in zip(heads, made, strict=True):
        assert head == panel.now.as_dict(), "the head tells what the panel is"
    return {panel.name: panel.now for panel in made}


def test_cells_of_one_group_are_one_segment_and_no_segment_spans_two(monkeypatch):
    monkeypatch.setattr(segments, "COUNT", 3)
    values, which = thirds()
    low = shown(values)["segments_lr"].values[0]
    groups = [low[which == k].unique().tolist() for k in range(3)]
    assert groups == [[0.0], [1.0], [2.0]], "the largest is the first"


def test_nearest_centres_of_upsampled_features_are_those_of_all_channels():
    """A few channels of products stand in for all: the same answer as upsampling every channel."""
    values = torch.randn(9, 6, 8, generator=torch.Generator().manual_seed(1))
    near = segments._nearness(values)
    found = shown(values)["segments_bilinear"].values[0].long()
    high = interpolation.bilinear(values, GRID).flatten(1).T.double()
    # near[k] = c_k·f − |c_k|²/2 is affine in f: its coefficients, from the cells themselves
    flat = torch.cat([values.flatten(1).T.double(), torch.ones(48, 1, dtype=torch.float64)], dim=1)
    centres = torch.linalg.lstsq(flat, near.flatten(1).T.double()).solution.T
    distance = torch.cdist(high, centres[:, :-1])
    agree = (distance.argmin(1).reshape(48, 64) == found).float().mean()
    assert agree > 0.999, "float32 decides otherwise only between centres that are as near"


def test_the_foreground_is_what_the_rim_is_not():
    values = torch.zeros(5, 6, 8)
    values[:, 2:4, 3:6] = torch.tensor([1.0, -2, 0.5, 3, 1])[:, None, None]
    for turned in (values, -values):
        front = shown(turned)["foreground_lr"].values[0]
        assert front[2:4, 3:6].min() > 0.9 and front[0].max() < 0.1


@pytest.mark.parametrize("cells", [1, 2, 4])
def test_fewer_kinds_of_cells_than_segments(cells):
    values = (torch.arange(48).reshape(6, 8) % cells).float()[None].expand(3, 6, 8)
    assert len(shown(values)["segments_lr"].values.unique()) == cells
