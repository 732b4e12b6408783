"""The console's words: the same in each language, a name for every code, and nothing that blames a child. And its QR codes."""

from __future__ import annotations

import re
from hashlib import sha256
from importlib.resources import files

import pytest

from nightlight.core.case import AppealState, CaseState, Consequence, Finding, Lane, Peers, StepState, SupportState
from nightlight.core.decision import ACTION_TYPES
from nightlight.core.errors import Invalid
from nightlight.core.event import AgeBand, Assurance, EventBase, ReportCategory
from nightlight.core.harm import Harm, Level, Stage
from nightlight.core.staff import Role
from nightlight.detectors._conversation.weights import REPORTS
from nightlight.web.console import qr
from nightlight.web.console.words import LANGUAGES, catalogue, reasons_in

CODES = {
    "harm": Harm, "level": Level, "state": CaseState, "lane": Lane, "finding": Finding, "consequence": Consequence, "step": StepState,
    "appeal": AppealState, "support": SupportState, "role": Role, "age": AgeBand, "assurance": Assurance, "category": ReportCategory,
}  # fmt: skip


def test_every_language_has_the_same_keys_and_the_same_gaps() -> None:
    first = catalogue("en")
    for language in LANGUAGES:
        other = catalogue(language)
        assert set(other) == set(first)
        assert {k for k in first if set(re.findall(r"{\w+}", first[k])) != set(re.findall(r"{\w+}", other[k]))} == set()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_code_has_a_name(language: str) -> None:
    words = catalogue(language)
    wanted = [f"{section}.{code.value}" for section, codes in CODES.items() for code in codes]
    wanted += [f"stage.{stage.value}" for stage in Stage] + [f"peers.{p.value}" for p in Peers if p is not Peers.NO]
    wanted += [f"action.{action.__struct_config__.tag}" for action in ACTION_TYPES]
    wanted += [f"kind.{kind.__struct_config__.tag}" for kind in EventBase.__subclasses__()]
    assert [key for key in wanted if not words.get(key)] == []


def test_every_key_that_a_template_names_is_there() -> None:
    words, missing = catalogue("en"), []
    for template in files("nightlight.web.console").joinpath("templates").iterdir():
        text = template.read_text("utf-8")
        missing += [key for key in re.findall(r'\bt\("([a-z_]+\.[a-z0-9_]+)"[,)]', text) if key not in words]
        missing += [section for section in re.findall(r'\bt\.of\("([a-z_]+)"', text) if not any(k.startswith(f"{section}.") for k in words)]
    assert missing == []


def test_the_reasons_of_the_cues_that_ship_are_there_in_spanish_and_blame_nobody() -> None:
    """Every cue's words, so that a new one is not read in English by accident."""
    wanted: set[str] = {reason for _, reason in REPORTS.values()}
    for name in ("cues.toml", "cues_es.toml"):
        raw = files("nightlight.senses.text").joinpath(name).read_text("utf-8")
        wanted |= set(re.findall(r'^reason = "([^"]+)"', raw, re.MULTILINE))
    assert len(wanted) > 60
    known = reasons_in("es")
    assert sorted(wanted - set(known)) == []
    assert not any(re.search(r"(?i)consinti|relaci[o\u00f3]n|accedi|enviaste|deber\u00edas", words) for words in known.values())
    assert reasons_in("en") == {}


def test_no_word_blames_a_child() -> None:
    forbidden = r"(?i)\b(complied|willing|consented|relationship|self-generated|consinti\w*|relaci[o\u00f3]n)\b"
    assert [key for language in LANGUAGES for key, words in catalogue(language).items() if re.search(forbidden, words)] == []


# Full codes, compared with segno 1.6.6 module for module under the same mask.
@pytest.mark.parametrize(
    ("length", "side", "digest"), [(14, 21, "ace6c461b42db340"), (106, 41, "6200f2f742bdf34c"), (213, 57, "48cf113e7fb004fc")]
)
def test_qr_codes_are_as_another_encoder_draws_them(length: int, side: int, digest: str) -> None:
    grid = qr.matrix(("otpauth://totp/Nightlight:ana?secret=ABC&issuer=x" * 6)[:length])
    assert len(grid) == side
    drawn = "\n".join("".join("#" if cell else "." for cell in row) for row in grid)
    assert sha256(drawn.encode()).hexdigest()[:16] == digest


def test_what_is_too_long_for_a_code_is_refused() -> None:
    qr.matrix("x" * 213)
    with pytest.raises(Invalid):
        qr.matrix("x" * 214)
