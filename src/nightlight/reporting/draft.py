"""From a case to what a report says. Pure: the same case and moment give the same draft, down to its bytes.

Conduct that is only in words is reported like any other: no part of this asks for a file.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from nightlight.core.casefile import CaseFile, ChannelFile, Role
from nightlight.core.document import Fault, Node
from nightlight.core.draft import Draft, DraftFile
from nightlight.core.errors import Invalid, TooLarge
from nightlight.core.event import ChannelKind
from nightlight.reporting.building import Building
from nightlight.reporting.completeness import completeness
from nightlight.reporting.cybertipline import check, with_ids, write
from nightlight.reporting.cybertipline.table import REPORT
from nightlight.reporting.files import included, media_file, text_file
from nightlight.reporting.incident import annotations_of, happened_at, incident_type, when_words
from nightlight.reporting.narrative import counted, narrative, transcript
from nightlight.reporting.parties import MOST_OF_A_KIND, put_identity, put_party

MOST_PARTIES = 100
"""Victims or recipients of one report. Chosen: whoever has more files them in several reports."""


def draft(file: CaseFile, now: datetime, authority: str = "ncmec") -> Draft:
    """What the report would say now, what it lacks, and what is wrong with it. Raises Invalid where a time has no zone.

    The document holds no score: there is none in a `CaseFile`, and reasons that carry one are not passed on.
    """
    check_times(file, now)
    going, unheld, _ = included(file)
    happened = happened_at(file, now)
    report = Building(REPORT, now)
    _summary(report, file, happened)
    for channel in _channels(file):
        _internet(report, channel, file)
    _law_enforcement(report, file)
    _reporter(report, file)
    suspects = [party for party in file.parties if party.role is Role.SUSPECT]
    people = len(suspects[:1]) + sum(min(MOST_PARTIES, sum(p.role is role for p in file.parties)) for role in (Role.RECIPIENT, Role.CHILD))
    most = min(MOST_OF_A_KIND, max(5, 600 // max(1, people)))
    for suspect in suspects[:1]:  # another suspect is another report: public clients differ on whether one may name two
        put_party(report, "personOrUserReported", suspect, file, happened, most)
    for role, name in ((Role.RECIPIENT, "intendedRecipient"), (Role.CHILD, "victim")):
        found = [party for party in file.parties if party.role is role]
        for party in found[:MOST_PARTIES]:
            put_party(report, name, party, file, happened, most)
        if len(found) > MOST_PARTIES:
            report.notes.append(f"There are {len(found) - MOST_PARTIES} more parties of the kind {name}, whom the service can name.")
    text, whole = narrative(file, going, unheld)
    report.put("additionalInfo", text)
    files = [media_file(media, file, now) for media in going]
    notes = [note for note in report.notes if note]
    if file.lines and (not whole or len(file.lines) > len(counted(file))):
        about = "Transcript of the conversation, made from the stored messages. It says which lines no person has read."
        files.append(text_file("transcript.txt", transcript(file), about, now))
    if notes:
        about = "What the service holds in a form that the report's own fields do not take."
        files.append(text_file("as-recorded.txt", "\n\n".join(notes) + "\n", about, now))
    document = report.node()
    return Draft(
        case=file.case,
        authority=authority,
        made_at=now,
        document=document,
        files=tuple(files),
        completeness=completeness(file, now),
        faults=draft_faults(document, files, now),
    )


def draft_faults(document: Node, files: Iterable[DraftFile], now: datetime) -> tuple[Fault, ...]:
    """What the validator says of the report and of each file's details, the latter with the file's name before the path."""
    found = list(_faults_of(document, now))
    for file in files:
        faults = _faults_of(with_ids(file.details, "1", "1"), now)
        found += [Fault(path=f"{file.name}: {fault.path}", code=fault.code, message=fault.message) for fault in faults]
    return tuple(found)


def _faults_of(document: Node, now: datetime) -> tuple[Fault, ...]:
    try:
        return check(write(document), now)
    except TooLarge as error:
        return (Fault(path=error.field or "/", code="too_large", message=error.message),)
    except Invalid as error:
        return (Fault(path=error.field or "/", code="not_writable", message=error.message),)


def _summary(report: Building, file: CaseFile, happened: datetime) -> None:
    summary = report.part("incidentSummary")
    summary.put("incidentType", incident_type(file))
    summary.put("platform", file.service.name)
    if file.escalation is not None:
        summary.put("escalateToHighPriority", file.escalation.reason)
    annotations = summary.part("reportAnnotations")
    for name in annotations_of(file):
        annotations.flag(name, True)
    summary.take(annotations)
    # Fractions of a second say more than the service knows.
    summary.put("incidentDateTime", happened.replace(microsecond=0))
    summary.put("incidentDateTimeDescription", when_words(file, happened))
    report.take(summary)


def _channels(file: CaseFile) -> list[ChannelFile | None]:
    """Where it happened: channels with a line or file that counts, else all of them, else none that we know."""
    used = {line.channel for line in file.lines if line.decisive} | {media.channel for media in file.media if media.reported}
    found = [channel for channel in file.channels if channel.id in used] or list(file.channels)
    return list(found[:MOST_PARTIES]) or [None]


def _internet(report: Building, channel: ChannelFile | None, file: CaseFile) -> None:
    details = report.part("internetDetails")
    kind = channel.kind if channel is not None else None
    urls = [channel.url] if channel is not None and channel.url else [media.url for media in file.media if media.url][:50]
    if channel is not None and kind is ChannelKind.GAME:
        incident = details.part("onlineGamingIncident")
        incident.put("gameName", channel.game or file.service.name)
        incident.put("console", channel.console or file.service.console)
    elif kind is ChannelKind.EMAIL:
        incident = details.part("emailIncident")
        _put_contacts(incident, file, "emailAddress")
    elif kind is ChannelKind.SMS:
        incident = details.part("cellPhoneIncident")
        _put_contacts(incident, file, "phoneNumber")
    elif urls and kind in (ChannelKind.COMMENT, ChannelKind.STREAM, None):
        incident = details.part("webPageIncident")
        for url in dict.fromkeys(urls):
            incident.put("url", url)
    else:
        incident = details.part("chatImIncident")
        incident.put("chatClient", (channel.client if channel is not None else "") or file.service.name)
        incident.put("chatRoomName", channel.name if channel is not None else None)
    incident.notes_into("additionalInfo", _channel_words(channel))
    details.take(incident, even_empty=True)
    report.take(details)


def _channel_words(channel: ChannelFile | None) -> str:
    if channel is None:
        return ""
    encrypted = "; end-to-end encrypted, so the service holds what was reported to it" if channel.encrypted else ""
    return f"{channel.kind.value} channel, known to the service as {channel.id}{encrypted}."


def _put_contacts(incident: Building, file: CaseFile, name: str) -> None:
    """The reported account's own e-mail addresses, or its first telephone number: the format takes one."""
    identity = next((party.identity for party in file.parties if party.role is Role.SUSPECT and party.identity is not None), None)
    if identity is None:
        return
    if name == "emailAddress":
        for email in identity.emails:
            incident.put(name, email.address, type=email.kind, verified=email.verified, verificationDate=email.verified_at)
    for phone in identity.phones[:1] if name == "phoneNumber" else ():
        incident.put(name, phone.number, type=phone.kind, countryCallingCode=phone.country_code, extension=phone.extension)


def _law_enforcement(report: Building, file: CaseFile) -> None:
    known = file.law_enforcement
    if known is None:
        return
    out = report.part("lawEnforcement")
    out.put("agencyName", known.agency)
    out.put("caseNumber", known.case_number)
    officer = out.part("officerContact")
    put_identity(officer, known.officer)
    out.take(officer)
    out.put("reportedToLe", known.already_reported)
    out.put("servedLegalProcessDomestic", known.legal_process_domestic)
    out.put("servedLegalProcessInternational", known.legal_process_international, fleaCountry=known.legal_process_country or None)
    report.take(out, missing="agencyName")


def _reporter(report: Building, file: CaseFile) -> None:
    service = file.service
    out = report.part("reporter")
    person = out.part("reportingPerson")
    put_identity(person, service.reporter)
    out.take(person, even_empty=True)
    contact = out.part("contactPerson")
    put_identity(contact, service.contact)
    out.take(contact)
    out.put("companyTemplate", service.template)
    out.put("termsOfService", service.terms or service.terms_url)
    out.put("legalURL", service.legal_url)
    report.take(out, even_empty=True)


def check_times(file: CaseFile, now: datetime) -> None:
    """A time without a zone would be read as this machine's own. Raises Invalid naming the field."""
    times: list[tuple[str, datetime | None]] = [("now", now), ("opened_at", file.opened_at), ("happened_at", file.happened_at)]
    times += [(f"lines[{n}].at", line.at) for n, line in enumerate(file.lines)]
    times += [(f"media[{n}].at", media.at) for n, media in enumerate(file.media)]
    times += [(f"media[{n}].views", view.at) for n, media in enumerate(file.media) for view in media.views]
    times += [(f"verdicts[{n}].at", verdict.at) for n, verdict in enumerate(file.verdicts)]
    times += [(f"stages[{n}].first", seen.first) for n, seen in enumerate(file.stages)]
    for n, party in enumerate(file.parties):
        times += [(f"parties[{n}].ip_events", event.at) for event in party.ip_events]
        times += [(f"parties[{n}].disabled", one.at) for one in party.disabled]
    for field, at in times:
        if at is not None and at.tzinfo is None:
            raise Invalid("a time needs a zone", field=field)
