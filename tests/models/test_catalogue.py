"""Models: found locally, listed, loaded by the real classes, one in memory, and never a hang without a network."""

from __future__ import annotations

import http.server
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from huggingface_hub import constants
from safetensors.torch import save_file

from gsjbu.core.grid import Grid
from gsjbu.errors import ModelError
from gsjbu.models import catalogue, downloads, features, networks
from gsjbu.run import pipeline
from gsjbu.settings import Settings
from tests import tiny_models

IMAGE = torch.rand(3, 120, 100, generator=torch.Generator().manual_seed(0))
MAKERS = {
    "tiny-dinov2": tiny_models.dinov2,
    "tiny-dinov3": tiny_models.dinov3,
    "tiny-vit": tiny_models.vit,
    "tiny-resnet": tiny_models.resnet,
    "tiny-convnext": tiny_models.convnext,
    "tiny-swin": tiny_models.swin,
    "tiny-m2f": tiny_models.mask2former,
}


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Path:
    """A folder of small real models."""
    root = tmp_path_factory.mktemp("models")
    for name, make in MAKERS.items():
        make(root / name)
    tiny_models.dinov2(root / "tiny-registers", registers=True)
    return root


@pytest.fixture(autouse=True)
def alone(tmp_path, monkeypatch):
    """No cache, no folder, and a hub that refuses connections, for every test; nothing is remembered between them."""
    for name in ("HF_HUB_OFFLINE", "HF_HUB_CACHE", "HF_HOME", "GSJBU_MODELS_DIR", "GSJBU_MODEL_NAMES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # the discard port: refused at once
    # Read once, whenever it was imported.
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "hf" / "token"))
    for name in ("_probe", "_failed"):
        monkeypatch.setattr(downloads, name, {})
    catalogue.release()
    yield
    catalogue.release()


@pytest.fixture
def local(store, monkeypatch) -> Path:
    monkeypatch.setenv("GSJBU_MODELS_DIR", str(store))
    return store


# ------------------------------------------------------------------------------------ local models


def test_local_folders_are_listed_by_kind(local):
    backbones, segmenters = catalogue.local_choices("backbone"), catalogue.local_choices("segmentation")
    assert "local:tiny-dinov2" in backbones and "local:tiny-m2f" not in backbones
    assert segmenters["local:tiny-m2f"] == "tiny-m2f (local mask2former)"
    assert "resnet18" not in backbones  # the settings have it by themselves
    assert catalogue.unavailable_reason("local:tiny-dinov2") is None


def test_other_things_in_the_folder_are_passed_over(tmp_path, monkeypatch):
    for name, text in (("notes", "{"), ("list", "[]"), ("bad name!", "{}")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(text)
    (tmp_path / "file.txt").write_text("x")
    monkeypatch.setenv("GSJBU_MODELS_DIR", str(tmp_path))
    assert catalogue.local() == []


@pytest.mark.parametrize(
    ("name", "stride", "shape"),
    [
        ("tiny-dinov2", 16, (12, 8, 7)),
        ("tiny-registers", 16, (12, 8, 7)),
        ("tiny-dinov3", 16, (16, 8, 7)),
        ("tiny-vit", 16, (12, 8, 7)),
        ("tiny-resnet", 8, (12, 15, 13)),
        ("tiny-resnet", 32, (20, 4, 4)),
        ("tiny-convnext", 16, (16, 8, 7)),
        ("tiny-swin", 4, (8, 30, 25)),
    ],
)
def test_backbones_of_transformers(local, name, stride, shape):
    rng = torch.get_rng_state()
    out = features.extract(IMAGE, Grid.from_stride(120, 100, stride), f"local:{name}")
    assert out.values.shape == shape and torch.isfinite(out.values).all() and out.pretrained
    assert name in out.status and "from this machine" in out.status
    assert torch.equal(torch.get_rng_state(), rng)


def test_the_weights_of_the_file_are_used(local):
    """The same file gives the same features as the real class asked directly."""
    t = tiny_models.transformers()
    net = t.Dinov2Model.from_pretrained(str(local / "tiny-dinov2")).eval()
    image = IMAGE[:, :112, :98]  # whole patches: nothing is resized
    with torch.inference_mode():
        tokens = net((image[None] - 0.5) / 0.25).last_hidden_state[0, 1:]  # its own mean and deviation
    expected = tokens.T.reshape(12, 8, 7)
    found = catalogue.backbone("local:tiny-dinov2").features(image, 14, torch.device("cpu"))
    torch.testing.assert_close(found.values, expected, atol=1e-5, rtol=1e-4)
    assert found.step == (14, 14) and found.first == (7, 7)


def test_class_and_register_tokens_are_dropped(local):
    t = tiny_models.transformers()
    net = t.Dinov2WithRegistersModel.from_pretrained(str(local / "tiny-registers")).eval()
    image = IMAGE[:, :56, :70]
    with torch.inference_mode():
        tokens = net((image[None] - 0.5) / 0.25).last_hidden_state[0]
    assert tokens.shape[0] == 1 + 3 + 4 * 5
    found = catalogue.backbone("local:tiny-registers").features(image, 14, torch.device("cpu"))
    torch.testing.assert_close(found.values, tokens[4:].T.reshape(12, 4, 5), atol=1e-5, rtol=1e-4)


def test_large_images_are_reduced_for_attention():
    from gsjbu.models import networks

    big = torch.zeros(3, 1600, 1200)
    small = networks.fit_to(big, 14, 400)
    assert small.shape[1] * small.shape[2] <= 420 * 14 * 14 and small.shape[1] % 14 == small.shape[2] % 14 == 0
    assert small.shape[1] / small.shape[2] == pytest.approx(1600 / 1200, rel=0.1)


def test_a_listed_model_is_found_in_the_folder_under_its_own_name(store, tmp_path, monkeypatch):
    shutil.copytree(store / "tiny-dinov2", tmp_path / "m" / "dinov2-small")
    monkeypatch.setenv("GSJBU_MODELS_DIR", str(tmp_path / "m"))
    assert catalogue.unavailable_reason("dinov2-small") is None and catalogue.local() == []
    out = features.extract(IMAGE, Grid.from_stride(120, 100, 16), "dinov2-small")
    assert out.values.shape[0] == 12 and out.status.startswith("DINOv2 small, from this machine")


def test_a_listed_model_is_found_in_the_hub_cache(store, tmp_path, monkeypatch):
    repo = tmp_path / "hub" / "models--facebook--dinov2-small"
    shutil.copytree(store / "tiny-dinov2", repo / "snapshots" / "abc")
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text("abc")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    assert catalogue.find(catalogue.spec_of("dinov2-small")) == repo / "snapshots" / "abc"


def test_resnet18_from_a_safetensors_file(tmp_path, monkeypatch):
    from safetensors.torch import save_file

    from gsjbu.models import networks

    state = {k: v.contiguous() for k, v in networks.empty_resnet18(99).state_dict().items()}
    save_file(state, tmp_path / "resnet18.safetensors")
    monkeypatch.setenv("GSJBU_MODELS_DIR", str(tmp_path))
    grid = Grid.from_stride(120, 100, 16)
    out = features.extract(IMAGE, grid, "resnet18", seed=0)
    assert out.pretrained and "pretrained" in out.status
    monkeypatch.delenv("GSJBU_MODELS_DIR")
    torch.testing.assert_close(features.extract(IMAGE, grid, "resnet18", seed=99).values, out.values)
    assert not torch.equal(features.extract(IMAGE, grid, "resnet18", seed=0).values, out.values)


def test_a_file_that_is_not_resnet18_is_told(tmp_path, monkeypatch):
    from safetensors.torch import save_file

    save_file({"conv1.weight": torch.zeros(64, 3, 7, 7)}, tmp_path / "resnet18.safetensors")
    monkeypatch.setenv("GSJBU_MODELS_DIR", str(tmp_path))
    with pytest.raises(ModelError) as caught:
        catalogue.backbone("resnet18")
    assert "resnet18.safetensors" in caught.value.message and caught.value.code == "model_corrupt"


def test_the_operator_may_add_names(monkeypatch):
    monkeypatch.setattr(catalogue, "_named", [])  # by a command of another test
    monkeypatch.setenv(
        "GSJBU_MODEL_NAMES", "facebook/dinov2-giant, x/mask2former-big, ../evil, a/b/c, facebook/dinov2-small"
    )
    assert catalogue.spec_of("facebook--dinov2-giant").repo == "facebook/dinov2-giant"
    assert catalogue.spec_of("x--mask2former-big").kind == "segmentation"
    assert len(catalogue.catalogue()) == len(catalogue.CATALOGUE) + 2


# --------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize("value", ["facebook/dinov2-giant", "../../etc", "local:none", "", "x" * 5000])
def test_names_that_are_not_listed_are_refused(value):
    with pytest.raises(ModelError) as caught:
        catalogue.spec_of(value)
    assert caught.value.code == "model_unknown" and len(caught.value.message) < 200


def test_pickled_weights_are_not_read(local, tmp_path, monkeypatch):
    place = tmp_path / "m" / "old"
    shutil.copytree(local / "tiny-dinov2", place)
    (place / "model.safetensors").unlink()
    torch.save({}, place / "pytorch_model.bin")
    monkeypatch.setenv("GSJBU_MODELS_DIR", str(tmp_path / "m"))
    assert "safetensors" in (catalogue.unavailable_reason("local:old") or "")
    with pytest.raises(ModelError):
        catalogue.backbone("local:old")


@pytest.mark.parametrize("damage", ["truncated", "garbage", "other model", "unknown type", "remote code"])
def test_damaged_folders_give_a_sentence_without_a_path(store, tmp_path, monkeypatch, damage):
    place = tmp_path / "m" / "hurt"
    shutil.copytree(store / "tiny-dinov2", place)
    weights, config = place / "model.safetensors", place / "config.json"
    if damage == "truncated":
        weights.write_bytes(weights.read_bytes()[:2000])
    elif damage == "garbage":
        weights.write_bytes(b"\xff" * 5000)
    elif damage == "other model":
        shutil.copy(store / "tiny-resnet" / "model.safetensors", weights)
    elif damage == "unknown type":
        config.write_text('{"model_type": "no_such_thing"}')
    else:
        config.write_text('{"auto_map": {"AutoConfig": "evil.Config", "AutoModel": "evil.Model"}}')
        (place / "evil.py").write_text("raise SystemExit('ran')")
    monkeypatch.setenv("GSJBU_MODELS_DIR", str(tmp_path / "m"))
    with pytest.raises(ModelError) as caught:
        catalogue.backbone("local:hurt")
    assert caught.value.message.endswith(".") and str(tmp_path) not in caught.value.message
    out = features.extract(IMAGE, Grid.from_stride(120, 100, 16), "local:hurt")
    assert "hurt" in out.status and "EfficientNet-Lite0" in out.status  # something is shown all the same


def test_a_segmenter_is_no_backbone(local):
    with pytest.raises(ModelError):
        catalogue.backbone("local:tiny-m2f")
    with pytest.raises(ModelError):
        catalogue.segmenter("local:tiny-dinov2")


# ------------------------------------------------------------------------------------- the network


def test_without_a_network_a_clear_sentence_and_no_second_wait():
    for _ in range(2):
        start = time.perf_counter()
        out = features.extract(IMAGE, Grid.from_stride(120, 100, 16), "dinov2-small")
        assert "127.0.0.1 cannot be reached" in out.status and "A folder resnet18 with them" in out.status
        assert out.pretrained and "Shown instead: EfficientNet-Lite0, pretrained" in out.status
        took = time.perf_counter() - start
    assert took < 2  # the second time nobody is asked
    assert "cannot be reached" in (catalogue.unavailable_reason("dinov2-small") or "")
    assert catalogue.unavailable_reason("resnet18") is None  # it has random weights to stand in


def test_a_hub_that_never_answers_costs_one_short_wait(monkeypatch):
    monkeypatch.setattr(downloads, "PROBE_S", 0.5)
    with socket.socket() as silent:  # accepts, says nothing
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        start = time.perf_counter()
        assert downloads.unreachable()
        first = time.perf_counter() - start
        assert downloads.unreachable()
        assert first < downloads.PROBE_S + 1 and time.perf_counter() - start - first < 0.1


def test_offline_mode_asks_nobody(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(downloads, "_hub", lambda: pytest.fail("asked"))
    assert "HF_HUB_OFFLINE" in (downloads.unreachable() or "")
    with pytest.raises(ModelError):
        catalogue.backbone("dinov2-small")


@pytest.fixture
def hub(store, tmp_path, monkeypatch):
    """A model hub on this machine that serves tiny-dinov2 under the real model's address."""
    root = tmp_path / "hub" / "facebook" / "dinov2-small" / "resolve" / "main"
    shutil.copytree(store / "tiny-dinov2", root)
    served: list[str] = []
    tokens: list[str | None] = []
    pace = {"delay": 0.0, "status": 0}

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(tmp_path / "hub"))

        def do_GET(self):
            served.append(self.path)
            tokens.append(self.headers.get("Authorization"))
            if pace["status"]:
                self.send_error(int(pace["status"]))
                return
            super().do_GET()

        def copyfile(self, source, outputfile):
            while block := source.read(4096):
                time.sleep(pace["delay"])
                outputfile.write(block)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    yield pace, served, root, tokens
    server.shutdown()
    server.server_close()


def test_a_download_is_watched_and_kept(hub):
    pace, served, *_ = hub
    pace["delay"] = 0.05
    seen: list[tuple[int, int, str]] = []
    loaded = catalogue.backbone("dinov2-small", progress=lambda *p: seen.append(p))
    assert "fetched" in loaded.status
    assert [p.rsplit("/", 1)[1] for p in served] == ["config.json", "preprocessor_config.json", "model.safetensors"]
    assert seen and seen[-1][0] <= seen[-1][1] and "DINOv2 small" in seen[-1][2] and "MB" in seen[-1][2]
    catalogue.release()
    assert "from this machine" in catalogue.backbone("dinov2-small").status and len(served) == 3


def test_two_runs_share_one_download(hub):
    pace, served, *_ = hub
    pace["delay"] = 0.05
    with_both = [threading.Thread(target=catalogue.obtain, args=(catalogue.spec_of("dinov2-small"),)) for _ in range(2)]
    for thread in with_both:
        thread.start()
    for thread in with_both:
        thread.join(20)
    assert len([p for p in served if p.endswith("model.safetensors")]) == 1
    assert catalogue.find(catalogue.spec_of("dinov2-small")) is not None


def test_a_download_can_be_cancelled(hub):
    pace, *_ = hub
    pace["delay"] = 0.5

    class Stop(Exception):
        pass

    def stop(done, total, text):
        raise Stop

    with pytest.raises(Stop):
        catalogue.backbone("dinov2-small", progress=stop)
    deadline = time.monotonic() + 5
    while downloads._running and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not downloads._running and catalogue.find(catalogue.spec_of("dinov2-small")) is None
    assert not list(catalogue.cache().glob("*part*"))
    pace["delay"] = 0.0
    assert catalogue.backbone("dinov2-small")  # a cancelled download is no reason to refuse the next


def test_whoever_comes_while_a_cancelled_download_ends_has_one_of_its_own(hub):
    pace, *_ = hub
    pace["delay"] = 0.5

    def stop(done, total, text):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        catalogue.backbone("dinov2-small", progress=stop)
    cancelled = downloads._running["facebook/dinov2-small"]
    pace["delay"] = 0.0
    assert not cancelled.finished.is_set() and "fetched" in catalogue.backbone("dinov2-small").status
    assert cancelled.finished.wait(10) and "cancelled" in cancelled.error
    assert not downloads._running and not list(catalogue.cache().glob("*part*"))


def test_after_its_patience_a_run_goes_on_and_the_download_too(hub):
    pace, *_ = hub
    pace["delay"] = 0.2
    spec = catalogue.spec_of("dinov2-small")
    with pytest.raises(ModelError) as caught:
        catalogue.obtain(spec, patience=0.3)
    assert "being fetched" in caught.value.message
    deadline = time.monotonic() + 20
    while catalogue.find(spec) is None and time.monotonic() < deadline:
        time.sleep(0.05)
    assert catalogue.find(spec) is not None


@pytest.mark.parametrize("kept", ["HF_TOKEN", "login", None])
def test_a_persons_token_goes_with_the_request(hub, tmp_path, monkeypatch, kept):
    *_, tokens = hub
    if kept == "HF_TOKEN":
        monkeypatch.setenv("HF_TOKEN", "hf_mine")
    elif kept == "login":  # what `hf auth login` leaves
        (tmp_path / "hf").mkdir(exist_ok=True)
        (tmp_path / "hf" / "token").write_text("hf_mine\n")
    catalogue.obtain(catalogue.spec_of("dinov2-small"))
    assert tokens and set(tokens) == {"Bearer hf_mine" if kept else None}


def test_a_gated_model_says_where_to_go(hub):
    pace, *_ = hub
    pace["status"] = 403
    with pytest.raises(ModelError) as caught:
        catalogue.obtain(catalogue.spec_of("dinov3-small"))
    assert "/facebook/dinov3-vits16-pretrain-lvd1689m, then set HF_TOKEN" in caught.value.message


@pytest.mark.parametrize(("status", "word"), [(401, "licence"), (404, "safetensors"), (500, "500")])
def test_refusals_of_the_hub_are_told_and_remembered(hub, status, word):
    pace, served, *_ = hub
    pace["status"] = status
    for _ in range(2):
        with pytest.raises(ModelError) as caught:
            catalogue.backbone("dinov2-small")
        assert word in caught.value.message and caught.value.code == "model_unavailable"
    assert len(served) == 1


def test_a_download_cut_short_is_not_kept(hub, monkeypatch):
    _, _, root, _ = hub
    whole = (root / "model.safetensors").stat().st_size

    class Short(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", str(whole))
            self.end_headers()
            self.wfile.write(b"x" * 100)

        do_HEAD = do_GET

        def log_message(self, *_):
            pass

    # It waits a second before each of its attempts.
    impatient = SimpleNamespace(**{**vars(time), "sleep": lambda _: None})
    monkeypatch.setattr("huggingface_hub.file_download.time", impatient)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Short) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        with pytest.raises(ModelError) as caught:
            catalogue.backbone("dinov2-small")
        server.shutdown()
    assert "broke off" in caught.value.message and catalogue.find(catalogue.spec_of("dinov2-small")) is None


# ---------------------------------------------------------------------------------------- memory


def test_one_model_of_a_kind_is_held(local):
    first = catalogue.backbone("local:tiny-dinov2")
    masks = catalogue.segmenter("local:tiny-m2f")
    assert catalogue.backbone("local:tiny-dinov2") is first
    catalogue.backbone("local:tiny-resnet")
    assert catalogue.backbone("local:tiny-dinov2") is not first, "another took its place"
    assert catalogue.segmenter("local:tiny-m2f") is masks, "of its kind it is the only one"
    catalogue.release()
    assert catalogue.segmenter("local:tiny-m2f") is not masks


def test_a_replaced_model_is_loaded_again(local, tmp_path, monkeypatch):
    place = tmp_path / "m" / "mine"
    shutil.copytree(local / "tiny-dinov2", place)
    monkeypatch.setenv("GSJBU_MODELS_DIR", str(tmp_path / "m"))
    first = catalogue.backbone("local:mine")
    os.utime(place / "model.safetensors", (1, 1))
    assert catalogue.backbone("local:mine") is not first


MEMORY = """
import os, sys, torch
os.environ["GSJBU_MODELS_DIR"] = sys.argv[1]
from gsjbu.models import features
from gsjbu.models import catalogue
from gsjbu.core.grid import Grid
image = torch.rand(3, 56, 56)
names = ["local:big-a", "local:big-b", "local:big-c"]
def size():
    return int(next(l for l in open("/proc/self/status") if l.startswith("VmRSS")).split()[1]) / 1024
sizes = []
for _ in range(5):
    for name in names:
        features.extract(image, Grid.from_stride(56, 56, 14), name)
    sizes.append(size())
print(*(round(s) for s in sizes))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the process's size from /proc")
@pytest.mark.soak
def test_switching_models_does_not_grow(root, tmp_path):
    """Three models of some 20 MB each, five rounds: within 10 % of the size after the first."""
    t = tiny_models.transformers()
    for name, width in (("big-a", 384), ("big-b", 400), ("big-c", 416)):
        config = t.Dinov2Config(
            hidden_size=width, num_hidden_layers=3, num_attention_heads=8, image_size=224, patch_size=14
        )
        tiny_models.save(t.Dinov2Model(config), tmp_path / name)
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, str(tmp_path)],
        cwd=root, capture_output=True, text=True, timeout=300, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    sizes = [int(v) for v in done.stdout.split()]
    assert len(sizes) == 5 and max(sizes) <= 1.10 * sizes[0], sizes


def test_features_kept_from_random_weights_go_when_pretrained_ones_arrive(tmp_path, monkeypatch):
    """The run says "pretrained" only of features that are: kept maps and features belong to one set of weights."""
    monkeypatch.setenv("GSJBU_MODELS_DIR", str(tmp_path))
    image, cache = torch.rand(3, 64, 64, generator=torch.Generator().manual_seed(4)), {}
    first = pipeline.run(image, Settings(iters=0, stride=16, backbone="resnet18"), cache=cache)
    assert "random" in first.status["features"]
    save_file(networks.empty_resnet18(77).state_dict(), tmp_path / "resnet18.safetensors")
    for stride in (16, 15):
        kept = pipeline.run(image, Settings(iters=0, stride=stride, backbone="resnet18"), cache=cache)
        assert "pretrained" in kept.status["features"]
        assert "random" not in kept.status["features"]
        fresh = pipeline.run(image, Settings(iters=0, stride=stride, backbone="resnet18"))
        assert torch.equal(kept.features_lr, fresh.features_lr)
        assert not torch.equal(first.features_lr.mean(), kept.features_lr.mean())
