"""What a report lacks is said by name, in both languages, with how to get it; and having it raises the score."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from nightlight.core.case import Finding
from nightlight.core.casefile import CaseFile, Email, Escalation, Identity, PartyFile, Role, ServiceFile
from nightlight.core.harm import Harm
from nightlight.reporting.completeness import FIELDS, completeness
from nightlight.reporting.completeness_words import WORDS
from nightlight.reporting.wording import blaming
from tests.reporting.cases import CHILD, NOW, SERVICE, SUSPECT, known_material, media, sextortion

FULL = replace(
    sextortion(),
    parties=(SUSPECT, replace(CHILD, identity=Identity(emails=(Email(address="c@example.com"),)))),
)


def lacking(file: CaseFile) -> list[str]:
    return [one.field for one in completeness(file, NOW).missing]


def test_a_full_case_lacks_nothing() -> None:
    assert lacking(FULL) == []
    assert completeness(FULL, NOW).score == 100
    assert completeness(FULL, NOW).ready


@pytest.mark.parametrize(
    ("field", "file"),
    [
        ("verdict", replace(FULL, verdicts=())),
        ("verdict", replace(FULL, verdicts=(replace(FULL.verdicts[0], finding=Finding.NEEDS_MORE),))),
        ("verdict", replace(FULL, verdicts=(*FULL.verdicts, replace(FULL.verdicts[0], finding=Finding.NOT_CONFIRMED, at=NOW)))),
        ("reporter.email", replace(FULL, service=replace(SERVICE, reporter=Identity(first_name="Sam")))),
        ("reporter.email", replace(FULL, service=replace(SERVICE, reporter=Identity(emails=(Email(address="not one"),))))),
        ("lines.read", replace(FULL, lines=tuple(replace(line, unread=True) for line in FULL.lines))),
        ("suspect.ip", replace(FULL, parties=(replace(SUSPECT, ip_events=SUSPECT.ip_events[1:]), *FULL.parties[1:]))),
        ("suspect.device", replace(FULL, parties=(replace(SUSPECT, devices=()), *FULL.parties[1:]))),
        ("suspect.place", replace(FULL, parties=(replace(SUSPECT, place=None), *FULL.parties[1:]))),
        ("suspect.one", replace(FULL, parties=(*FULL.parties, replace(SUSPECT, account="u-2")))),
        ("child.account", replace(FULL, parties=(SUSPECT,))),
        ("child.age", replace(FULL, parties=(*FULL.parties, replace(CHILD, age=None)))),
        ("child.reach", replace(FULL, parties=(*FULL.parties, replace(CHILD, ip_events=(), place=None, school="")))),
        ("media.decided", replace(FULL, media=(media(),))),
        ("media.held", replace(FULL, media=(media(finding=Finding.CONFIRMED, held=False),))),
        ("media.viewed", replace(FULL, media=(media(finding=Finding.CONFIRMED),))),
        ("channel", replace(FULL, channels=())),
        ("company", replace(FULL, service=replace(SERVICE, template=""))),
        ("words", replace(FULL, note="She complied with it.")),
        ("words", replace(FULL, parties=(SUSPECT, replace(FULL.parties[1], note="una relación amorosa")))),
    ],
)
def test_what_is_taken_away_is_told_alone(field: str, file: CaseFile) -> None:
    found = completeness(file, NOW)
    assert [one.field for one in found.missing] == [field]
    assert found.score < 100
    assert found.ready is not found.missing[0].required


def test_what_is_required_comes_first() -> None:
    bare = replace(FULL, parties=(), verdicts=(), harms=(Harm.IMMEDIATE_DANGER,), service=ServiceFile(name="L"), lines=())
    found = completeness(bare, NOW)
    assert not found.ready
    required = [one.required for one in found.missing]
    assert required == sorted(required, reverse=True)
    assert {one.field for one in found.missing if one.required} == {
        "verdict",
        "incident.type",
        "reporter.email",
        "suspect.account",
        "danger.reason",
    }


def test_danger_asks_for_its_reason_and_no_more() -> None:
    danger = replace(FULL, harms=(Harm.IMMEDIATE_DANGER, Harm.SEXTORTION))
    assert lacking(danger) == ["danger.reason"]
    assert lacking(replace(danger, escalation=Escalation(reason="tonight", by="r", at=NOW))) == []
    assert lacking(replace(danger, escalation=Escalation(reason="  ", by="r", at=NOW))) == ["danger.reason"]


def test_listed_material_need_not_be_viewed_nor_read() -> None:
    assert not {"media.viewed", "media.decided", "lines.read"} & set(lacking(known_material()))


def test_the_child_is_not_asked_for_where_there_is_none() -> None:
    material = replace(known_material(), parties=(PartyFile(account="u-1", role=Role.SUSPECT),))
    assert not any(field.startswith("child") for field in lacking(material))


def test_every_item_has_its_words_in_both_languages_and_none_blames() -> None:
    for language, words in WORDS.items():
        assert set(words) == set(FIELDS), language
        for what, how in words.values():
            assert what
            assert how
            assert len(what) <= 140
            assert not blaming(what + how)
    assert WORDS["en"].keys() == WORDS["es"].keys()
    assert all(WORDS["en"][field] != WORDS["es"][field] for field in FIELDS)


@pytest.mark.parametrize(
    "text", ["She complied.", "consensual", "their relationship", "self-generated", "consintió", "autogeneradas", "willingly"]
)
def test_words_that_blame_are_found(text: str) -> None:
    assert blaming(text)


@pytest.mark.parametrize("text", ["He asked for pictures.", "La relación de hechos", "The account complained.", "Un voluntarioso"])
def test_and_others_are_not(text: str) -> None:
    assert blaming(text) is None
