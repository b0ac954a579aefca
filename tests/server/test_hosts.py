"""Names that the server answers to: as they are given, and as they arrive."""

from __future__ import annotations

import pytest

from gsjbu.errors import SettingError
from gsjbu.server.cli import config_of
from gsjbu.server.config import Config
from gsjbu.server.hosts import allowed, name_of


@pytest.mark.parametrize(
    ("text", "arrives"),
    [("up.example.org:8443", "up.example.org:8443"), ("https://Up.example.org", "up.example.org"),
     ("http://up.example.org:8080/upsample/?a=1", "up.example.org:8080"), (" up.example.org/", "UP.example.org"),
     ("up.example.org.", "up.example.org."), ("my_page", "my_page:8000"),
     ("xn--bcher-kva.example", "xn--bcher-kva.example"),
     ("::1", "[::1]:8000"), ("[fe80::1]:8000", "[fe80::1]"), ("10.1.2.3:8000", "10.1.2.3")],
)  # fmt: skip
def test_a_name_matches_the_host_that_arrives_however_it_was_given(text: str, arrives: str) -> None:
    assert allowed(text) == name_of(arrives)
    assert name_of(arrives) in config_of(["--allowed-host", text], {}).allowed_hosts
    assert Config(allowed_hosts=(text,)).allowed_hosts == (name_of(arrives),)


@pytest.mark.parametrize(
    "text",
    ["*", "*.example.org", ".example.org", "a.org,b.org", "a.org b.org", "bücher.example", "/", "https://", "a@b.org",
     "a..org", "a.org:port", "a.org:70000", "ftp://a.org", "https:a.org", "a.org?b"],
)  # fmt: skip
def test_what_can_match_no_host_is_refused(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SettingError, match="such as upsample"):
        Config(allowed_hosts=(text,))
    with pytest.raises(SystemExit):
        config_of(["--allowed-host", text], {})
    assert "error: --allowed-host: " in capsys.readouterr().err
