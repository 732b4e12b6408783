"""Who is who: a person of the case as the reported person, the intended recipient or a victim of the report."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import TypeVar

from nightlight.core.casefile import CaseFile, Device, Identity, IpEvent, LinkedAccount, PartyFile
from nightlight.core.event import AgeBand, Assurance
from nightlight.reporting.building import Building, quoted
from nightlight.reporting.cybertipline.table import CAPTURE_EVENTS

T = TypeVar("T")
MOST_OF_A_KIND = 200
"""IP captures, devices, names or other accounts of one party: a report that nobody can read helps nobody. Chosen, not measured."""
_LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)
_KNOWN_BY = {
    Assurance.NONE: "nobody has verified it",
    Assurance.SELF_DECLARED: "as the account holder says; nobody has verified it",
    Assurance.INFERRED: "as the service infers from how the account is used",
    Assurance.ESTIMATED: "as a method made for estimating ages says",
    Assurance.GUARDIAN: "as a verified guardian says",
    Assurance.VERIFIED: "verified",
}


def put_identity(person: Building, identity: Identity | None, *, age: int | None = None, most: int = MOST_OF_A_KIND) -> None:
    """`age`: None leaves it out; contact persons have neither age nor date of birth."""
    if identity is not None:
        person.put("firstName", identity.first_name)
        person.put("lastName", identity.last_name)
        for phone in _latest(identity.phones, person, most):
            person.put(
                "phone",
                phone.number,
                type=phone.kind,
                verified=phone.verified,
                verificationDate=phone.verified_at,
                countryCallingCode=phone.country_code,
                extension=phone.extension,
            )
        for email in _latest(identity.emails, person, most):
            person.put("email", email.address, type=email.kind, verified=email.verified, verificationDate=email.verified_at)
        for known in _latest(identity.addresses, person, most):
            address = person.part("address")
            address.attribute("type", known.kind)
            address.put("address", known.street)
            address.put("city", known.city)
            address.put("zipCode", known.zip)
            address.put("state", known.state)
            address.put("nonUsaState", known.region)
            address.put("country", known.country)
            person.take(address)
        if identity.born is not None and person.has("dateOfBirth"):
            person.put("dateOfBirth", identity.born.isoformat())
    if person.has("age"):
        person.put("age", age)


def put_party(report: Building, name: str, party: PartyFile, file: CaseFile, at: datetime, most: int = MOST_OF_A_KIND) -> None:
    """One of personOrUserReported, intendedRecipient, victim, as far as it is known. `at`: when it happened, for an age from a birthday.
    `most`: of each kind of record."""
    out = report.part(name)
    person = out.part(f"{name}Person")
    put_identity(person, party.identity, age=age_of(party, at), most=most)
    out.take(person, even_empty=name == "victim")
    out.put("espIdentifier", party.account)
    out.put("espService", file.service.name)
    out.put("compromisedAccount", party.compromised)
    out.put("screenName", party.screen_name)
    for shown in _latest(party.display_names, out, most):
        out.put("displayName", shown)
    out.put("profileUrl", party.profile_url)
    out.put("profileBio", party.bio)
    for event in _latest(sorted(party.ip_events, key=lambda one: one.at or _LONG_AGO), out, most):
        put_ip(out, event)
    for device in _latest(party.devices, out, most):
        put_device(out, device)
    if name == "victim":
        out.put("schoolName", party.school)
    else:
        out.put("groupIdentifier", party.group)
    for earlier in (
        _latest(prior_reports(party, file), out, most) if name == "personOrUserReported" else _latest(party.prior_reports, out, most)
    ):
        out.put("priorCTReports", earlier)
    _put_disabled(out, party)
    if party.place is not None:
        location = out.part("estimatedLocation")
        location.attribute("verified", party.place.verified)
        location.attribute("timestamp", party.place.at)
        location.put("city", party.place.city)
        location.put("region", party.place.region)
        location.put("countryCode", party.place.country)
        out.take(location, missing="countryCode")
        if location.node().first("countryCode") is None and (party.place.city or party.place.region):
            out.notes.append(f"Probable place:\n{quoted(', '.join(p for p in (party.place.city, party.place.region) if p))}")
    out.put("allEmailsReported", party.all_emails)
    if name != "intendedRecipient":
        for linked in _latest(party.linked, out, most):
            _put_linked(out, linked)
    out.notes_into("additionalInfo", age_words(party), party.note)
    report.take(out)


def _latest(found: Iterable[T], out: Building, most: int) -> list[T]:
    """Each once, the last of them where there are very many."""
    each = list(dict.fromkeys(found))
    if len(each) > most:
        out.notes.append(f"The service holds {len(each) - most} more records of a kind listed here, older ones, which it can supply.")
    return each[-most:]


def age_of(party: PartyFile, at: datetime) -> int | None:
    if party.age is not None:
        return party.age
    born = party.identity.born if party.identity is not None else None
    return _years(born, at.date()) if born is not None and born <= at.date() else None


def _years(born: date, on: date) -> int:
    return on.year - born.year - ((on.month, on.day) < (born.month, born.day))


def age_words(party: PartyFile) -> str:
    """How old, and how that is known: an age that somebody merely typed in is no fact."""
    words = []
    if party.age is not None and party.age_from:
        words.append(f"Age {party.age}: known from\n{quoted(party.age_from)}")
    if party.age_band is not AgeBand.UNKNOWN:
        words.append(f"Age band on the service: {party.age_band.value}, {_KNOWN_BY[party.assurance]}.")
    elif party.age is None:
        words.append("The service does not know how old this person is.")
    return "\n".join(words)


def prior_reports(party: PartyFile, file: CaseFile) -> list[str]:
    """Earlier reports about the person whatever case they came from, and earlier ones of this case."""
    return list(dict.fromkeys((*party.prior_reports, *file.prior_reports)))


def put_ip(out: Building, event: IpEvent) -> None:
    capture = out.part("ipCaptureEvent")
    capture.put("ipAddress", event.address)
    capture.put("eventName", event.event if event.event in CAPTURE_EVENTS else "Other")
    capture.put("dateTime", event.at)
    capture.put("possibleProxy", event.proxy)
    capture.put("port", event.port)
    if event.event not in CAPTURE_EVENTS:
        capture.notes.append(f"The event of address {event.address} was recorded as:\n{quoted(event.event)}")
    out.take(capture, missing="ipAddress")


def put_device(out: Building, device: Device) -> None:
    captured = out.part("deviceId")
    captured.put("idType", device.kind)
    captured.put("idValue", device.value)
    captured.put("eventName", device.event)
    captured.put("dateTime", device.at)
    if device.kind.strip() and device.value.strip():
        out.take(captured)
    elif device.value.strip():
        out.notes.append(f"A device was recorded without saying what its id is:\n{quoted(device.value)}")


def _put_disabled(out: Building, party: PartyFile) -> None:
    for permanent, name in ((False, "accountTemporarilyDisabled"), (True, "accountPermanentlyDisabled")):
        found = [one for one in party.disabled if one.permanent is permanent]
        if not found:
            continue
        last = max(found, key=lambda one: one.at)
        again = {} if permanent else {"reenabledDate": last.until}
        out.put(name, True, disabledDate=last.at, userNotified=last.told, userNotifiedDate=last.told_at, **again)


def _put_linked(out: Building, linked: LinkedAccount) -> None:
    account = out.part("associatedAccount")
    account.attribute("type", linked.kind)
    if "type" not in account.node().attributes:
        account.attribute("type", "Other")
    account.put("platform", linked.platform, thirdPartyUser=linked.elsewhere or None)
    for email in linked.emails[:5]:
        account.put("email", email.address, type=email.kind, verified=email.verified, verificationDate=email.verified_at)
    account.put("espIdentifier", linked.account)
    account.put("profileUrl", linked.profile_url)
    account.put("screenName", linked.screen_name)
    out.take(account)
