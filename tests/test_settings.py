"""Every setting once: defaults, bounds, refusals in sentences, and the schema that the page builds on."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, asdict

import pytest
import torch

from gsjbu.errors import SettingError
from gsjbu.run.pipeline import run
from gsjbu.settings import SETTINGS, SIGNAL, Settings, schema, unavailable_reason

WHOLE = [name for name, s in SETTINGS.items() if s.kind == "int"]


def refused(**given) -> SettingError:
    with pytest.raises(SettingError) as refusal:
        Settings.parse(given)
    return refusal.value


def test_the_defaults_of_both_declarations_agree():
    assert asdict(Settings()) == {name: s.default for name, s in SETTINGS.items()}
    assert Settings.parse({}) == Settings()
    assert Settings().as_dict() == asdict(Settings())


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_can_be_explained_to_a_person(name):
    setting = SETTINGS[name]
    assert setting.label
    assert setting.label[0].isupper()
    assert setting.sentence.endswith(".")
    assert len(setting.sentence) > 30
    assert setting.parse(setting.default) == setting.default
    if setting.kind == "choice":
        assert len(setting.all_choices()) >= 1
        assert all(setting.all_choices().values())


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("stride", 2, 64),
        ("iters", 0, 1000),
        ("radius", 1, 8),
        ("resolution", 32, 4096),
        ("seed", 0, 2**31 - 1),
        ("seg_resolution", 64, 1024),
    ],
)
def test_bounds_are_inside_and_one_beyond_is_refused(name, low, high):
    assert getattr(Settings.parse({name: low}), name) == low
    assert getattr(Settings.parse({name: str(high)}), name) == high
    for value in (low - 1, high + 1):
        error = refused(**{name: value})
        assert (error.name, error.code) == (name, "setting_out_of_bounds")
        assert error.message.startswith(f"{name} is {value}; it must be a whole number from {low} to {high}")


def test_every_whole_number_is_bounded_above():
    assert all(SETTINGS[name].high is not None for name in WHOLE)


@pytest.mark.parametrize("raw", ["x", "", "1.5", 1.5, None, [3], {}, True, "9" * 400, float("nan"), float("inf")])
def test_what_is_no_whole_number_is_refused(raw):
    error = refused(radius=raw)
    assert error.code == "setting_invalid"
    assert "it must be a whole number from 1 to 8 LR px" in error.message
    assert len(error.message) < 200


@pytest.mark.parametrize(("raw", "value"), [("7", 7), (" 7 ", 7), (7, 7), (7.0, 7)])
def test_numbers_may_come_as_text(raw, value):
    assert Settings.parse({"radius": raw}).radius == value


@pytest.mark.parametrize(
    ("raw", "value"),
    [("true", True), ("Off", False), ("0", False), (1, True), (False, False), ("yes", True), ("no", False)],
)
def test_switches_may_come_as_text(raw, value):
    assert Settings.parse({"features": raw}).features is value


@pytest.mark.parametrize("raw", ["maybe", 2, 1.0, None, ""])
def test_what_is_no_switch_is_refused(raw):
    assert "it must be true or false" in refused(features=raw).message


@pytest.mark.parametrize("name", [n for n, s in SETTINGS.items() if s.kind == "choice"])
@pytest.mark.parametrize("raw", ["no such thing", 3, None, ["rgb"]])
def test_an_unknown_choice_is_refused_with_the_choices(name, raw):
    error = refused(**{name: raw})
    assert error.name == name
    for value in SETTINGS[name].all_choices():
        assert value in error.message


def test_an_unknown_name_is_refused_with_the_names():
    error = refused(strid=16)
    assert (error.code, error.name) == ("setting_unknown", "strid")
    assert "There is no setting 'strid'; the settings are stride, iters" in error.message


def test_a_very_long_name_does_not_come_back_whole():
    error = refused(**{"x" * 5000: 1})
    assert len(error.message) < 600
    assert len(error.name) <= 60


def test_settings_do_not_change():
    with pytest.raises(FrozenInstanceError):
        Settings().stride = 4  # type: ignore[misc]


def test_the_schema_has_what_a_control_needs():
    entries = {entry["name"]: entry for entry in schema()}
    assert list(entries) == list(SETTINGS)
    for entry in entries.values():
        assert set(entry) == {
            "name", "kind", "default", "low", "high", "unit", "label", "sentence", "group", "choices", "remarks",
        }  # fmt: skip
        if entry["kind"] == "choice":
            assert entry["default"] in [c["value"] for c in entry["choices"]]
            for choice in entry["choices"]:
                assert set(choice) == {"value", "label", "available", "reason"}
                assert choice["available"] == (choice["reason"] is None)
        else:
            assert entry["choices"] is None


def test_what_a_setting_does_beside_others_is_declared_with_it():
    """Each names settings that there are, and values that these take."""
    said = {}
    for entry in schema():
        for remark in entry["remarks"]:
            said.setdefault(entry["name"], []).append(remark["effect"])
            for name, values in remark["when"].items():
                assert name != entry["name"]
                for value in values:
                    assert value is True if name == SIGNAL else SETTINGS[name].parse(value) == value
    assert said["stride"] == [False] and said["iters"] == [True, True]
    assert set(said) >= {"optimiser", "lr_image", "backbone", "seg_input"}


def test_a_setting_without_effect_has_none():
    """The optimiser is that of fits on RGB alone."""
    image = torch.rand(3, 48, 48, generator=torch.Generator().manual_seed(0))
    for objective in next(r for r in SETTINGS["optimiser"].remarks if not r.effect).when["objective"]:
        given = {"objective": objective, "features": False, "iters": 3}
        one, other = (run(image, Settings.parse({**given, "optimiser": name})) for name in ("adam", "log-adam"))
        assert torch.equal(one.kernel.raw, other.kernel.raw)
        assert one.metrics["rgb"]["gsjbu"] == other.metrics["rgb"]["gsjbu"]


def test_a_device_that_is_not_here_says_so_in_the_schema(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    (device,) = (entry for entry in schema() if entry["name"] == "device")
    choices = {c["value"]: c for c in device["choices"]}
    assert choices["cpu"]["available"]
    assert choices["auto"]["available"]
    assert not choices["cuda"]["available"]
    assert "CUDA" in choices["cuda"]["reason"]


def test_the_default_of_every_choice_is_available():
    """A fresh page must not start on something that cannot be had."""
    for name, setting in SETTINGS.items():
        if setting.kind == "choice":
            assert unavailable_reason(name, str(setting.default)) is None, name
