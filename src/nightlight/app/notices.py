"""`Notices`: a notice to a host is written, leaves by the operator's own webhook or by hand, and is followed up until somebody ends it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

import msgspec
from msgspec.structs import replace

from nightlight.adapters.store.notices import SqlNotices
from nightlight.core.case import Case, CaseState
from nightlight.core.errors import Conflict, Invalid, NotFound
from nightlight.core.ids import new_id
from nightlight.core.notices import HostNotice, NoticeItem, NoticeState, Sending
from nightlight.core.ports import Outgoing
from nightlight.reporting import notice as words
from nightlight.reporting.cybertipline.values import is_email

MOST_OUTCOME = 4000
_CONFIRMED = (CaseState.CONFIRMED, CaseState.FILED, CaseState.FAILING)
_STATES = {words.Step.REMIND: NoticeState.REMINDED, words.Step.HOTLINE: NoticeState.ESCALATED, words.Step.CLOSE: NoticeState.LATE}


class Notices:
    """Fills `core.notices.NoticeDesk`."""

    def __init__(
        self,
        store: SqlNotices,
        now: Callable[[], datetime],
        cases: Callable[[str], Case | None],
        reported: Callable[[str], bool],
        *,
        service: str,
        contact: str,
        endpoint: str | None,
        escalate_to: str | None,
        steps: Sequence[words.FollowUp] | None = None,
    ) -> None:
        """`endpoint`: of the outbox, the only way by which a notice leaves; None: by hand alone. `escalate_to`: the endpoint that is told
        of a host that does not answer. `reported`: whether an authority has a case's report."""
        self._store, self._now, self._cases, self._reported = store, now, cases, reported
        self._service, self._contact = service, contact
        self._endpoint, self._escalate_to = endpoint, escalate_to
        self._steps = tuple(words.shipped_follow_up() if steps is None else steps)

    def send(
        self, case: str, by: str, *, host: str, to: str, items: Sequence[NoticeItem], language: str = "en", by_hand: bool = False
    ) -> HostNotice:
        now = self._now()
        found = self._cases(case)
        if found is None:
            raise NotFound("there is no such case", field="case")
        if found.state not in _CONFIRMED:
            raise Conflict("no person has confirmed this case: a notice says that one has looked", field="case")
        if self._endpoint is None and not by_hand:
            raise Conflict("no endpoint sends notices: set notices.endpoint, or send it by hand", field="notices.endpoint")
        if not self._service:
            raise Invalid("a notice says who sends it: set service.name", field="service.name")
        if not is_email(self._contact):
            raise Invalid("a notice needs an address for the answer: set notices.contact", field="notices.contact")
        if not is_email(to):
            raise Invalid("must be an e-mail address", field="to")
        if not isinstance(host, str) or not host.strip() or len(host) > 200 or not host.isprintable():
            raise Invalid("one line of 1 to 200 characters", field="host")
        id, reported = new_id("notice"), self._reported(case)
        listed = [words.Item(url=i.url, sha256=i.sha256, seen_at=None) for i in items]
        text = words.notice(listed, service=self._service, reference=id, contact=self._contact, language=language, reported=reported)
        made = HostNotice(
            id=id,
            case=case,
            host=host.strip(),
            to=to,
            language=language,
            items=tuple(items),
            subject=text.subject,
            body=text.body,
            at=now,
            by=by,
            reported=reported,
            due_at=words.due(now, now, steps=self._steps).at,
        )
        message = None if by_hand else self._message(made, "notice", text, 0, now)
        made = replace(made, sendings=(Sending(at=now, step="notice", key=message.key if message is not None else None),))
        return self._store.create(made, [] if message is None else [message])

    def answered(self, id: str, by: str, outcome: str) -> HostNotice:
        return self._end(id, by, NoticeState.ANSWERED, outcome)

    def close(self, id: str, by: str, outcome: str) -> HostNotice:
        return self._end(id, by, NoticeState.CLOSED, outcome)

    def get(self, id: str, by: str) -> HostNotice:
        return self._store.read(id, by, self._now())

    def waiting(self, *, after: str | None = None, most: int = 100) -> Sequence[HostNotice]:
        return self._store.waiting(after, most)

    def of_case(self, case: str) -> Sequence[HostNotice]:
        return self._store.of_case(case)

    def follow_up(self, now: datetime) -> int:
        done = 0
        while due := self._store.due(now):
            for id in due:
                self._store.change(id, "system", "notice.follow_up", now, lambda found: self._next(found, now))
            done += len(due)
        return done

    def overdue(self) -> int:
        """Notices that a person must act on: the host does not answer."""
        return self._store.count((NoticeState.ESCALATED, NoticeState.LATE))

    # -- parts ---------------------------------------------------------------------------------------------------------------------

    def _next(self, found: HostNotice, now: datetime) -> tuple[HostNotice, Sequence[Outgoing]]:
        """Every step that is due by now. Of several that are due at once, after a stand-still, only the last leaves."""
        if found.state.has_ended:
            return found, []
        steps: list[words.Step] = []
        taken = [s.at for s in found.sendings[1:]]
        while (then := words.due(found.at, now, taken=[*taken, *(now for _ in steps)], steps=self._steps)).step in _STATES:
            steps.append(then.step)
        if not steps:
            return replace(found, due_at=then.at), []
        by_hand = found.sendings[0].key is None
        sendings, messages = list(found.sendings), []
        for number, step in enumerate(steps):
            message = self._of_step(found, step, len(sendings), now, by_hand) if number == len(steps) - 1 else None
            sendings.append(Sending(at=now, step=step.value, key=message.key if message is not None else None))
            messages += [message] if message is not None else []
        return replace(found, state=_STATES[steps[-1]], sendings=tuple(sendings), due_at=then.at), messages

    def _of_step(self, found: HostNotice, step: words.Step, number: int, now: datetime, by_hand: bool) -> Outgoing | None:
        if step is words.Step.REMIND:
            first = words.Notice(language=found.language, subject=found.subject, body=found.body)
            text = words.reminder(first, found.at, reference=found.id, contact=self._contact)
            return None if by_hand or self._endpoint is None else self._message(found, "remind", text, number, now)
        if self._escalate_to is None:
            return None
        told = {"type": "host_notice.unanswered", "id": found.id, "case": found.case, "step": step.value}
        body = msgspec.json.encode(told)
        return Outgoing(key=f"notice:{found.id}:{number}", endpoint=self._escalate_to, body=body, not_before=now, cancel_key=found.id)

    def _message(self, one: HostNotice, step: str, text: words.Notice, number: int, now: datetime) -> Outgoing:
        told = {"type": "host_notice", "id": one.id, "step": step, "host": one.host, "to": one.to, "reply_to": self._contact}
        body = msgspec.json.encode(told | {"language": text.language, "subject": text.subject, "body": text.body})
        return Outgoing(key=f"notice:{one.id}:{number}", endpoint=self._endpoint or "", body=body, not_before=now, cancel_key=one.id)

    def _end(self, id: str, by: str, state: NoticeState, outcome: str) -> HostNotice:
        said, now = outcome.strip() if isinstance(outcome, str) else "", self._now()
        if not said or len(said) > MOST_OUTCOME:
            raise Invalid(f"say what came of it, in at most {MOST_OUTCOME} characters", field="outcome")

        def end(found: HostNotice) -> tuple[HostNotice, Sequence[Outgoing]]:
            if found.state.has_ended:
                raise Conflict(f"it is {found.state} already", field="id")
            return replace(found, state=state, due_at=None, ended_at=now, ended_by=by, outcome=said), []

        return self._store.change(id, by, f"notice.{state.value}", now, end)
