"""The words of the pages: one file a language, the same keys in each, three readers in each. A test holds them equal and readable."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

LANGUAGES = ("en", "es")


class Reader(StrEnum):
    """How old who reads is; they choose, and the choice never leaves the page."""

    CHILD = "7-10"
    MIDDLE = "11-13"
    TEEN = "14-17"


Words = Mapping[str, str]


@cache
def catalogue(page: str, language: str) -> Mapping[str, Words]:
    """The words of a page: for each reader every key, those of `[all]` included."""
    raw = _read(page, language)
    return {reader.value: {**raw["all"], **raw[reader.value]} for reader in Reader}


@cache
def words_of(page: str, language: str) -> Mapping[str, Any]:
    """The words of a page and of the layout (`common`), as its file has them; a key of its own wins. Its readers are one."""
    return MappingProxyType({**_read("common", language), **_read(page, language)})


def _read(page: str, language: str) -> dict[str, Any]:
    return tomllib.loads(files("nightlight.web.family").joinpath("words", f"{page}.{language}.toml").read_text("utf-8"))


def language_of(accepted: str) -> str:
    """The first of our languages in an Accept-Language header; English where there is none."""
    ranked = []
    for place, part in enumerate(accepted[:200].split(",")):
        tag, _, quality = part.strip().partition(";q=")
        try:
            ranked.append((-float(quality or 1), place, tag.partition("-")[0].lower()))
        except ValueError:
            continue
    return next((tag for weight, _, tag in sorted(ranked) if tag in LANGUAGES and weight < 0), "en")
