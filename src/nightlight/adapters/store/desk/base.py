"""What every part of the desk stands on: one case read for changing, written back, and told to the audit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, Table, select

from nightlight.adapters.store.case_tables import case_notes
from nightlight.adapters.store.cases import CASE, CaseWriter, case_of, row_of
from nightlight.adapters.store.engine import Sql
from nightlight.adapters.store.ledger import CASES, AuditLog, Ledger
from nightlight.adapters.store.limits import SqlLimits
from nightlight.adapters.store.prepared import AnySelect
from nightlight.adapters.store.tables import accounts, cases, micros
from nightlight.core.case import Case, Note, NoteKind
from nightlight.core.clock import Clock
from nightlight.core.desk import Rulebook, VerdictRules
from nightlight.core.errors import Conflict, Invalid, NotFound
from nightlight.core.ids import new_id
from nightlight.core.ports import AuditEntry, Sealer
from nightlight.core.staff import DECIDERS, Staff

MOST_WORDS = 20_000
"""Characters of a note or a reason."""
_MOST_ID = 200


class Tools(Struct, frozen=True, kw_only=True):
    sql: Sql
    audit: AuditLog
    sealer: Sealer
    clock: Clock
    limits: SqlLimits
    book: Rulebook
    policy: VerdictRules | None
    """None: nothing follows from a verdict but the state of the case, as in a test of the store."""


class Desk:
    """Base of the parts of the desk."""

    def __init__(self, tools: Tools) -> None:
        self._sql, self._audit, self._sealer, self._clock = tools.sql, tools.audit, tools.sealer, tools.clock
        self._limits, self._book, self._policy = tools.limits, tools.book, tools.policy
        self._writer = CaseWriter(tools.sql, tools.sealer)

    @contextmanager
    def _changing(self, who: Staff, what: str, id: str) -> Iterator[tuple[Ledger, Case]]:
        """One transaction on one case, by somebody who may decide."""
        who.must_be(DECIDERS, what)
        with self._audit.transaction(CASES) as ledger:
            yield ledger, self._load(ledger.connection, id)

    def _load(self, connection: Connection, id: str, *, change: bool = True) -> Case:
        wanted = case_columns().where(cases.c.id == checked(id))
        found = connection.execute(wanted.with_for_update() if change else wanted).first()
        if found is None:
            raise NotFound("there is no such case", field="case")
        return case_of(found, self._sealer)

    def _save(self, connection: Connection, case: Case, *, merges_by: str | None = "keep") -> Case:
        """`merges_by`: what later openings find it by; "keep" leaves it as it is."""
        values = dict(zip(CASE, row_of(case, self._sealer, merges_by), strict=True))
        del values["id"]
        if merges_by == "keep":
            del values["merges_by"]
        connection.execute(cases.update().where(cases.c.id == case.id).values(**values))
        return case

    def _tell(self, ledger: Ledger, by: str, action: str, case: str, **detail: str | int | float | bool | None) -> None:
        ledger.append(AuditEntry(at=self._clock.now(), actor=by, action=f"case.{action}", target=case, detail=detail))

    def _note(self, ledger: Ledger, who: Staff, case: str, text: str, *, hand_over: bool = False) -> Note:
        kind = NoteKind.HAND_OVER if hand_over else NoteKind.NOTE
        note = Note(id=new_id("note"), case=case, by=who.id, at=self._clock.now(), kind=kind, text=text)
        row = {"id": note.id, "case_id": case, "by": who.id, "at": micros(note.at), "kind": kind.value}
        ledger.connection.execute(case_notes.insert().values(**row, sealed=self._seal("note", note.id, text)))
        self._tell(ledger, who.audit, "note", case, note=note.id, kind=kind.value)
        return note

    def _one(self, connection: Connection, table: Table, id: str, what: str) -> Any:
        found = connection.execute(select(table).where(table.c.id == checked(id, what)).with_for_update()).first()
        if found is None:
            raise NotFound(f"there is no such {what}", field=what)
        return found

    def _held(self, case: Case, who: Staff) -> None:
        """Raises Conflict unless who asks has the case."""
        holder = case.held_by(self._clock.now())
        if holder != who.id:
            raise Conflict("take the case first" if holder is None else f"{holder} has this case", field="case")

    def _free_for(self, case: Case, who: Staff) -> None:
        """Raises Conflict where somebody else has it."""
        holder = case.held_by(self._clock.now())
        if holder is not None and holder != who.id:
            raise Conflict(f"{holder} has this case until {case.locked_until:%H:%M} UTC", field="case")

    def _names(self, connection: Connection, pseudonyms: Sequence[str]) -> dict[str, str]:
        """The service's own ids of those that were not erased."""
        wanted = select(accounts.c.pseudonym, accounts.c.sealed).where(accounts.c.pseudonym.in_(pseudonyms))
        return {p: self._sealer.open(bytes(s), f"account:{p}").decode() for p, s in connection.execute(wanted)} if pseudonyms else {}

    def _seal(self, kind: str, id: str, text: str) -> bytes:
        return self._sealer.seal(text.encode(), f"{kind}:{id}")

    def _open(self, kind: str, id: str, sealed: bytes | None) -> str:
        return self._sealer.open(bytes(sealed), f"{kind}:{id}").decode() if sealed else ""


def case_columns() -> AnySelect:
    return select(*(cases.c[n] for n in CASE))


def checked(id: str, field: str = "case") -> str:
    if not isinstance(id, str) or not 0 < len(id) <= _MOST_ID or not id.isprintable():
        raise Invalid("an id is a short text", field=field)
    return id


def words(text: str, field: str, *, least: int = 1, most: int = MOST_WORDS) -> str:
    """What a person wrote, without the spaces around it. Raises Invalid naming the field."""
    if not isinstance(text, str):
        raise Invalid("words are text", field=field)
    text = text.strip().replace("\x00", "")
    if len(text) < least:
        raise Invalid("say why, in a few words" if least > 1 else "this must not be empty", field=field)
    if len(text) > most:
        raise Invalid(f"at most {most} characters", field=field)
    return text
