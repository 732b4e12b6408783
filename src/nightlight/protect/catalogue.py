"""The message catalogue that ships: its files once a language, the same keys in each."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files

import msgspec
from msgspec import Struct

from nightlight.core.catalogue import Catalogue, Choice, ChoiceKind, Words

LANGUAGES = ("en", "es")
_FILES = ("messages", "search")


class _Message(Struct, frozen=True, forbid_unknown_fields=True):
    title: str
    body: str
    choices: dict[ChoiceKind, str]


class _File(Struct, frozen=True, forbid_unknown_fields=True):
    leave: str
    message: dict[str, _Message]


@cache
def catalogue() -> Catalogue:
    """Every message in every language."""
    return {language: {key: words for name in _FILES for key, words in _read(name, language).items()} for language in LANGUAGES}


def _read(name: str, language: str) -> dict[str, Words]:
    text = files("nightlight.protect").joinpath("words", f"{name}.{language}.toml").read_text("utf-8")
    found = msgspec.convert(tomllib.loads(text), _File)
    return {
        key: Words(
            title=message.title,
            body=message.body,
            choices=tuple(Choice(kind, label) for kind, label in message.choices.items()),
            leave=found.leave,
        )
        for key, message in found.message.items()
    }
