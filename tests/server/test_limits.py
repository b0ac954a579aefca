"""Limits: declared once, changed by options, shown to everybody."""

from __future__ import annotations

import argparse
import ast
import re
from collections.abc import Callable
from dataclasses import asdict, fields
from pathlib import Path

import pytest

from gsjbu.errors import SettingError
from gsjbu.server.cli import add_arguments, config_of
from gsjbu.server.codes import STATUS
from gsjbu.server.limits import GIB, KIB, MIB, Limits
from scripts import server_tables
from tests.server.conftest import Running


def test_the_defaults_are_those_that_were_promised() -> None:
    limits = Limits()
    assert (limits.image_bytes, limits.signal_bytes) == (20 * MIB, 64 * MIB)
    assert limits.image_pixels == 40_000_000
    assert (limits.form_files, limits.form_fields, limits.field_bytes) == (3, 30, 64 * KIB)
    assert (limits.decode_seconds, limits.job_seconds) == (10, 300)
    assert (limits.job_bytes, limits.gpu_jobs) == (4 * GIB, 1)
    assert (limits.queue_jobs, limits.client_jobs) == (16, 2)
    assert (limits.cache_bytes, limits.cache_seconds) == (256 * MIB, 30 * 60)
    assert (limits.out_bytes, limits.out_seconds) == (2 * GIB, 24 * 3600)
    assert limits.running_jobs >= 1


def test_every_limit_has_a_unit_and_a_sentence_and_is_shown(serve: Callable[..., Running]) -> None:
    shown = serve(queue_jobs=7).client().get("/api/settings").json()
    assert set(shown["limits"]) == {f.name for f in fields(Limits)}
    assert shown["limits"]["queue_jobs"] == 7
    assert "limit_notes" not in shown, "they are given once"
    for limit in fields(Limits):
        assert limit.metadata["unit"]
        assert limit.metadata["description"].endswith(".")


def test_options_and_environment_change_limits_and_options_win() -> None:
    config = config_of(["--limit", "queue_jobs=3"], {"GSJBU_LIMIT_QUEUE_JOBS": "9", "GSJBU_LIMIT_JOB_SECONDS": "1.5"})
    assert (config.limits.queue_jobs, config.limits.job_seconds) == (3, 1.5)


@pytest.mark.parametrize("given", [{"nosuch": "1"}, {"queue_jobs": "x"}, {"queue_jobs": "0"}, {"queue_jobs": "-1"},
                                   {"queue_jobs": "inf"}, {"queue_jobs": "nan"},
                                   {"queue_jobs": "1 MiB"}, {"image_bytes": "20 MX"}, {"image_bytes": "20 s"},
                                   {"image_bytes": "1 2"}, {"image_bytes": "MiB"}, {"image_bytes": "-1 MiB"},
                                   {"image_bytes": "1.2.3"}, {"image_bytes": "9e99 GiB"}, {"cache_seconds": "0 min"},
                                   {"running_jobs": "0.5"}, {"queue_jobs": "1.5"}, {"cache_seconds": "0"}])  # fmt: skip
def test_bad_limits_are_refused(given: dict[str, str]) -> None:
    with pytest.raises(SettingError):
        Limits.parse(given)


def test_each_row_of_the_table_may_be_typed_as_it_stands() -> None:
    page = server_tables.PAGE.read_text("utf-8")
    rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \|", page[page.index("<!-- limits -->") :], re.MULTILINE)
    given = {name: text for name, text in rows if name in asdict(Limits()) and name != "running_jobs"}
    assert len(given) == len(fields(Limits)) - 1
    assert Limits.parse(given) == Limits()
    for name, text in given.items():
        typed = config_of(["--limit", f"{name}={text.replace(' ', '')}"], {}).limits
        assert getattr(typed, name) == getattr(Limits(), name)


@pytest.mark.parametrize(("name", "text", "value"), [
    ("image_bytes", "1.5MiB", 3 * MIB // 2), ("image_bytes", " 20971520 ", 20 * MIB), ("image_bytes", "2 gib", 2 * GIB),
    ("image_bytes", "0.3 MiB", 314573), ("image_bytes", "20\u202f971\u202f520 bytes", 20 * MIB),
    ("image_bytes", "1e6", 10**6),
    ("image_pixels", "4e+07 pixels", 40_000_000), ("job_seconds", "5 min", 300), ("job_seconds", "1.5", 1.5),
    ("out_seconds", "24h", 86400), ("queue_jobs", "4 jobs", 4),
])  # fmt: skip
def test_a_limit_may_have_its_unit(name: str, text: str, value: float) -> None:
    assert getattr(Limits.parse({name: text}), name) == value


@pytest.mark.parametrize("argv", [["--limit", "queue_jobs"], ["--limit", "queue_jobs=x"], ["--port", "x"],
                                  ["--out-dir", ""], ["--models-dir="], ["--host", ""]])  # fmt: skip
def test_a_bad_command_line_ends_with_a_sentence(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        config_of(argv, {})
    assert left.value.code == 2
    assert "error:" in capsys.readouterr().err


def test_the_guide_names_each_limit_and_each_code() -> None:
    page = server_tables.PAGE.read_text("utf-8")
    assert server_tables.filled(page) == page, "python -m scripts.server_tables writes them anew"
    assert all(f"| `{name}` |" in page for name in (*asdict(Limits()), *STATUS))


def test_what_is_promised_under_a_fault_names_codes_and_limits_that_are() -> None:
    page = server_tables.PAGE.read_text("utf-8")
    promised = page[page.index("## What is promised") : page.index("## Limits")]
    known = {*STATUS, *asdict(Limits()), "return_files", "status.files", "/healthz", "/api/run", "signal_corrupt"}
    names = set(re.findall(r"`([a-z_/.]+)`", promised))
    assert len(names & set(STATUS)) > 8
    assert names <= known
    for code, status in re.findall(r"`(\w+)` \((\d+)\)", promised):
        assert STATUS[code] == int(status)


def test_every_code_that_the_server_answers_is_in_the_table() -> None:
    raised = set()
    for path in Path("gsjbu/server").glob("*.py"):
        raised |= set(re.findall(r'Problem\(\s*"(\w+)"', path.read_text("utf-8")))
    assert len(raised) > 30
    assert raised <= set(STATUS)


def codes_raised(source: str) -> set[str]:
    """The codes that refusals of a module are made with: a first argument, ``code=``, or its default."""
    found: list[ast.expr] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef) and node.name == "__init__":
            found += node.args.defaults
        elif isinstance(node, ast.Call) and re.search(r"Error$|__init__$", ast.unparse(node.func)):
            first = [] if ast.unparse(node.func).endswith("SettingError") else node.args[:1]  # there a setting
            found += [*first, *(k.value for k in node.keywords if k.arg == "code")]
    texts = {node.value for node in found if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return {text for text in texts if re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)+", text)}


def test_the_guide_names_each_code_of_the_library() -> None:
    raised = set()
    for path in Path("gsjbu").rglob("*.py"):
        raised |= set() if "server" in path.parts else codes_raised(path.read_text("utf-8"))
    page = server_tables.PAGE.read_text("utf-8")
    table = page[page.index("<!-- own codes -->") : page.index("<!-- end of own codes -->")]
    named = re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)
    assert sorted(named) == sorted(raised - set(STATUS))


def test_each_option_and_variable_of_the_server_is_in_a_guide() -> None:
    told = "".join(path.read_text("utf-8") for path in Path("docs").glob("*.md"))
    parser = argparse.ArgumentParser(add_help=False)
    add_arguments(parser)
    wanted = {option for action in parser._actions for option in action.option_strings}
    for path in (*Path("gsjbu").rglob("*.py"), Path("deploy/compose.yaml"), Path("Dockerfile")):
        wanted |= set(re.findall(r"\bGSJBU_[A-Z_]*[A-Z]\b", path.read_text("utf-8")))
    assert len(wanted) > 10
    assert [name for name in sorted(wanted) if not re.search(rf"(?<![\w-]){name}(?![\w-])", told)] == []


def test_what_is_kept_shrinks_with_the_machine_but_not_what_was_asked_for() -> None:
    small = Limits(cache_bytes=99 * MIB).within(800 * MIB, {"cache_bytes"})
    assert (small.cache_bytes, small.upload_buffer_bytes) == (99 * MIB, 100 * MIB)
    assert Limits().within(64 * GIB, {}) == Limits()
