"""Every door takes the same five words, and means the same where none is said."""

from __future__ import annotations

import argparse
import inspect
from dataclasses import fields

import pytest

import gsjbu
from gsjbu.batch.config import BatchConfig
from gsjbu.cli import options
from gsjbu.io.signals import Asked, understand
from gsjbu.io.words import WORDS
from gsjbu.server.schemas import SignalWords


def of_command_line() -> dict[str, object]:
    parser = argparse.ArgumentParser()
    options.add_signal(parser)
    return vars(parser.parse_args([]))


def of_function(verb) -> dict[str, object]:
    return {name: parameter.default for name, parameter in inspect.signature(verb).parameters.items()}


DOORS = {
    "upsample": of_function(gsjbu.upsample),
    "refine": of_function(gsjbu.refine),
    "understand": of_function(understand),
    "batch": {field.name: field.default for field in fields(BatchConfig)},
    "command line": of_command_line(),
    "API": {name: field.default for name, field in SignalWords.model_fields.items()},
}


@pytest.mark.parametrize("door", DOORS)
def test_each_door_has_all_words_with_their_usual_values(door):
    for name, word in WORDS.items():
        said = {"kind": "auto", "layout": "auto"}.get(name) if DOORS[door][name] is None else DOORS[door][name]
        assert (said or "") == (word.usual or ""), name


def test_the_usual_words_say_nothing():
    assert Asked.parse(**{name: word.usual or () for name, word in WORDS.items() if name != "fill"}) == Asked()
