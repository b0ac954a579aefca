"""What several tests of runs look at."""

from __future__ import annotations

import pytest

from gsjbu.samples import SAMPLES, Sample


@pytest.fixture(scope="module")
def sample() -> Sample:
    """The first built-in scene."""
    return SAMPLES[next(iter(SAMPLES))]
