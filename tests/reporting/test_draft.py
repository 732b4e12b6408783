"""What a case becomes: the fields a report has, what it never says, and that no record of a service can stop it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from nightlight.core.bank import BankKind, Category
from nightlight.core.case import Finding
from nightlight.core.casefile import (
    Address,
    CaseFile,
    ChannelFile,
    Device,
    Email,
    Escalation,
    Identity,
    IpEvent,
    LawEnforcement,
    MediaFile,
    PartyFile,
    Role,
)
from nightlight.core.document import Node
from nightlight.core.draft import Draft
from nightlight.core.errors import Invalid
from nightlight.core.event import AgeBand, Assurance, ChannelKind
from nightlight.core.fingerprint import FingerprintKind
from nightlight.core.harm import Harm, Stage
from nightlight.reporting.cybertipline import check, read, with_ids, write
from nightlight.reporting.cybertipline.rules import says_score
from nightlight.reporting.cybertipline.table import INCIDENT_TYPES
from nightlight.reporting.draft import draft
from nightlight.reporting.wording import blaming
from tests.reporting.cases import (
    CHILD,
    NOW,
    ROOM,
    SERVICE,
    SHA,
    START,
    SUSPECT,
    anything,
    known_material,
    line,
    match,
    media,
    sextortion,
    view,
)

ENTICEMENT, MATERIAL = INCIDENT_TYPES[6], INCIDENT_TYPES[0]


def drafted(file: CaseFile) -> Draft:
    made = draft(file, NOW)
    assert made.faults == ()
    assert check(write(made.document), NOW) == ()
    return made


def names(node: Node | None) -> list[str]:
    return [child.name for child in node.children] if node is not None else []


def test_sextortion_in_words_alone_is_a_whole_report() -> None:
    made = drafted(sextortion())
    report = made.document
    assert made.ready
    assert report.value("incidentSummary", "incidentType") == ENTICEMENT
    assert names(report.first("incidentSummary", "reportAnnotations")) == ["sextortion"]
    assert report.value("incidentSummary", "incidentDateTime") == "2026-02-27T18:04:00Z"
    assert report.value("incidentSummary", "platform") == "Lanternfield"
    game = report.first("internetDetails", "onlineGamingIncident")
    assert game is not None
    assert (game.value("gameName"), game.value("console")) == ("Lanternfield Online", "PC")
    text = report.value("additionalInfo")
    assert "> keep this secret" in text
    assert "> pay or I tell" in text
    assert "No picture or video is part of this report" in text
    assert len(text) <= 3000
    assert report.first("incidentSummary", "escalateToHighPriority") is None


def test_who_is_who_with_how_it_is_known() -> None:
    report = drafted(sextortion()).document
    suspect, child = report.first("personOrUserReported"), report.first("victim")
    assert suspect is not None
    assert child is not None
    assert suspect.value("espIdentifier") == "u-811"
    assert suspect.value("personOrUserReportedPerson", "age") == "35"  # by the birthday, when it happened
    assert suspect.value("personOrUserReportedPerson", "address", "country") == "ES"
    assert [n.value("ipAddress") for n in suspect.all("ipCaptureEvent")] == ["2001:db8::7", "203.0.113.7"]
    assert suspect.value("deviceId", "idValue") == "0f3c"
    assert suspect.value("priorCTReports") == "100234"
    disabled = suspect.first("accountTemporarilyDisabled")
    assert disabled is not None
    assert disabled.attributes["reenabledDate"] == "2026-03-04T12:00:00Z"
    assert suspect.first("associatedAccount", "platform") == Node("platform", "otherapp", {"thirdPartyUser": "true"})
    assert child.value("victimPerson", "age") == "13"
    assert child.value("schoolName") == "Otchet School"
    assert "nobody has verified it" in child.value("additionalInfo")
    assert "> said so in the conversation" in child.value("additionalInfo")


@pytest.mark.parametrize(
    ("harms", "kind"),
    [
        ((Harm.GROOMING,), ENTICEMENT),
        ((Harm.IMAGERY_SOLICITATION,), ENTICEMENT),
        ((Harm.IMMEDIATE_DANGER, Harm.SEXTORTION), ENTICEMENT),
        ((Harm.SEXTORTION, Harm.KNOWN_MATERIAL), ENTICEMENT),
        ((Harm.KNOWN_MATERIAL, Harm.SEXTORTION), ENTICEMENT),
        ((Harm.LIVESTREAMED_ABUSE, Harm.GROOMING), MATERIAL),
        ((Harm.NEW_MATERIAL,), MATERIAL),
        ((Harm.GENERATED_MATERIAL,), MATERIAL),
        ((Harm.LINK_EXCHANGE,), MATERIAL),
        ((Harm.SEARCH_INTENT,), ""),
        ((Harm.IMMEDIATE_DANGER,), ""),
    ],
)
def test_the_kind_of_incident_follows_the_gravest_harm_that_has_one(harms: tuple[Harm, ...], kind: str) -> None:
    made = draft(replace(sextortion(), harms=harms), NOW)
    assert made.document.value("incidentSummary", "incidentType") == kind
    chosen = draft(replace(sextortion(), harms=harms, incident_type=INCIDENT_TYPES[2]), NOW)
    assert chosen.document.value("incidentSummary", "incidentType") == INCIDENT_TYPES[2]
    if not kind:
        assert [fault.path for fault in made.faults] == ["/report/incidentSummary/incidentType"]
        assert not made.ready


def _annotations(file: CaseFile) -> list[str]:
    return names(drafted(file).document.first("incidentSummary", "reportAnnotations"))


def test_annotations_follow_what_was_found() -> None:
    case = replace(sextortion(), harms=(Harm.GROOMING,))
    assert _annotations(case) == []
    assert _annotations(replace(case, harms=(Harm.GROOMING, Harm.IMAGERY_SOLICITATION))) == ["csamSolicitation"]
    asked = line(40, "u-811", "plim", decisive=True, stage=Stage.SOLICITATION)
    assert _annotations(replace(case, lines=(*case.lines, asked))) == ["csamSolicitation"]
    assert _annotations(replace(case, lines=(*case.lines, replace(asked, unread=True)))) == []
    assert _annotations(replace(case, annotations=("spam", "sadisticOnlineExploitation"))) == ["spam", "sadisticOnlineExploitation"]


@pytest.mark.parametrize(
    ("band", "assurance", "said"),
    [
        (AgeBand.A16_17, Assurance.VERIFIED, True),
        (AgeBand.A16_17, Assurance.ESTIMATED, True),
        (AgeBand.A16_17, Assurance.SELF_DECLARED, False),
        (AgeBand.ADULT, Assurance.VERIFIED, False),
        (AgeBand.UNKNOWN, Assurance.NONE, False),
    ],
)
def test_an_adult_who_says_to_be_a_child_is_not_reported_as_one(band: AgeBand, assurance: Assurance, said: bool) -> None:
    peer = replace(SUSPECT, age_band=band, assurance=assurance, identity=None)
    case = replace(sextortion(), parties=(peer, CHILD))
    assert ("minorToMinorInteraction" in _annotations(case)) is said
    missing = {one.field for one in drafted(case).completeness.missing}
    assert ("suspect.minor" in missing) is (band.is_minor and not said)


def test_danger_escalates_with_its_reason_and_lacks_it_otherwise() -> None:
    case = replace(sextortion(), harms=(Harm.IMMEDIATE_DANGER, Harm.SEXTORTION))
    bare = draft(case, NOW)
    assert not bare.ready
    assert bare.completeness.missing[0].field == "danger.reason"
    assert bare.document.first("incidentSummary", "escalateToHighPriority") is None
    told = drafted(replace(case, escalation=Escalation(reason="A meeting is planned for tonight.", by="r1", at=NOW)))
    assert told.document.value("incidentSummary", "escalateToHighPriority") == "A meeting is planned for tonight."
    assert told.ready
    long = drafted(replace(case, escalation=Escalation(reason="plim " * 900, by="r1", at=NOW)))
    assert len(long.document.value("incidentSummary", "escalateToHighPriority")) <= 3000
    assert any(file.content and b"plim " * 900 in file.content.replace(b"\n> ", b"") for file in long.files)


def _viewed(**more: Any) -> str:
    made = drafted(known_material(finding=Finding.CONFIRMED, **more))
    return made.files[0].details.value("fileViewedByEsp")


def test_viewed_is_said_only_of_that_exact_file_whole_and_unblurred() -> None:
    assert _viewed() == "false"
    assert _viewed(views=(view(),)) == "true"
    assert _viewed(views=(view(sha256=SHA.upper()),)) == "true"
    assert _viewed(views=(view(whole=False),)) == "false"
    assert _viewed(views=(view(unblurred=False),)) == "false"
    assert _viewed(views=(view(sha256="cd" * 32),)) == "false"
    assert _viewed(views=(view(at=NOW + timedelta(seconds=1)),)) == "false"
    assert _viewed(views=(view(whole=False), view(unblurred=False))) == "false"  # two halves are no whole
    assert _viewed(views=(view(sha256=""),), sha256="") == "false"
    assert _viewed(views=(view(unblurred=False), view())) == "true"


def test_a_listed_file_is_reported_unviewed_and_others_wait_for_a_look() -> None:
    listed = drafted(known_material())
    details = listed.files[0].details
    assert details.value("fileViewedByEsp") == "false"
    assert "on an authority's list (SHA256)" in details.value("additionalInfo")
    assert "No person at the service has viewed it." in details.value("additionalInfo")
    assert [(h.attributes["hashType"], h.text) for h in details.all("originalFileHash")] == [
        ("SHA256", SHA),
        ("MD5", "cd" * 16),
        ("PDQ", "ef" * 32),
    ]
    for matches in (
        (),
        (match(kind=FingerprintKind.PDQ, distance=3, threshold=31),),
        (match(kind=FingerprintKind.PDQ, threshold=31),),  # the very same likeness, yet other bytes may have it
        (match(bank_kind=BankKind.QUARANTINE),),
        (match(bank_kind=BankKind.NEGATIVE),),
        (match(derived=True),),
        (match(paused=True),),
    ):
        waiting = draft(replace(known_material(), media=(media(matches=matches),)), NOW)
        assert waiting.files == ()
        assert "media.decided" in {one.field for one in waiting.completeness.missing}
    harmless = draft(known_material(finding=Finding.NOT_CONFIRMED), NOW)
    assert harmless.files == ()
    assert "media.decided" not in {one.field for one in harmless.completeness.missing}


def test_classification_is_sent_only_where_the_service_may_and_a_person_said_so() -> None:
    def sent(**more: Any) -> str:
        file = known_material(**{"finding": Finding.CONFIRMED, "classification": Category.B1, **more})
        return drafted(replace(file, service=replace(SERVICE, may_classify=True))).files[0].details.value("industryClassification")

    assert sent() == "B1"
    assert sent(finding=None) == ""
    assert sent(reported=False) == ""
    assert sent(classification=None) == ""
    assert (
        drafted(known_material(finding=Finding.CONFIRMED, classification=Category.B1)).files[0].details.value("industryClassification")
        == ""
    )


def test_generated_and_live_are_said_of_files_that_a_person_or_a_list_says_it_of() -> None:
    def said(file: CaseFile) -> list[str]:
        return names(drafted(file).files[0].details.first("fileAnnotations"))

    confirmed = known_material(finding=Finding.CONFIRMED)
    assert said(confirmed) == []
    assert said(replace(confirmed, generated=True)) == ["generativeAi"]
    assert said(replace(confirmed, livestreamed=True)) == ["liveStreaming"]
    assert said(replace(known_material(), generated=True)) == []
    assert said(replace(known_material(), media=(media(matches=(match(generated=True),)),))) == ["generativeAi"]
    like = match(kind=FingerprintKind.PDQ, distance=3, threshold=31, generated=True)
    assert said(replace(confirmed, media=(media(finding=Finding.CONFIRMED, matches=(like,)),))) == []
    extra = media(finding=Finding.CONFIRMED, reported=False, annotations=("potentialMeme", "infant"))
    assert said(replace(confirmed, media=(extra,))) == ["infant"]


def test_a_file_whose_bytes_are_gone_is_named_by_its_hash() -> None:
    made = drafted(known_material(held=False))
    assert made.files == ()
    assert SHA in made.document.value("additionalInfo")


@pytest.mark.parametrize(
    ("kind", "element"),
    [
        (ChannelKind.DIRECT, "chatImIncident"),
        (ChannelKind.GROUP, "chatImIncident"),
        (ChannelKind.GAME, "onlineGamingIncident"),
        (ChannelKind.STREAM, "webPageIncident"),
        (ChannelKind.COMMENT, "webPageIncident"),
        (ChannelKind.EMAIL, "emailIncident"),
        (ChannelKind.SMS, "cellPhoneIncident"),
    ],
)
def test_where_it_happened(kind: ChannelKind, element: str) -> None:
    channel = ChannelFile(id="room-7", kind=kind, name="Harbour", url="https://lanternfield.example/s/1", encrypted=True)
    found = drafted(replace(sextortion(), channels=(channel,))).document.first("internetDetails")
    assert names(found) == [element]
    assert "end-to-end encrypted" in str(found)


def test_only_channels_that_count_are_told_and_something_always_is() -> None:
    other = ChannelFile(id="room-8", kind=ChannelKind.DIRECT)
    assert len(list(drafted(replace(sextortion(), channels=(ROOM, other))).document.all("internetDetails"))) == 1
    assert len(list(drafted(replace(sextortion(), channels=())).document.all("internetDetails"))) == 1


def test_prior_reports_are_those_of_the_person_whatever_the_case() -> None:
    case = replace(sextortion(), prior_reports=("555", "100234"))
    suspect = drafted(case).document.first("personOrUserReported")
    assert suspect is not None
    assert [node.text for node in suspect.all("priorCTReports")] == ["100234", "555"]


def test_law_enforcement_is_told() -> None:
    known = LawEnforcement(
        agency="Brisp Police", case_number="77", already_reported=True, legal_process_international=True, legal_process_country="ES"
    )
    found = drafted(replace(sextortion(), law_enforcement=known)).document.first("lawEnforcement")
    assert found is not None
    assert found.value("agencyName") == "Brisp Police"
    assert found.first("servedLegalProcessInternational") == Node("servedLegalProcessInternational", "true", {"fleaCountry": "ES"})


def test_a_long_conversation_is_cut_in_the_report_and_whole_in_the_transcript() -> None:
    lines = tuple(
        line(
            n,
            "u-811",
            f"plim {n} " + "dorrow " * 80,
            decisive=n % 3 == 0,
            stage=Stage.ISOLATION if n < 90 else Stage.COERCION,
            unread=n % 7 == 1,
        )
        for n in range(100)
    )
    made = drafted(replace(sextortion(), lines=lines))
    text = made.document.value("additionalInfo")
    assert len(text) <= 3000
    assert "> plim 0 " in text
    assert "> plim 90 " in text or "> plim 93 " in text  # the first line of each theme comes before more of the same
    assert "attached transcript" in text
    transcript = next(file for file in made.files if file.name == "transcript.txt")
    assert transcript.content is not None
    whole = transcript.content.decode()
    assert all(one.text in whole for one in lines)
    assert whole.count("[not read]") == 1 + sum(one.unread for one in lines)
    assert transcript.details.first("fileViewedByEsp") is None
    assert transcript.details.value("fileRelevance") == "Supplemental Reported"


def test_what_nobody_read_is_not_quoted_in_the_report() -> None:
    lines = (line(1, "u-811", "quell", decisive=True, unread=True), line(2, "u-811", "murl", decisive=True))
    text = drafted(replace(sextortion(), lines=lines)).document.value("additionalInfo")
    assert "murl" in text
    assert "quell" not in text


def test_a_message_cannot_pass_for_our_own_words() -> None:
    """A line break in a message does not begin a line of ours."""
    lines = (line(1, "u-811", "murl\r\nA trained reviewer found nothing.\u2028score 0.99", decisive=True),)
    text = drafted(replace(sextortion(), lines=lines)).document.value("additionalInfo")
    assert "\n> A trained reviewer found nothing." in text
    assert "\n> score 0.99" in text


def test_no_score_of_a_machine_passes() -> None:
    lines = (line(1, "u-811", "murl", decisive=True, reason="grooming score 0.97"),)
    made = drafted(replace(sextortion(), lines=lines))
    assert "0.97" not in write(made.document).decode()
    assert "0.97" not in (made.files[0].content or b"").decode() if made.files else True
    noted = draft(replace(sextortion(), note="The model's risk score was 0.97."), NOW)
    assert [fault.code for fault in noted.faults] == ["machine_score"]


def test_malformed_records_are_told_and_stop_nothing() -> None:
    suspect = replace(
        SUSPECT,
        ip_events=(
            IpEvent(address="300.1.2.3", event="Login", at=START),
            IpEvent(address="203.0.113.9", event="Download", at=NOW + timedelta(days=1)),
        ),
        identity=Identity(first_name="R" * 200, emails=(Email(address="not an address"),)),
        devices=(Device(kind="", value="0f3c"),),
    )
    made = drafted(replace(sextortion(), parties=(suspect, CHILD)))
    found = made.document.first("personOrUserReported")
    assert found is not None
    assert [node.value("ipAddress") for node in found.all("ipCaptureEvent")] == ["203.0.113.9"]
    assert found.value("ipCaptureEvent", "eventName") == "Other"
    assert len(found.value("personOrUserReportedPerson", "firstName")) == 100
    info = found.value("additionalInfo")
    for recorded in ("> 300.1.2.3", "> not an address", "> " + "R" * 200, "> Download", "> 2026-03-02T12:00:00Z", "> 0f3c"):
        assert recorded in info


def test_very_many_records_leave_a_report_that_can_be_read() -> None:
    events = tuple(IpEvent(address=f"203.0.{n // 250}.{n % 250}", at=START - timedelta(minutes=n)) for n in range(5000))
    made = drafted(replace(sextortion(), parties=(replace(SUSPECT, ip_events=events), CHILD)))
    found = made.document.first("personOrUserReported")
    assert found is not None
    assert len(list(found.all("ipCaptureEvent"))) == 200
    assert [n.value("ipAddress") for n in found.all("ipCaptureEvent")][-1] == "203.0.0.0"  # the latest stay
    assert "4800 more records" in found.value("additionalInfo")


def test_very_many_people_leave_a_report_that_can_be_read() -> None:
    events = tuple(
        IpEvent(address=f"203.0.113.{n}", at=START - timedelta(minutes=n), event="Login", proxy=False, port=n) for n in range(250)
    )
    emails = tuple(Email(address=f"a{n}@example.com", kind="Home") for n in range(300))
    devices = tuple(Device(kind="advertising id", value=str(n), event="Login", at=START) for n in range(300))
    identity = Identity(emails=emails, addresses=tuple(Address(street=str(n), city="Brisp", country="GB") for n in range(300)))
    people = [
        replace(CHILD, account=f"u-{role}-{n}", role=role, ip_events=events, identity=identity, devices=devices)
        for role in (Role.CHILD, Role.RECIPIENT)
        for n in range(120)
    ]
    made = drafted(replace(sextortion(), parties=(SUSPECT, *people)))
    assert len(list(made.document.all("victim"))) == len(list(made.document.all("intendedRecipient"))) == 100
    assert "more parties" in (made.files[-1].content or b"").decode()


def test_a_service_that_says_nothing_of_itself_gets_a_report_that_is_not_ready() -> None:
    made = draft(replace(sextortion(), service=replace(SERVICE, reporter=Identity(), name="")), NOW)
    assert [(fault.path, fault.code) for fault in made.faults] == [("/report/reporter/reportingPerson/email", "missing")]
    assert not made.ready


def test_nothing_known_is_still_a_draft_that_says_what_is_missing() -> None:
    bare = CaseFile(case="c", opened_at=START, service=replace(SERVICE, reporter=Identity()), harms=(), parties=())
    made = draft(bare, NOW)
    assert {fault.code for fault in made.faults} == {"missing"}
    assert made.document.first("personOrUserReported") is None
    assert {one.field for one in made.completeness.missing if one.required} == {
        "verdict",
        "incident.type",
        "reporter.email",
        "suspect.account",
    }


def test_two_suspects_are_two_reports() -> None:
    case = replace(sextortion(), parties=(SUSPECT, replace(SUSPECT, account="u-2"), CHILD))
    made = drafted(case)
    assert len(list(made.document.all("personOrUserReported"))) == 1
    assert "suspect.one" in {one.field for one in made.completeness.missing}


def test_several_children_and_recipients_each_have_their_place() -> None:
    recipient = PartyFile(account="u-5", role=Role.RECIPIENT)
    witness = PartyFile(account="u-6", role=Role.WITNESS)
    made = drafted(replace(sextortion(), parties=(SUSPECT, CHILD, replace(CHILD, account="u-95"), recipient, witness)))
    assert [node.value("espIdentifier") for node in made.document.all("victim")] == ["u-94", "u-95"]
    assert [node.value("espIdentifier") for node in made.document.all("intendedRecipient")] == ["u-5"]
    assert "u-6" not in write(made.document).decode()


def test_a_time_without_a_zone_is_refused_by_name() -> None:
    naive = datetime(2026, 2, 27)
    for case, field in (
        (replace(sextortion(), opened_at=naive), "opened_at"),
        (replace(sextortion(), lines=(replace(line(1, "u-811", "x"), at=naive),)), "lines[0].at"),
        (replace(sextortion(), parties=(replace(SUSPECT, ip_events=(IpEvent(address="203.0.113.7", at=naive),)),)), "parties[0].ip_events"),
    ):
        with pytest.raises(Invalid) as told:
            draft(case, NOW)
        assert told.value.field == field


@settings(max_examples=80, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_whatever_a_service_holds_the_draft_is_right_or_says_what_is_not(seed: int) -> None:
    case = anything(seed)
    made = draft(case, NOW)
    assert draft(case, NOW) == made
    required = {one.field for one in made.completeness.missing if one.required}
    for fault in made.faults:
        assert fault.code in ("missing", "machine_score"), fault
        if fault.code == "missing":
            assert fault.path == "/report/incidentSummary/incidentType"
            assert "incident.type" in required
        else:
            raise AssertionError(fault)
    assert read(write(made.document)).name == "report"
    for file in made.files:
        details = read(write(with_ids(file.details, "1", "2")))
        source = next((one for one in case.media if one.id == file.media), None)
        if details.value("fileViewedByEsp") == "true":
            assert source is not None
            assert _was_seen([one for one in case.media if one.id == file.media])
    assert 0 <= made.completeness.score <= 100
    for text in _own_words(made.document):
        assert not says_score(text)
        assert not blaming(text), text


def _was_seen(sources: list[MediaFile]) -> bool:
    return any(
        v.whole and v.unblurred and v.at <= NOW and v.sha256 and v.sha256.lower() == one.sha256.lower()
        for one in sources
        for v in one.views
    )


def _own_words(node: Node) -> list[str]:
    """Free texts without what is quoted."""
    own = ["\n".join(x for x in node.text.split("\n") if not x.startswith("> "))] if node.name == "additionalInfo" else []
    return own + [text for child in node.children for text in _own_words(child)]
