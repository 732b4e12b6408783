"""`CaseFiles`: puts together what a report may be drafted from. What it opens lives in memory only while a report is drafted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from nightlight.app.settings import Person, Service
from nightlight.core.case import Case, Finding, Verdict, View
from nightlight.core.casefile import (
    CaseFile,
    ChannelFile,
    Email,
    Escalation,
    Identity,
    LineFile,
    MediaFile,
    PartyFile,
    Phone,
    Place,
    Role,
    ServiceFile,
    Viewed,
)
from nightlight.core.errors import NightlightError, NotFound
from nightlight.core.event import Channel, Event, EventBase, Link, Media, MediaScreened, Party, StreamFrame
from nightlight.core.fingerprint import FingerprintKind
from nightlight.core.harm import Harm
from nightlight.core.ports import PipelineStore, Sealer
from nightlight.core.signal import Signal
from nightlight.core.vault import FILING, Identities, ItemKind, KnownIdentity, Vault

WHY = "to draft a report of this case"
_event: msgspec.msgpack.Decoder[EventBase] = msgspec.msgpack.Decoder(Event)


class Judged(Struct, frozen=True, kw_only=True):
    """What people said and saw of a case: from the desk."""

    verdicts: tuple[Verdict, ...] = ()
    views: tuple[View, ...] = ()
    children: tuple[str, ...] = ()
    """Pseudonyms of the accounts that the case protects."""
    events: tuple[str, ...] = ()
    """Further events of it that a reviewer read, such as the conversation around those that led here."""


class CaseFiles:
    """Opens a case: events from the vault, else from the store; identities where something knows them."""

    def __init__(
        self,
        case: Callable[[str], Case | None],
        store: PipelineStore,
        sealer: Sealer,
        signals: Callable[[Sequence[str]], Mapping[str, Sequence[Signal]]],
        service: Service,
        *,
        judged: Callable[[str], Judged] | None = None,
        vault: Vault | None = None,
        identities: Identities | None = None,
    ) -> None:
        self._case, self._store, self._sealer, self._signals = case, store, sealer, signals
        self._service, self._judged, self._vault, self._identities = service_file(service), judged, vault, identities

    def open(self, id: str, *, prior: Sequence[str] = (), about: Mapping[str, Sequence[str]] | None = None, note: str = "") -> CaseFile:
        """prior: the authority's ids of this case's earlier reports. about: the same by pseudonym, for the people in it. Raises
        NotFound, also where nothing of what was said is kept any more."""
        case = self._case(id)
        if case is None:
            raise NotFound("there is no such case", field="case")
        judged = self._judged(id) if self._judged is not None else Judged()
        events = self._events(case, judged)
        if not events:
            raise NotFound("nothing that led to this case is kept any more", field="case")
        people = people_of(case, events, judged.children)
        rooms = {event.channel.id for event in events if event.channel is not None}
        opened = self._store.original_accounts(sorted({*people, *rooms}))
        names = {p: self._sealer.open(sealed, f"account:{p}").decode() for p, sealed in opened.items()}
        known = {p: found for p in people if (found := self._known(p, id)) is not None}
        signals = self._signals([event.id for event in events])
        held = self._held(id)
        # What material is, a person says; an assessment never does.
        harms = {v.harm or case.harm for v in judged.verdicts if v.finding is Finding.CONFIRMED}
        return CaseFile(
            case=id,
            opened_at=case.opened_at,
            service=self._service,
            harms=tuple(dict.fromkeys(h for h in (case.harm, *case.harms) if h is not None)),
            parties=tuple(party_file(party, role, names, known.get(p), (about or {}).get(p, ())) for p, (party, role) in people.items()),
            channels=tuple(_channels(events, names)),
            lines=tuple(_lines(events, signals, names, frozenset((*case.events, *judged.events)) if judged.verdicts else frozenset())),
            media=tuple(m for e in events for m in _media(e, signals.get(e.id, ()), names, judged.views, held)),
            stages=tuple({s.stage: s for found in signals.values() for g in found for s in g.timeline}.values()),
            verdicts=judged.verdicts,
            escalation=_escalation(judged.verdicts),
            prior_reports=tuple(prior),
            generated=Harm.GENERATED_MATERIAL in harms,
            livestreamed=Harm.LIVESTREAMED_ABUSE in harms,
            note=note,
        )

    def _events(self, case: Case, judged: Judged) -> list[EventBase]:
        wanted = tuple(dict.fromkeys((*case.events, *judged.events)))
        kept: Mapping[str, bytes] = {}
        if self._vault is not None:
            with suppress(NotFound):
                kept = self._vault.read(case.id, who=FILING, reason=WHY)
        out = {id: _event.decode(raw) for id, raw in kept.items()}
        for id in wanted:
            if id not in out and (stored := self._store.event(id)) is not None:
                out[id] = _event.decode(self._sealer.open(stored.sealed, f"event:{id}"))
        return sorted(out.values(), key=lambda event: (event.at, event.id))

    def _known(self, pseudonym: str, case: str) -> KnownIdentity | None:
        return None if self._identities is None else self._identities.resolve(pseudonym, who=FILING, case=case, reason=WHY)

    def _held(self, case: str) -> frozenset[str]:
        """SHA-256 of the files whose bytes can be sent."""
        if self._vault is None:
            return frozenset()
        try:
            return frozenset(item.sha256 for item in self._vault.items(case) if item.kind is ItemKind.MEDIA)
        except NightlightError:
            return frozenset()


def people_of(case: Case, events: Sequence[EventBase], children: Sequence[str]) -> dict[str, tuple[Party, Role]]:
    """Everybody who wrote or was written to, as their latest event shows them, whoever the case is about first."""
    latest: dict[str, Party] = {}
    told = {event.actor.account for event in events if event.kind == "user_report"}
    for event in events:
        latest |= {party.account: party for party in (event.actor, *event.targets)}
    protected = {*children, *((case.protects,) if case.protects else ())}

    def role(party: Party) -> Role:
        if party.account == case.actor:
            return Role.SUSPECT
        if party.account in protected or (not protected and party.age_band.is_minor):
            return Role.CHILD
        return Role.WITNESS if party.account in told else Role.RECIPIENT

    order = list(Role)
    found = {account: (party, role(party)) for account, party in latest.items()}
    return dict(sorted(found.items(), key=lambda item: (order.index(item[1][1]), item[0])))


def party_file(party: Party, role: Role, names: Mapping[str, str], known: KnownIdentity | None, prior: Sequence[str]) -> PartyFile:
    bare = PartyFile(
        account=names.get(party.account, party.account),
        role=role,
        age_band=party.age_band,
        assurance=party.assurance,
        place=Place(country=party.place[:2], region=party.place[3:]) if party.place is not None else None,
        prior_reports=tuple(prior),
    )
    if known is None:
        return bare
    return replace(
        bare,
        identity=known.identity,
        screen_name=known.screen_name,
        display_names=known.display_names,
        profile_url=known.profile_url,
        ip_events=known.ip_events,
        devices=known.devices,
    )


def service_file(service: Service) -> ServiceFile:
    return ServiceFile(
        name=service.name,
        company=service.company,
        establishment=service.establishment,
        reporter=_identity(service.reporter),
        contact=None if service.contact is None else _identity(service.contact),
        template=service.template,
        terms=service.terms,
        terms_url=service.terms_url,
        legal_url=service.legal_url,
        console=service.console,
        may_classify=service.may_classify,
    )


def _identity(person: Person) -> Identity:
    return Identity(
        first_name=person.first_name,
        last_name=person.last_name,
        emails=(Email(address=person.email),) if person.email else (),
        phones=(Phone(number=person.phone),) if person.phone else (),
    )


def _channels(events: Sequence[EventBase], names: Mapping[str, str]) -> list[ChannelFile]:
    found: dict[str, Channel] = {e.channel.id: e.channel for e in events if e.channel is not None}
    return [ChannelFile(id=names.get(c.id, c.id), kind=c.kind, encrypted=c.encrypted) for c in found.values()]


def _escalation(verdicts: Sequence[Verdict]) -> Escalation | None:
    """The latest person's word that a child is in danger now, in their own words."""
    said = [v for v in verdicts if v.finding is Finding.CONFIRMED and v.danger_ahead]
    return Escalation(reason=said[-1].reason, by=said[-1].reviewer, at=said[-1].at) if said else None


def _lines(
    events: Sequence[EventBase], signals: Mapping[str, Sequence[Signal]], names: Mapping[str, str], seen: frozenset[str]
) -> list[LineFile]:
    """What was written, each line with why it counts; never with a score. seen: events that a person has read."""
    out = []
    for event in events:
        text = event.url if isinstance(event, Link) else event.content
        if not text:
            continue
        base = LineFile(
            event=event.id,
            at=event.at,
            author=names.get(event.actor.account, event.actor.account),
            channel=_room(event, names),
            text=text,
            unread=event.id not in seen,
        )
        counting = [(s, e) for s in signals.get(event.id, ()) for e in s.evidence if e.event == event.id and not s.abstained]
        if counting:
            signal, evidence = counting[0]
            stage = signal.stages[-1] if signal.stages else None
            base = replace(base, decisive=True, harm=signal.harm, stage=stage, reason=evidence.reason)
        out.append(base)
    return out


def _room(event: EventBase, names: Mapping[str, str]) -> str:
    """By the service's own id."""
    return names.get(event.channel.id, event.channel.id) if event.channel is not None else ""


def _media(
    event: EventBase, signals: Sequence[Signal], names: Mapping[str, str], views: Sequence[View], held: frozenset[str]
) -> list[MediaFile]:
    if not isinstance(event, Media | MediaScreened | StreamFrame):
        return []
    exact = [f.value for f in event.fingerprints if f.kind is FingerprintKind.SHA256]
    sha = exact[0].lower() if exact else ""
    own = [f for f in event.fingerprints if f.variant is msgspec.UNSET and f.seconds is msgspec.UNSET]
    matches = {(e.match.bank, e.match.item): e.match for s in signals for e in s.evidence if e.match is not None}
    screened = event if isinstance(event, MediaScreened) else None
    return [
        MediaFile(
            id=event.id if isinstance(event, StreamFrame) else event.media_id or event.id,
            event=event.id,
            at=event.at,
            author=names.get(event.actor.account, event.actor.account),
            channel=_room(event, names),
            sha256=sha,
            hashes=tuple(own),
            matches=tuple(matches.values()),
            views=tuple(
                Viewed(by=v.by, at=v.at, sha256=v.sha256, whole=v.whole, unblurred=not v.blurred) for v in views if v.sha256.lower() == sha
            ),
            media_type=(screened.media_type or "") if screened is not None else "",
            size=screened.size if screened is not None else 0,
            held=bool(sha) and sha in held,
        )
    ]
