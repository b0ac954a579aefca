"""Multipart forms of the API: what they may hold, in code and in the OpenAPI description."""

from __future__ import annotations

import json
from typing import Any

from gsjbu.io.words import WORDS
from gsjbu.samples import TRUTHS
from gsjbu.server.problems import Problem
from gsjbu.server.schemas import settings_schema, strict_settings
from gsjbu.server.strict import once_each
from gsjbu.server.uploads import Form
from gsjbu.settings import Settings, truth_word

_BINARY = {"type": "string", "contentMediaType": "application/octet-stream", "minLength": 1}


def body(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    """``openapi_extra`` of a route that takes a form with one of the ``required`` fields, and not two."""
    schema: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": False}
    if len(required) == 1:
        schema["required"] = list(required)
    else:
        schema["oneOf"] = [{"required": [name]} for name in required]
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


_SCENE = {"type": "string", "description": "Instead of a file: the name of a built-in scene."}
_IMAGE = {"file": {**_BINARY, "description": "A JPEG, PNG, WebP or AVIF picture."}, "sample": _SCENE}
IMAGE_FORM = body(_IMAGE, "file", "sample")
#: What a signal is, where its reader should not guess.
SIGNAL_WORDS: dict[str, Any] = {
    name: {"type": "boolean" if isinstance(word.usual, bool) else "string", "description": word.sentence}
    for name, word in WORDS.items()
}
ENTRY = {"type": "string", "description": "The name of the array, where the file holds several: of file.npz:NAME."}
SIGNAL_FORM = body(
    {
        "file": {
            **_BINARY,
            "description": "npy, npz, safetensors, pt, PNG, TIFF, PFM, PGM, .flo or grey JPEG; see the docs.",
        },
        "entry": ENTRY,
        **SIGNAL_WORDS,
    },
    "file",
)
_WHAT = {"what": {"enum": list(TRUTHS), "description": "Of a built-in scene: which of its truths."}}
TRUTH_FORM = body(
    {
        "file": {**_BINARY, "description": "A full-resolution array or picture; what a signal may come in."},
        "entry": ENTRY,
        "sample": _SCENE,
        **_WHAT,
    },
    "file",
    "sample",
)
RUN_FORM = body(
    {
        **_IMAGE,
        "signal": {**_BINARY, "description": "A low-resolution signal to upsample along with the image."},
        "truth": {**_BINARY, "description": "The signal's truth at full resolution, to measure against."},
        **_WHAT,
        "entry": {**ENTRY, "description": f"Of the signal. {ENTRY['description']}"},
        "truth_entry": {**ENTRY, "description": f"Of the truth. {ENTRY['description']}"},
        **SIGNAL_WORDS,
        "return_files": {"type": "boolean", "description": "Write the panels under /static/out and give links."},
        **settings_schema()["properties"],
        "settings": {**settings_schema(), "description": "All settings in one, instead of a field for each."},
    },
    "file",
    "sample",
)


def only(form: Form, *names: str) -> None:
    """Refuse text fields that the form does not have."""
    for name in form.fields:
        if name not in names:
            fields = ", ".join((*names, "file"))
            raise Problem(
                "request_invalid", f"The form has no field {name[:60]!r}; it has {fields}.", setting=name[:60]
            )


def settings_of(form: Form) -> Settings:
    """The settings in a form: each as a field of its own, or all in one JSON field ``settings``."""
    given: dict[str, Any] = dict(form.fields)
    for name in ("sample", "what", "return_files", "entry", "truth_entry", *WORDS):
        given.pop(name, None)
    together = given.pop("settings", None)
    if together is None:
        return Settings.parse(given)
    for name in given:
        detail = f"The form has the field 'settings' and {name[:60]!r} besides; say all settings in one way."
        raise Problem("request_invalid", detail, setting=name[:60])
    try:
        parsed = json.loads(together, object_pairs_hook=once_each)
    except (ValueError, RecursionError):
        parsed = None
    if not isinstance(parsed, dict):
        raise Problem("json_invalid", "The field 'settings' must be a JSON object.", setting="settings")
    return strict_settings(parsed)


def signal_words(form: Form) -> dict[str, Any]:
    """What the form says of its signal."""
    words: dict[str, Any] = {name: form.fields[name] for name in WORDS if name in form.fields}
    return words | ({"fill": flag(form, "fill")} if "fill" in words else {})


def no_signal_words(form: Form) -> None:
    """Refuse what is said of a signal where none is sent."""
    no_entry(form, "entry")
    for name, said in signal_words(form).items():
        if said != WORDS[name].usual:
            raise Problem(
                "request_invalid", f"{name} is said of a signal, and none is sent; leave it out.", setting=name
            )


def no_entry(form: Form, name: str) -> None:
    """Refuse the name of an array where no file is sent that holds it."""
    if name in form.fields:
        detail = f"{name} names an array of a file, and that file is not sent; leave it out."
        raise Problem("request_invalid", detail, setting=name)


def flag(form: Form, name: str) -> bool:
    """A true/false field; false where it is missing."""
    said = truth_word(form.fields.get(name, "false"))
    if said is None:
        raise Problem("request_invalid", f"{name} must be true or false.", setting=name)
    return said
