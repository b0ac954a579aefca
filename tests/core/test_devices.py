"""Which device is taken, and why another one is not."""

from __future__ import annotations

import pytest
import torch

import gsjbu
from gsjbu.core import devices
from gsjbu.core.backends import dispatch
from gsjbu.errors import SettingError


@pytest.fixture
def machine(monkeypatch):
    """Pretend to have, or not to have, GPUs and builds of torch for them."""

    def pretend(cuda=False, cuda_build=None, mps=False, mps_build=False):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
        monkeypatch.setattr(torch.version, "cuda", cuda_build)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
        monkeypatch.setattr(torch.backends.mps, "is_built", lambda: mps_build)

    return pretend


@pytest.mark.parametrize(
    ("has", "taken"),
    [
        ({}, "cpu"),
        ({"cuda": True, "cuda_build": "13.0"}, "cuda"),
        ({"mps": True, "mps_build": True}, "mps"),
        ({"cuda": True, "cuda_build": "13.0", "mps": True, "mps_build": True}, "cuda"),
    ],
)
def test_auto_takes_the_first_there_is(machine, has, taken):
    machine(**has)
    assert devices.resolve("auto").type == taken
    assert devices.resolve("cpu").type == "cpu"


@pytest.mark.parametrize(
    ("name", "has", "reason"),
    [
        ("cuda", {}, "This build of torch has no CUDA; pip install"),
        ("cuda", {"cuda_build": "13.0"}, "No CUDA GPU is visible to torch."),
        ("mps", {}, "This build of torch has no MPS"),
        ("mps", {"mps_build": True}, "no Apple GPU is available"),
    ],
)
def test_a_missing_device_is_refused_with_its_reason(machine, name, has, reason):
    machine(**has)
    assert reason in devices.unavailable_reason(name)
    with pytest.raises(SettingError, match="Use cpu or auto") as refusal:
        devices.resolve(name)
    assert reason in refusal.value.message
    assert (refusal.value.name, refusal.value.code) == ("device", "device_unavailable")


def test_an_unknown_device_is_refused():
    with pytest.raises(SettingError, match="one of auto, cpu, cuda, mps"):
        devices.resolve("tpu")


@pytest.mark.parametrize("name", ["cpu:x", "cpu:", "cpu:0:1", "cuda:first"])
def test_a_device_numbered_by_no_number_is_refused(machine, name):
    machine(cuda=True)
    with pytest.raises(SettingError, match="after the colon goes a number") as refusal:
        devices.resolve(name)
    assert refusal.value.name == "device"


def test_a_gpu_beyond_the_last_is_refused(machine, monkeypatch):
    machine(cuda=True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert devices.resolve("cuda:1") == torch.device("cuda:1")
    monkeypatch.setattr(dispatch.attention, "fit", lambda problem, raw, *_, **__: (raw, [], raw))
    monkeypatch.setattr(dispatch, "_on", lambda gaussians, device: None)
    assert gsjbu.fit(torch.rand(3, 8, 8), stride=4, device="cuda:1").device == "cuda:1"
    with pytest.raises(SettingError, match="torch sees 2 CUDA GPUs") as refusal:
        devices.resolve("cuda:2")
    assert refusal.value.code == "device_unavailable"


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no NVIDIA GPU")
def test_a_numbered_gpu_can_be_named():
    assert devices.resolve("cuda:0") == torch.device("cuda:0")
