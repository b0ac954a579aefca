"""What a server is started with."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

from gsjbu.server.hosts import allowed
from gsjbu.server.limits import Limits

ROOT = Path(__file__).resolve().parents[2]
# In a wheel the page lies inside the package.
WEB = ROOT if (ROOT / "templates").is_dir() else ROOT / "gsjbu" / "_web"
LOCAL_HOSTS = ("localhost",)


@dataclass(frozen=True)
class Config:
    """Where to listen, which names to answer to besides addresses, where files lie; nothing comes from a client."""

    host: str = "127.0.0.1"
    port: int = 8000
    allowed_hosts: tuple[str, ...] = LOCAL_HOSTS
    # Sites that may show the page in a frame, such as https://huggingface.co.
    frame_ancestors: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)
    static_dir: Path = WEB / "static"
    out_dir: Path = field(default_factory=lambda: user_cache_path("gsjbu", appauthor=False) / "out")
    warm_up: bool = True
    # The computation and its estimate; None is gsjbu's own. Tests put faults in here.
    run: Callable[..., Any] | None = None
    estimate: Callable[..., Any] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "allowed_hosts", tuple(allowed(name) for name in self.allowed_hosts))

    @property
    def is_framed(self) -> bool:
        """Whether another site may show the page in a frame."""
        return bool(self.frame_ancestors)

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach the address."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False
