"""GSJBU in processes forked or spawned after this one has computed: a DataLoader's workers, and bare ones."""

from __future__ import annotations

import multiprocessing
import os
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from gsjbu import GSJBU

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")


class Upsampled(Dataset[Any]):
    """Two pictures with features, upsampled where they are loaded."""

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> torch.Tensor:
        made = torch.Generator().manual_seed(index)
        image, features = (torch.rand(size, generator=made) for size in ((1, 3, 192, 192), (1, 4, 12, 12)))
        return GSJBU(iters=2, objective="rgb")(image, features)[0]


def both() -> torch.Tensor:
    """The data set as this process makes it."""
    data = Upsampled()
    return torch.stack([data[0], data[1]])


@pytest.mark.parametrize("how", [pytest.param("fork", marks=needs_fork), "spawn"])
def test_in_the_workers_of_a_data_loader(how: str) -> None:
    here = both()  # torch's helpers and the pool have worked before the fork
    loader = DataLoader(Upsampled(), batch_size=2, num_workers=1, multiprocessing_context=how, timeout=60)
    assert torch.equal(next(iter(loader)), here)


@needs_fork
def test_after_a_fork() -> None:
    here = both()
    mine, other = multiprocessing.Pipe(duplex=False)
    child = multiprocessing.get_context("fork").Process(target=lambda: other.send_bytes(both().numpy().tobytes()))
    child.start()
    try:
        assert mine.poll(60), "the child hangs"
        assert mine.recv_bytes() == here.numpy().tobytes()
    finally:
        child.kill()
        child.join()
