"""The words of the console: one file a language, the same keys in each. A test holds them equal."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

LANGUAGES = ("en", "es")
NAMES = {"en": "English", "es": "Espa\u00f1ol"}


@cache
def catalogue(language: str) -> Mapping[str, str]:
    """Key to words, `section.key`."""
    raw = tomllib.loads(files("nightlight.web.console").joinpath("words", f"console.{language}.toml").read_text("utf-8"))
    return {f"{section}.{key}": words for section, inner in raw.items() for key, words in inner.items()}


@cache
def reasons_in(language: str) -> Mapping[str, str]:
    """What detectors give as reasons, from their own English; nothing where they are read as they stand."""
    file = files("nightlight.web.console").joinpath("words", f"reasons.{language}.toml")
    return tomllib.loads(file.read_text("utf-8")) if file.is_file() else {}


class Words:
    """Looks up and fills in. A key that is not there is an error: a page with a hole in it would be worse."""

    def __init__(self, language: str) -> None:
        self.language = language
        self._words = catalogue(language)

    def __call__(self, key: str, **values: object) -> str:
        found = self._words[key]
        return found.format(**values) if values else found

    def of(self, section: str, code: object) -> str:
        """What a code is called; the code itself where nobody gave it a name."""
        return self._words.get(f"{section}.{code}") or str(code).replace("_", " ").capitalize()
