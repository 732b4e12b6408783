"""Every table, once. The migrations build exactly this; a test holds them to it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import BigInteger, Boolean, Column, Float, ForeignKey, Index, Integer, LargeBinary, MetaData, Table, Text, text

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def micros(at: datetime) -> int:
    """Whole microseconds since 1970. Raises TypeError for a time without a zone."""
    return (at - EPOCH) // _MICROSECOND


def moment(stored: int) -> datetime:
    return EPOCH + timedelta(microseconds=stored)


# Bytewise order and comparison in both databases: prefix ranges and page order must not depend on a server's locale.
Id = Text().with_variant(Text(collation="C"), "postgresql")
# SQLite numbers rows by itself only where the type is spelt INTEGER.
Serial = BigInteger().with_variant(Integer, "sqlite")

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    }
)


def _time(name: str, *, nullable: bool = False) -> Column[int]:
    return Column(name, BigInteger, nullable=nullable)


def _id(name: str, *, primary_key: bool = False, nullable: bool = False) -> Column[str]:
    return Column(name, Id, primary_key=primary_key, nullable=nullable)


def _blob(name: str) -> Column[bytes]:
    return Column(name, LargeBinary, nullable=False)


# -- the pipeline ------------------------------------------------------------------------------------------------------------------
# No foreign keys among these: they are written in one transaction by one module, thousands of times a second, and deleted
# explicitly, so that erasure and retention can say what they deleted.

partitions = Table(
    "partitions",
    metadata,
    _id("name", primary_key=True),
    Column("position", BigInteger, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    # The end of the partition's audit chain, so that appending costs no search for it.
    Column("audit_seq", BigInteger, nullable=False),
    _blob("audit_mac"),
)

events = Table(
    "events",
    metadata,
    Column("seq", Serial, primary_key=True),
    _id("id"),
    _time("at"),
    _time("received_at"),
    Column("kind", Text, nullable=False),
    _id("conversation"),
    _id("actor"),
    _blob("accounts"),
    _blob("body_mac"),
    _blob("sealed"),
    _time("expires_at"),
    Column("preserved", Boolean, nullable=False),
    Index("ix_events_id", "id", unique=True),
    Index("ix_events_conversation", "conversation"),
    Index("ix_events_expires_at", "expires_at"),
)

event_accounts = Table(
    "event_accounts",
    metadata,
    _id("account", primary_key=True),
    # No index on the event alone: `events.accounts` lists the accounts, and a second index would cost every event 10 microseconds.
    _id("event_id", primary_key=True),
    sqlite_with_rowid=False,
)

decisions = Table(
    "decisions",
    metadata,
    _id("event_id", primary_key=True),
    Column("mode", Text, primary_key=True, nullable=False),
    _time("at"),
    Column("level", Text, nullable=False),
    Column("policy", Text, nullable=False),
    # The event that a decision of the second hop is about; its own id is `<event>#<number>`.
    _id("late_of", nullable=True),
    _blob("body"),
    Index("ix_decisions_late", "late_of", sqlite_where=text("late_of IS NOT NULL"), postgresql_where=text("late_of IS NOT NULL")),
    sqlite_with_rowid=False,
)

signals = Table(
    "signals",
    metadata,
    Column("seq", Serial, primary_key=True),
    _id("event_id"),
    Column("subject_kind", Text, nullable=False),
    _id("subject_id"),
    Column("harm", Text, nullable=False),
    Column("score", Float, nullable=False),
    _time("at"),
    Column("detector", Text, nullable=False),
    _id("actor", nullable=True),
    _id("protects", nullable=True),
    _blob("body"),
    Index("ix_signals_event_id", "event_id"),
)

states = Table(
    "states",
    metadata,
    _id("id", primary_key=True),
    Column("kind", Text, primary_key=True, nullable=False),
    Column("detector", Text, primary_key=True, nullable=False),
    Column("version", Integer, nullable=False),
    _blob("raw"),
    _time("updated_at"),
)

assessments = Table(
    "assessments",
    metadata,
    _id("subject_id", primary_key=True),
    Column("subject_kind", Text, primary_key=True, nullable=False),
    Column("harm", Text, primary_key=True, nullable=False),
    Column("level", Text, nullable=False),
    _time("at"),
    _id("actor", nullable=True),
    _id("protects", nullable=True),
    _blob("body"),
)

summaries = Table(
    "summaries",
    metadata,
    _id("account", primary_key=True),
    Column("version", BigInteger, nullable=False),
    _blob("body"),
    _time("updated_at"),
)

facts = Table(
    "facts",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("key_kind", Text, nullable=False),
    _id("key_id"),
    _id("other", nullable=True),
    _id("event_id"),
    _time("absorbed_at", nullable=True),
    _blob("body"),
    Index("ix_facts_pending", "id", sqlite_where=text("absorbed_at IS NULL"), postgresql_where=text("absorbed_at IS NULL")),
    # An id given to a worker must never come to mean another fact.
    sqlite_autoincrement=True,
)

tails = Table("tails", metadata, _id("direction", primary_key=True), _blob("sealed"), _time("expires_at"))

limits = Table(
    "limits",
    metadata,
    _id("account", primary_key=True),
    _id("event_id", primary_key=True),
    _time("until"),
    Column("rule", Text, nullable=False),
    Column("lifted_by", Text, nullable=True),
    Column("reviewed", Boolean, nullable=False),
)

_OPEN = text("state = 'open'")
cases = Table(
    "cases",
    metadata,
    _id("id", primary_key=True),
    Column("queue", Text, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("subject_kind", Text, nullable=False),
    _id("subject_id"),
    # The empty string where nobody knows the harm: NULLs are never equal to each other, so they could not be unique.
    Column("harm", Text, nullable=False),
    Column("level", Text, nullable=False),
    _time("opened_at"),
    _time("updated_at"),
    Column("state", Text, nullable=False),
    _blob("events"),
    _blob("reasons"),
    _id("actor", nullable=True),
    _id("protects", nullable=True),
    Index("ix_cases_one_open", "subject_kind", "subject_id", "harm", unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN),
    Index("ix_cases_queue", "priority", "opened_at", sqlite_where=_OPEN, postgresql_where=_OPEN),
)

case_events = Table("case_events", metadata, _id("event_id", primary_key=True), _id("case_id", primary_key=True), sqlite_with_rowid=False)

_WAITING = text("state = 'waiting'")
outbox = Table(
    "outbox",
    metadata,
    _id("key", primary_key=True),
    Column("endpoint", Text, nullable=False),
    _blob("sealed"),
    _time("not_before"),
    _id("cancel_key", nullable=True),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("error", Text, nullable=False),
    _time("created_at"),
    _time("finished_at", nullable=True),
    Index("ix_outbox_due", "not_before", sqlite_where=_WAITING, postgresql_where=_WAITING),
    Index("ix_outbox_cancel", "cancel_key", sqlite_where=_WAITING, postgresql_where=_WAITING),
)

accounts = Table("accounts", metadata, _id("pseudonym", primary_key=True), _blob("sealed"), _time("created_at"))

# -- people and their changes ------------------------------------------------------------------------------------------------------

audit = Table(
    "audit",
    metadata,
    _id("partition", primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False, nullable=False),
    _time("at"),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("target", Text, nullable=False),
    # The very bytes that were authenticated: a JSON type would be free to rewrite them.
    Column("detail", Text, nullable=False),
    _blob("mac"),
    sqlite_with_rowid=False,
)

api_keys = Table(
    "api_keys",
    metadata,
    _id("id", primary_key=True),
    Column("name", Text, nullable=False),
    Column("scopes", Text, nullable=False),
    Column("rate_per_minute", Integer, nullable=False),
    _blob("hash"),
    _time("created_at"),
    _time("revoked_at", nullable=True),
)

banks = Table(
    "banks",
    metadata,
    _id("name", primary_key=True),
    Column("kind", Text, nullable=False),
    Column("threshold", Integer, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("note", Text, nullable=False),
    _time("created_at"),
)

bank_items = Table(
    "bank_items",
    metadata,
    Column("bank", Id, ForeignKey("banks.name"), primary_key=True, nullable=False),
    _id("id", primary_key=True),
    # Sealed: a perceptual hash can be turned back into a blurred picture, and a partner's list is theirs to show.
    _blob("sealed"),
    Column("enabled", Boolean, nullable=False),
    _blob("labels"),
    Column("source", Text, nullable=True),
    _time("created_at"),
)

bank_changes = Table(
    "bank_changes",
    metadata,
    Column("seq", Serial, primary_key=True),
    _id("bank"),
    # The empty string: the bank itself changed.
    _id("item"),
    sqlite_autoincrement=True,
)

policies = Table(
    "policies",
    metadata,
    Column("version", Serial, primary_key=True),
    Column("name", Text, nullable=False),
    Column("mode", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("hash", Text, nullable=False),
    _time("activated_at"),
    _time("retired_at", nullable=True),
    Column("activated_by", Text, nullable=False),
    # Two rule sets that both believe themselves live would be worse than either.
    Index("ix_policies_current", "mode", unique=True, sqlite_where=text("retired_at IS NULL"), postgresql_where=text("retired_at IS NULL")),
    sqlite_autoincrement=True,
)

jobs = Table(
    "jobs",
    metadata,
    _id("id", primary_key=True),
    Column("state", Text, nullable=False),
    _time("created_at"),
    _time("finished_at", nullable=True),
    Column("detail", Text, nullable=False),
    Column("notify", Text, nullable=True),
)

meta = Table("meta", metadata, Column("name", Text, primary_key=True, nullable=False), Column("value", Text, nullable=False))
