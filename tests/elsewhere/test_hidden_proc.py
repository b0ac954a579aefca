"""A Linux that shows nobody its /proc: pictures are decoded, runs run, batches lock."""

from __future__ import annotations

import json
from pathlib import Path

from tests.elsewhere import namespaces
from tests.server.conftest import ROOT

MAIN_JOB = """
import json, sys
from pathlib import Path
import numpy as np
from fastapi.testclient import TestClient
import gsjbu
from gsjbu.server.app import create_app
from gsjbu.server.config import Config
from gsjbu.server.headroom import ENDLESS, address_bytes, available_bytes, resident_bytes
from tests.server.conftest import picture, start, upload, wait

assert not Path("/proc/self").exists()
told = {"bytes": [address_bytes(), resident_bytes() > 0]}
with TestClient(create_app(Config(warm_up=False)), base_url="http://127.0.0.1") as client:
    image = upload(client, picture(96, 64))
    told["bad"] = client.post("/api/images", files={"file": b"no picture"}).json()["code"]
    done = wait(client, start(client, image, iters=1, resolution=64, features=False), 100)
    told["state"], told["panels"] = done["state"], len(done["result"]["panels"])
high = gsjbu.upsample(np.zeros((32, 48, 3), np.uint8), np.ones((2, 4, 6), np.float32), objective="rgb", iters=1)
told["shape"] = list(high.shape)
print(json.dumps(told))
"""


def test_with_proc_hidden_the_main_job_works(tmp_path: Path) -> None:
    done = namespaces.run(MAIN_JOB, namespaces.HIDDEN_PROC, cwd=tmp_path, PYTHONPATH=str(ROOT))
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told.pop("panels") > 4
    assert told == {"bytes": [None, True], "bad": "image_type", "state": "done", "shape": [2, 32, 48]}
