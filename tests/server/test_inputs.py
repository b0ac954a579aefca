"""What clients have brought, while several runs work with it."""

from __future__ import annotations

from typing import Any

import numpy as np

from gsjbu.server.inputs import Inputs, StoredImage
from gsjbu.server.limits import Limits


def test_an_image_is_reduced_while_another_run_adds_to_what_is_kept_for_it() -> None:
    image = StoredImage(64, 48, "a.png", np.zeros((48, 64, 3), np.uint8))

    class Key:
        """Looked at, something is added."""

        @property
        def __class__(self) -> Any:
            image.cache[object()] = None
            return object

    image.cache[Key()] = None
    image.cache["reduced", 48] = None
    inputs = Inputs(Limits())
    reduced = inputs.reduced(image, 32)
    inputs.close()
    assert image.cache["reduced", 32] is reduced and ("reduced", 48) not in image.cache
