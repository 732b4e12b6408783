"""Services in memory, for the faces: small, obvious, and with handles to make them slow, full or faulty."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from nightlight.core.bank import Applied, Bank, BankItem, BankVersion, IndexStatus, ItemVerdict, Match, NewItem, Standing
from nightlight.core.case import Case
from nightlight.core.decision import Allow, Decision, Instruction, Nudge, To
from nightlight.core.deterrence import Display, Outcome, SearchAction, SearchAnswer, SearchIn
from nightlight.core.errors import Conflict, Denied, Invalid, NightlightError, NotFound, TooLarge, Unauthenticated
from nightlight.core.event import EventBase, MediaScreened
from nightlight.core.exchange import Exchange, ExchangeState
from nightlight.core.fingerprint import Fingerprint, FingerprintKind
from nightlight.core.harm import Harm, Level
from nightlight.core.help import HelpAsk, HelpLink, HelpReport, HelpVisit
from nightlight.core.self_report import SelfReport, SelfReportState, check_pictures, code_from, read_code
from nightlight.core.services import (
    Answer,
    Caller,
    DeadLetter,
    Job,
    JobState,
    KeyInfo,
    Live,
    ReadyCheck,
    Scope,
    Screening,
    Services,
)
from nightlight.core.signal import Subject, SubjectKind
from nightlight.core.user_report import Received
from nightlight.ingest import DEFAULT_LIMITS, decode, decode_batch
from nightlight.protect.family import family_material
from nightlight.protect.helplines import helplines

NOW = datetime(2026, 3, 1, 19, 30, tzinfo=UTC)
REASON = "asks to move to another app and keep it between them"


def answer_to(event: EventBase) -> Answer:
    return Answer(
        event_id=event.id,
        for_sender=Instruction(account=event.actor.account, codes=("accept",)),
        for_recipients=tuple(Instruction(account=t.account, codes=("deliver",), messages=("check_in",)) for t in event.targets),
        decision=Decision(
            event_id=event.id,
            at=NOW,
            actions=(Allow(), Nudge(to=To.CHILDREN, message="check_in", rule="r1")),
            harms=(Harm.GROOMING,),
            level=Level.ELEVATED,
            reasons=(REASON,),
            policy="default@0",
        ),
    )


class FakeEvents:
    """Decodes as the real service does. `fault` is raised by `submit`; `stall` leaves futures open in `waiting`."""

    def __init__(self) -> None:
        self.bodies: dict[str, EventBase] = {}
        self.answers: dict[str, Answer] = {}
        self.fault: Exception | None = None
        self.late_fault: Exception | None = None
        self.stall = False
        self.waiting: list[Future[Answer]] = []

    def submit(self, event: EventBase) -> Future[Answer]:
        if self.fault is not None:
            raise self.fault
        future: Future[Answer] = Future()
        known = self.bodies.setdefault(event.id, event)
        if self.stall:
            self.waiting.append(future)
        elif self.late_fault is not None:
            future.set_exception(self.late_fault)
        elif known != event:
            future.set_exception(Conflict("this id was used for another body", field="id"))
        else:
            future.set_result(self.answers.setdefault(event.id, answer_to(event)))
        return future

    def submit_many(self, events: Sequence[EventBase]) -> Future[list[Answer | NightlightError]]:
        if self.fault is not None:
            raise self.fault
        together: Future[list[Answer | NightlightError]] = Future()
        singles = [self.submit(event) for event in events]
        if self.stall:
            return together
        failures = [single.exception() for single in singles]
        if unplanned := next((f for f in failures if f is not None and not isinstance(f, NightlightError)), None):
            together.set_exception(unplanned)
            return together
        together.set_result([f if isinstance(f, NightlightError) else s.result() for f, s in zip(failures, singles, strict=True)])
        return together

    def decode(self, payload: bytes) -> EventBase:
        event = decode(payload, DEFAULT_LIMITS, NOW)
        if isinstance(event, MediaScreened):
            raise Invalid("made by uploading media, not sent", field="kind")
        return event

    def decode_upload(self, payload: bytes) -> MediaScreened:
        event = decode(payload, DEFAULT_LIMITS, NOW)
        if not isinstance(event, MediaScreened) or event.fingerprints:
            raise Invalid("an event of kind media_screened without fingerprints", field="kind")
        return event

    def decode_batch(self, payload: bytes) -> list[EventBase | NightlightError]:
        return decode_batch(payload, DEFAULT_LIMITS, NOW)

    def decision(self, event_id: str) -> Answer | None:
        return self.answers.get(event_id)


class FakeMedia:
    """`stall` leaves the work undone until a test finishes it."""

    def __init__(self, events: FakeEvents) -> None:
        self._events = events
        self.stall = False
        self.fault: Exception | None = None
        self.unreadable: str | None = None
        self.sizes: list[int] = []
        self.jobs: dict[str, Job] = {}
        self.notified: list[str | None] = []

    def screen(self, envelope: bytes, data: bytes) -> Future[Answer]:
        if self.fault is not None:
            raise self.fault
        event = self._events.decode_upload(envelope)
        self.sizes.append(len(data))
        future: Future[Answer] = Future()
        if not self.stall:
            read = (
                Screening(media_type=None, unreadable=self.unreadable)
                if self.unreadable
                else Screening(media_type="image/jpeg", unreadable=None)
            )
            self._events.answers[event.id] = msgspec.structs.replace(answer_to(event), media=read)
            future.set_result(self._events.answers[event.id])
        return future

    def detach(self, event_id: str, notify: str | None) -> Job:
        self.notified.append(notify)
        self.jobs[event_id] = Job(id=event_id, state=JobState.WAITING, created_at=NOW)
        return self.jobs[event_id]

    def job(self, event_id: str) -> Job | None:
        return self.jobs.get(event_id)


class FakeBanks:
    def __init__(self) -> None:
        self.all: dict[str, Bank] = {}
        self.held: dict[str, dict[str, BankItem]] = {}
        self.by: list[str] = []
        self.hashed: list[bytes] = []
        self.given: list[ItemVerdict] = []

    def banks(self) -> Sequence[Bank]:
        return list(self.all.values())

    def create(self, bank: Bank, by: str) -> Bank:
        if bank.name in self.all:
            raise Conflict("there is a bank of this name", field="name")
        self.by.append(by)
        self.all[bank.name] = msgspec.structs.replace(bank, created_at=NOW)
        self.held[bank.name] = {}
        return self.all[bank.name]

    def change(self, name: str, by: str, *, lead: bool = False, **told: Any) -> Bank:
        if told.get("authority") is False and not lead:
            raise Denied("only a lead")
        self.all[name] = msgspec.structs.replace(self._bank(name), **told)
        return self.all[name]

    def items(self, bank: str, after: str | None = None, most: int = 100) -> Sequence[BankItem]:
        self._bank(bank)
        return [item for key, item in sorted(self.held[bank].items()) if after is None or key > after][:most]

    def item(self, bank: str, item: str) -> BankItem:
        return self._item(bank, item)

    def add(self, bank: str, fingerprints: Sequence[Fingerprint], by: str, **told: Any) -> BankItem:
        self._bank(bank)
        key = f"item_{len(self.held[bank]):06d}"
        item = BankItem(id=key, bank=bank, fingerprints=tuple(fingerprints), created_at=NOW, proposed_by=by, **told)
        self.held[bank][key] = item
        return item

    def add_bytes(self, bank: str, data: bytes, by: str, **told: Any) -> BankItem:
        self.hashed.append(data)
        return self.add(bank, [Fingerprint(FingerprintKind.SHA256, hashlib.sha256(data).hexdigest())], by, **told)

    def apply(self, bank: str, put: Sequence[NewItem], withdraw: Sequence[str], by: str) -> Applied:
        raise NotImplementedError

    def approve(self, bank: str, item: str, by: str, *, lead: bool = False) -> BankItem:
        held = self._item(bank, item)
        if held.proposed_by == by:
            raise Denied("it takes another person than the one who proposed it")
        self.held[bank][item] = msgspec.structs.replace(held, approved_by=by, overrides_authority=lead)
        return self.held[bank][item]

    def verdict(self, bank: str, item: str, confirm: bool, by: str, note: str = "") -> ItemVerdict:
        source = self._item(bank, item).source
        given = ItemVerdict(id=len(self.given), bank=bank, item=item, source=source, confirm=confirm, by=by, note=note, at=NOW)
        self.given.append(given)
        return given

    def verdicts(self, bank: str, item: str) -> Sequence[ItemVerdict]:
        return list({v.by: v for v in self.given if (v.bank, v.item) == (bank, item)}.values())

    def standing(self, bank: str, items: Sequence[str]) -> Mapping[str, Standing]:
        return {
            item: Standing(
                seen=3,
                confirmed=len([v for v in self.verdicts(bank, item) if v.confirm]),
                denied=len([v for v in self.verdicts(bank, item) if not v.confirm]),
            )
            for item in items
        }

    def unsent_verdicts(self, bank: str, most: int = 100) -> Sequence[ItemVerdict]:
        return self.given[:most]

    def mark_sent(self, bank: str, verdicts: Sequence[int]) -> None:
        raise NotImplementedError

    def pause(self, bank: str, item: str, by: str, note: str = "") -> BankItem:
        self.held[bank][item] = msgspec.structs.replace(self._item(bank, item), paused_at=NOW)
        return self.held[bank][item]

    def resume(self, bank: str, item: str, by: str, note: str = "") -> BankItem:
        held = self._item(bank, item)
        if held.paused_at is not None and not note:
            raise Conflict("nobody has judged it since it was paused", field="note")
        self.held[bank][item] = msgspec.structs.replace(held, paused_at=None)
        return self.held[bank][item]

    def derive(self, bank: str, item: str, data: bytes, by: str) -> BankItem | None:
        self.hashed.append(data)
        return BankItem(id="crop_1", bank=bank, fingerprints=(), derived_from=item) if data == b"bytes of a picture" else None

    def versions(self, bank: str, most: int = 100) -> Sequence[BankVersion]:
        self._bank(bank)
        return [BankVersion(bank=bank, version=1, at=NOW, by="key_all", what="bank.create")]

    def rollback(self, bank: str, version: int, by: str) -> Bank:
        if version != 1:
            raise NotFound("no such version", field="version")
        return self._bank(bank)

    def expire(self, now: datetime) -> int:
        return 0

    def set_item_enabled(self, bank: str, item: str, enabled: bool, by: str) -> BankItem:
        self.held[bank][item] = msgspec.structs.replace(self._item(bank, item), enabled=enabled)
        return self.held[bank][item]

    def remove(self, bank: str, item: str, by: str, *, forget: bool = False) -> None:
        self._item(bank, item)
        del self.held[bank][item]

    def match(self, fingerprints: Sequence[Fingerprint]) -> Sequence[Match]:
        return [
            Match(bank=name, bank_kind=self.all[name].kind, item=item.id, kind=found.kind, distance=0, threshold=31)
            for name, items in self.held.items()
            for item in items.values()
            for found in item.fingerprints
            if found in fingerprints
        ]

    def sizes(self) -> Mapping[FingerprintKind, int]:
        return {}

    def _bank(self, name: str) -> Bank:
        if name not in self.all:
            raise NotFound("there is no such bank", field="bank")
        return self.all[name]

    def _item(self, bank: str, item: str) -> BankItem:
        self._bank(bank)
        if item not in self.held[bank]:
            raise NotFound("there is no such item", field="item")
        return self.held[bank][item]


class FakeLookUps:
    def __init__(self, banks: FakeBanks) -> None:
        self._banks = banks
        self.asked: list[int] = []

    def look_up(self, queries: Sequence[Sequence[Fingerprint]]) -> Sequence[Sequence[Match]]:
        self.asked.append(len(queries))
        return [self._banks.match(fingerprints) for fingerprints in queries]


class FakeIndex:
    """`stall` leaves merges undone."""

    def __init__(self) -> None:
        self.by: list[str] = []
        self.stall = False
        self.fault: Exception | None = None

    def status(self) -> IndexStatus:
        return IndexStatus(
            fingerprints={FingerprintKind.PDQ: 12},
            segments=(9,),
            scanned=3,
            struck=0,
            file_bytes=4096,
            veiled=True,
            merging=self.stall,
            verified=True,
            trouble=None,
            mended=None,
        )

    def merge(self, by: str) -> Future[IndexStatus]:
        if self.fault is not None:
            raise self.fault
        self.by.append(by)
        future: Future[IndexStatus] = Future()
        if not self.stall:
            future.set_result(self.status())
        return future

    def verify(self) -> IndexStatus:
        return self.status()


class FakeExchanges:
    def __init__(self) -> None:
        self.all: dict[str, Exchange] = {}
        self.credentials: dict[str, dict[str, str]] = {}
        self.by: list[str] = []
        self.running: set[str] = set()

    def list(self) -> Sequence[ExchangeState]:
        return [self.status(name) for name in sorted(self.all)]

    def status(self, name: str) -> ExchangeState:
        if name not in self.all:
            raise NotFound("no such exchange", field="name")
        return ExchangeState(exchange=self.all[name], running=name in self.running, due_at=NOW)

    def create(self, exchange: Exchange, by: str, credentials: Mapping[str, str] | None = None) -> Exchange:
        if exchange.name in self.all:
            raise Conflict("there is an exchange of this name", field="name")
        self.by.append(by)
        self.credentials[exchange.name] = dict(credentials or {})
        self.all[exchange.name] = msgspec.structs.replace(exchange, credentials=tuple(sorted(credentials or {})), created_at=NOW)
        return self.all[exchange.name]

    def change(self, name: str, by: str, **given: Any) -> Exchange:
        self.status(name)
        self.by.append(by)
        credentials = given.pop("credentials")
        if credentials is not None:
            self.credentials[name] = credentials
        self.all[name] = msgspec.structs.replace(self.all[name], **{k: v for k, v in given.items() if v is not None})
        return self.all[name]

    def remove(self, name: str, by: str) -> None:
        self.status(name)
        del self.all[name]

    def start(self, name: str, by: str) -> ExchangeState:
        if self.status(name).running:
            raise Conflict("it is being fetched just now", field="name")
        self.running.add(name)
        return self.status(name)


class FakeKeys:
    """The secret of a key is `nl_` and its name."""

    def __init__(self) -> None:
        self.callers: dict[str, Caller] = {}
        self.asked = 0
        self.fault: Exception | None = None

    def add(self, name: str, *scopes: Scope, rate: int = 1_000_000) -> str:
        self.callers[f"nl_{name}"] = Caller(id=f"key_{name}", name=name, scopes=frozenset(scopes), rate_per_minute=rate)
        return f"nl_{name}"

    def create(self, name: str, scopes: Sequence[Scope], by: str, rate_per_minute: int = 6000) -> tuple[Caller, str]:
        secret = self.add(name, *scopes, rate=rate_per_minute)
        return self.callers[secret], secret

    def revoke(self, key_id: str, by: str) -> None:
        self.callers = {secret: caller for secret, caller in self.callers.items() if caller.id != key_id}

    def keys(self) -> Sequence[KeyInfo]:
        return []

    def authenticate(self, secret: str) -> Caller:
        self.asked += 1
        if self.fault is not None:
            raise self.fault
        if secret not in self.callers:
            raise Unauthenticated("the key is unknown or revoked")
        return self.callers[secret]


class FakeCases:
    def __init__(self) -> None:
        subject = Subject(SubjectKind.CONVERSATION, "c_1")
        self.all = [
            Case(
                id=f"case_{number}",
                queue="default",
                priority=number,
                subject=subject,
                harm=Harm.GROOMING,
                level=Level.HIGH,
                opened_at=NOW,
                updated_at=NOW,
                reasons=(REASON,),
            )
            for number in range(3)
        ]

    def cases(self, most: int = 100) -> Sequence[Case]:
        return self.all[:most]


class FakeOutbox:
    def __init__(self) -> None:
        self.dead = {"k1": DeadLetter(key="k1", endpoint="ops", attempts=8, error="timeout", created_at=NOW)}
        self.replayed: list[tuple[str, str]] = []

    def dead_letters(self) -> Sequence[DeadLetter]:
        return list(self.dead.values())

    def replay(self, key: str, by: str) -> None:
        if key not in self.dead:
            raise NotFound("there is no such dead letter", field="keys")
        self.replayed.append((key, by))


class FakeSelfReports:
    """Codes are numbered; `fault` is raised by everything."""

    def __init__(self) -> None:
        self.sent: dict[str, tuple[tuple[Fingerprint, ...], ...]] = {}
        self.codes: dict[str, SelfReport] = {}
        self.fault: Exception | None = None

    def submit(self, once: str, pictures: Sequence[Sequence[Fingerprint]]) -> str:
        if self.fault is not None:
            raise self.fault
        found = check_pictures(pictures)
        if self.sent.setdefault(once, found) != found:
            raise Conflict("this was sent before with other pictures", field="once")
        code = code_from(bytes.fromhex(once))
        self.codes.setdefault(
            code,
            SelfReport(
                id=f"report_{once[:6]}", state=SelfReportState.RECEIVED, pictures=len(found), created_at=NOW, changed_at=NOW, expires_at=NOW
            ),
        )
        return code

    def state(self, code: str) -> SelfReportState:
        return self._find(code).state

    def withdraw(self, code: str) -> SelfReportState:
        found = self._find(code)
        self.codes[read_code(code)] = msgspec.structs.replace(found, state=SelfReportState.WITHDRAWN)
        return SelfReportState.WITHDRAWN

    def waiting(self, after: str | None = None, most: int = 100) -> Sequence[SelfReport]:
        open_ = (SelfReportState.RECEIVED, SelfReportState.LOOKING)
        return sorted((r for r in self.codes.values() if r.state in open_ and r.id > (after or "")), key=lambda r: r.id)[:most]

    def look(self, id: str, by: str) -> SelfReport:
        return self._move(id, SelfReportState.LOOKING, None)

    def finish(self, id: str, by: str, *, keep: bool) -> SelfReport:
        return self._move(id, SelfReportState.FINISHED, keep)

    def _move(self, id: str, state: SelfReportState, kept: bool | None) -> SelfReport:
        for code, report in self.codes.items():
            if report.id == id and report.state is not SelfReportState.WITHDRAWN:
                self.codes[code] = msgspec.structs.replace(report, state=state, kept=kept)
                return self.codes[code]
        raise NotFound("no such report", field="id")

    def _find(self, code: str) -> SelfReport:
        if self.fault is not None:
            raise self.fault
        found = self.codes.get(read_code(code))
        if found is None:
            raise NotFound("this code is not known", field="code")
        return found


class FakeStatus:
    def __init__(self) -> None:
        self.checks = [
            ReadyCheck(name="store", ok=True, detail="12 ms"),
            ReadyCheck(name="gate", ok=False, detail="2 cells", blocking=False),
        ]
        self.now = live()

    def ready(self) -> Sequence[ReadyCheck]:
        return self.checks

    def live(self) -> Live:
        return self.now

    def metrics(self) -> bytes:
        return b"# TYPE nightlight_events_total counter\nnightlight_events_total 12\n"


def live(**changed: Any) -> Live:
    alert = {
        "event_id": "SECRET-EVENT",
        "at": "2026-03-01T19:29:41.250000+00:00",
        "harm": "grooming",
        "level": "high",
        "reasons": ["SECRET-REASON"],
        "actions": ["open_case", "nudge", "SECRET-ACTION"],
        "detectors": ["grooming 1.0.0", "SECRET-DETECTOR", "SECRET DETECTOR 1"],
        "seconds_from_first_event": 41.5,
        "text": "SECRET-TEXT",
    }
    base = Live(
        at=NOW,
        uptime_s=192.0,
        events=123_456,
        events_per_second=1_512.4,
        decisions={"allow": 120_000, "nudge": 3_300, "hold_content": 120, "limit_contact": 31, "open_case": 5},
        levels={"none": 119_000, "low": 4_000, "elevated": 400, "high": 56},
        harms={"grooming": 410, "known_material": 38, "immediate_danger": 2},
        alerts=[
            alert,
            {**alert, "harm": "immediate_danger", "seconds_from_first_event": 3.2},
            {
                **alert,
                "harm": "known_material",
                "actions": ["block_content", "open_case", "preserve"],
                "detectors": ["known_media 1.0.0"],
                "seconds_from_first_event": 0.0,
            },
            {"harm": "SECRET-HARM", "level": "SECRET-LEVEL", "at": "SECRET-TIME", "detectors": "SECRET-DETECTORS"},
        ],
        open_cases=12,
        commits=4_321,
        p50_ms=6.2,
        p99_ms=31.9,
        history=[1400 + 25 * (n % 9) for n in range(120)],
    )
    return msgspec.structs.replace(base, **changed)


class FakeHelp:
    """Tokens in memory; a report's code is that of its name, so that sending again is seen."""

    def __init__(self) -> None:
        self.links: dict[str, HelpVisit] = {}
        self.opened_with: list[str] = []
        self.reports: list[tuple[str | None, HelpReport]] = []
        self.fault: NightlightError | None = None

    def link(self, ask: HelpAsk) -> HelpLink:
        token = hashlib.sha256(msgspec.json.encode(ask)).hexdigest()
        kept = {"opened_at": NOW, "kept_until": NOW + timedelta(days=14), "kept": ask.conversation != "elsewhere"}
        self.links[token] = HelpVisit(account=ask.account, conversation=ask.conversation, about=ask.about, **kept)
        return HelpLink(token=token, path="/with-you", expires_at=NOW + timedelta(minutes=30))

    def opened(self, token: str) -> HelpVisit:
        self.opened_with.append(token)
        if token not in self.links:
            raise NotFound("this link is over")
        return self.links[token]

    def report(self, token: str | None, report: HelpReport) -> Received:
        if self.fault is not None:
            raise self.fault
        if not report.name and (token is None or not self.links[token].about):
            raise Invalid("say who it is", field="name")
        self.reports.append((token, report))
        return Received(code=code_from(report.once.encode()), message="help.reported", items=())


class FakeDeterrence:
    """Meets one invented word; knows one token, for ever."""

    def screen(self, searches: Sequence[SearchIn]) -> list[SearchAnswer | NightlightError]:
        shown = SearchAnswer(action=SearchAction.BLOCK, message="search.deterrence", display=Display(trial="spring", token="0" * 32))
        return [shown if "zorblek" in search.query else SearchAnswer(action=SearchAction.NONE) for search in searches]

    def outcome(self, trial: str, token: str, outcome: Outcome) -> None:
        if (trial, token) != ("spring", "0" * 32):
            raise NotFound("this token is not known, was used, or is older than a day", field="token")


class Fakes:
    """Every fake service, with the `Services` that holds them."""

    def __init__(self) -> None:
        self.events = FakeEvents()
        self.media = FakeMedia(self.events)
        self.banks = FakeBanks()
        self.lookups = FakeLookUps(self.banks)
        self.index = FakeIndex()
        self.exchanges = FakeExchanges()
        self.keys = FakeKeys()
        self.cases = FakeCases()
        self.outbox = FakeOutbox()
        self.status = FakeStatus()
        self.self_reports = FakeSelfReports()
        self.help = FakeHelp()
        self.services = Services(
            events=self.events,
            media=self.media,
            banks=self.banks,
            exchanges=self.exchanges,
            keys=self.keys,
            cases=self.cases,
            outbox=self.outbox,
            status=self.status,
            lookups=self.lookups,
            index=self.index,
            now=lambda: NOW,
            endpoints=frozenset({"ops", "safety"}),
            self_reports=self.self_reports,
            family=family_material(),
            help=self.help,
            helplines=helplines(),
            deterrence=FakeDeterrence(),
        )


def too_large(what: str) -> TooLarge:
    return TooLarge(f"{what} is too large", field="file")


def message(id: str = "e1", **changed: Any) -> dict[str, Any]:
    """A harmless wire event."""
    return {
        "kind": "message",
        "id": id,
        "at": "2026-03-01T19:29:58Z",
        "actor": {"account": "kim", "age_band": "13-15"},
        "targets": [{"account": "lee", "age_band": "13-15"}],
        "channel": {"id": "room-1", "kind": "direct"},
        "text": "good game, again tomorrow?",
        **changed,
    }


def screened(id: str = "m1", **changed: Any) -> dict[str, Any]:
    """The envelope of an upload."""
    return {"kind": "media_screened", "id": id, "at": "2026-03-01T19:29:58Z", "actor": {"account": "kim"}, **changed}
