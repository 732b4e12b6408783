"""The service behind `POST /v1/events`: ingest, pseudonyms, the engine, and answers in the service's own ids."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from concurrent.futures import Future

import msgspec

from nightlight.app.engine import Engine
from nightlight.app.passage import Admitted, answer_of
from nightlight.core.clock import Clock
from nightlight.core.decision import Helpline
from nightlight.core.errors import Invalid, NightlightError
from nightlight.core.event import Event, EventBase, MediaScreened
from nightlight.core.ids import Pseudonymiser
from nightlight.core.ports import PipelineStore, Sealer
from nightlight.core.services import Answer
from nightlight.ingest import DEFAULT_LIMITS, Limits, decode, decode_batch, pseudonymise
from nightlight.policy import instruct

_ONLY_OURS = "events of kind media_screened are made by uploading media, not sent"


class Events:
    """`core.services.EventService` on the embedded engine."""

    def __init__(
        self,
        engine: Engine,
        store: PipelineStore,
        sealer: Sealer,
        pseudonymiser: Pseudonymiser,
        clock: Clock,
        *,
        helplines: Sequence[Helpline] = (),
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        self._engine, self._store, self._sealer, self._pseudonymiser, self._clock = engine, store, sealer, pseudonymiser, clock
        self._helplines, self._limits = helplines, limits

    def decode(self, payload: bytes) -> EventBase:
        event = decode(payload, self._limits, self._clock.now())
        if isinstance(event, MediaScreened):
            raise Invalid(_ONLY_OURS, field="kind")
        return event

    def decode_upload(self, envelope: bytes) -> MediaScreened:
        """The envelope of an upload. Raises Invalid where it is another kind or claims to be screened already."""
        event = decode(envelope, self._limits, self._clock.now())
        if not isinstance(event, MediaScreened):
            raise Invalid("the envelope of an upload is an event of kind media_screened", field="kind")
        if event.fingerprints or event.unreadable is not None:
            raise Invalid("an upload's envelope has no fingerprints: they are computed from its bytes", field="fingerprints")
        return event

    def decode_batch(self, payload: bytes) -> list[EventBase | NightlightError]:
        events = decode_batch(payload, self._limits, self._clock.now())
        return [Invalid(_ONLY_OURS, field="kind") if isinstance(e, MediaScreened) else e for e in events]

    def submit(self, event: EventBase) -> Future[Answer]:
        return first_of(self._engine.submit([self.admit(event)]))

    def submit_many(self, events: Sequence[EventBase]) -> Future[list[Answer | NightlightError]]:
        return self._engine.submit([self.admit(event) for event in events])

    def submit_screened(self, event: MediaScreened, body: bytes) -> Future[Answer]:
        """An upload whose bytes were screened; `body` is what the caller sent, so that a repeat is known as one."""
        return first_of(self._engine.submit([self.admit(event, body)]))

    def committed(self, event_id: str) -> bytes | None:
        """The commitment to the body of an event that was decided."""
        decided = self._store.decided([event_id]).get(event_id)
        return decided.body_mac if decided is not None else None

    def is_body(self, body: bytes, mac: bytes) -> bool:
        return hmac.compare_digest(self._sealer.mac(body), mac)

    def admit(self, event: EventBase, body: bytes | None = None) -> Admitted:
        own, names = pseudonymise(event, self._pseudonymiser)
        mac = self._sealer.mac(msgspec.json.encode(event) if body is None else body)
        return Admitted(event=own, names=names, body_mac=mac, received_at=self._clock.now())

    def decision(self, event_id: str) -> Answer | None:
        decided = self._store.decided([event_id]).get(event_id)
        stored = self._store.event(event_id)
        if decided is None or stored is None:
            return None
        event: EventBase = msgspec.msgpack.decode(self._sealer.open(stored.sealed, f"event:{event_id}"), type=Event)
        sealed = self._store.original_accounts(stored.accounts)
        names = {a: self._sealer.open(raw, f"account:{a}").decode() for a, raw in sealed.items()}
        admitted = Admitted(event=event, names=names, body_mac=stored.body_mac, received_at=stored.received_at)
        sender, recipients = instruct(event, decided.decision)
        return answer_of(admitted, decided.decision, sender, recipients, self._helplines)


def first_of(many: Future[list[Answer | NightlightError]]) -> Future[Answer]:
    """The one answer of a batch of one; its error is raised."""
    one: Future[Answer] = Future()

    def finish(done: Future[list[Answer | NightlightError]]) -> None:
        if not one.set_running_or_notify_cancel():
            return
        try:
            answer = done.result()[0]
        except BaseException as error:
            one.set_exception(error)
            return
        if isinstance(answer, NightlightError):
            one.set_exception(answer)
        else:
            one.set_result(answer)

    many.add_done_callback(finish)
    return one
