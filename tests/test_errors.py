"""Refusals carry a stable code and a sentence."""

from __future__ import annotations

import pytest

from gsjbu import errors


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.SettingError("stride", "stride is 0."), "setting_invalid"),
        (errors.SettingError("x", "There is no x.", code="setting_unknown"), "setting_unknown"),
        (errors.ShapeError("Sizes differ."), "shape_invalid"),
        (errors.ImageError("image_empty", "The file is empty."), "image_empty"),
        (errors.SignalError("signal_type", "Not an array."), "signal_type"),
        (errors.ModelError("model_missing", "Not here."), "model_missing"),
        (errors.KernelFileError("Not a kernel."), "kernel_file_invalid"),
    ],
)
def test_every_refusal_is_a_value_error_with_a_code(error, code):
    assert isinstance(error, errors.GsjbuError)
    assert isinstance(error, ValueError)
    assert error.code == code
    assert str(error) == error.message


def test_a_setting_error_names_the_setting():
    assert errors.SettingError("stride", "stride is 0.").name == "stride"


def test_cancelling_is_not_a_refusal():
    """``except GsjbuError`` (a bad input) must not swallow a person's wish to stop."""
    assert not issubclass(errors.Cancelled, errors.GsjbuError)
    assert not issubclass(errors.Cancelled, ValueError)
