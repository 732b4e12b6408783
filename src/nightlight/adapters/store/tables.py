"""Every table, once. The migrations build exactly this; a test holds them to it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

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
    # Only what a shadow set decided: the comparison begins with the latest of it.
    Index("ix_decisions_shadow", "at", sqlite_where=text("mode = 'shadow'"), postgresql_where=text("mode = 'shadow'")),
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

_RISKY = text("actor IS NOT NULL AND level <> 'none'")
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
    # For what else an account is suspected of: few rows, as most assessments say that there is nothing.
    Index("ix_assessments_actor", "actor", sqlite_where=_RISKY, postgresql_where=_RISKY),
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
    Column("kind", Text, primary_key=True),
    _time("since", nullable=True),
    _blob("protects"),
)

_OPEN = text("state = 'open'")
_JUDGED = text("state <> 'open'")
_SOMEBODY = text("actor IS NOT NULL")
_LOCKED = text("locked_by IS NOT NULL")
_ASSIGNED = text("assigned_to IS NOT NULL")
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
    _blob("subjects"),
    _blob("harms"),
    # 0 urgent, 1 standard: a queue is read in the order of an index.
    Column("lane", Integer, nullable=False),
    _time("due_at"),
    _time("waiting_since", nullable=True),
    Column("locked_by", Text, nullable=True),
    _time("locked_until", nullable=True),
    Column("assigned_to", Text, nullable=True),
    Column("peers", Text, nullable=False),
    Column("opinion", Boolean, nullable=False),
    _id("appeal", nullable=True),
    _time("ended_at", nullable=True),
    # Sealed, or empty: why it was declined is about people.
    _blob("why"),
    _blob("flags"),
    # What openings merge by while it is open; NULL from its verdict on.
    _id("merges_by", nullable=True),
    Index("ix_cases_one_open", "merges_by", unique=True),
    Index("ix_cases_queue", "queue", "lane", "due_at", "id", "locked_until", "waiting_since", sqlite_where=_OPEN, postgresql_where=_OPEN),
    Index("ix_cases_due", "lane", "due_at", "id", "locked_until", sqlite_where=_OPEN, postgresql_where=_OPEN),
    # Without the open ones: the planner must not take it for their queues, which it would then have to sort.
    Index("ix_cases_state", "state", "updated_at", "id", sqlite_where=_JUDGED, postgresql_where=_JUDGED),
    Index("ix_cases_opened_at", "opened_at"),
    Index("ix_cases_actor", "actor", sqlite_where=_SOMEBODY, postgresql_where=_SOMEBODY),
    Index("ix_cases_locked_by", "locked_by", sqlite_where=_LOCKED, postgresql_where=_LOCKED),
    Index("ix_cases_assigned_to", "assigned_to", sqlite_where=_ASSIGNED, postgresql_where=_ASSIGNED),
    Index("ix_cases_subject", "subject_kind", "subject_id"),
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

_CASES = text("partition = 'cases'")
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
    Index("ix_audit_cases", "target", sqlite_where=_CASES, postgresql_where=_CASES),
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
    Column("action", Text, nullable=False),
    _blob("kinds"),
    _blob("thresholds"),
    Column("share", Float, nullable=False),
    Column("authority", Boolean, nullable=False),
    Column("expires_after_days", Integer, nullable=True),
    Column("version", BigInteger, nullable=False),
)


def _item() -> list[Column[Any]]:
    """What an item and its history have in common, without the two columns that say which it is."""
    return [
        # Sealed: a perceptual hash can be turned back into a blurred picture, and a partner's list is theirs to show.
        _blob("sealed"),
        Column("enabled", Boolean, nullable=False),
        _blob("labels"),
        Column("source", Text, nullable=True),
        _time("created_at"),
        Column("category", Text, nullable=True),
        Column("generated", Boolean, nullable=True),
        # Sealed, or empty: a source's words about a picture can be about a person.
        _blob("provenance"),
        _time("expires_at", nullable=True),
        _id("derived_from", nullable=True),
        _time("paused_at", nullable=True),
        Column("proposed_by", Text, nullable=True),
        Column("approved_by", Text, nullable=True),
        Column("overrides_authority", Boolean, nullable=False),
        # Of the bank, since when the item is as this row has it.
        Column("version", BigInteger, nullable=False),
    ]


def _partial(where: str) -> dict[str, Any]:
    return {"sqlite_where": text(where), "postgresql_where": text(where)}


bank_items = Table(
    "bank_items",
    metadata,
    Column("bank", Id, ForeignKey("banks.name"), primary_key=True, nullable=False),
    _id("id", primary_key=True),
    *_item(),
    Index("ix_bank_items_source", "bank", "source", **_partial("source IS NOT NULL")),
    Index("ix_bank_items_version", "bank", "version"),
    Index("ix_bank_items_expires_at", "expires_at", **_partial("expires_at IS NOT NULL")),
    # For banks whose items end so long after they were added.
    Index("ix_bank_items_created_at", "bank", "created_at", **_partial("expires_at IS NULL")),
    Index("ix_bank_items_derived_from", "bank", "derived_from", **_partial("derived_from IS NOT NULL")),
    Index("ix_bank_items_paused_at", "bank", "paused_at", **_partial("paused_at IS NOT NULL")),
)

# Items as they were before a change, for going back: each row was so from its `version` up to, not including, `until`.
bank_history = Table(
    "bank_history",
    metadata,
    _id("bank", primary_key=True),
    _id("id", primary_key=True),
    Column("until", BigInteger, primary_key=True, autoincrement=False, nullable=False),
    _time("superseded_at"),
    *_item(),
    Index("ix_bank_history_until", "bank", "until"),
    Index("ix_bank_history_superseded_at", "superseded_at"),
)

bank_versions = Table(
    "bank_versions",
    metadata,
    _id("bank", primary_key=True),
    Column("version", BigInteger, primary_key=True, autoincrement=False, nullable=False),
    _time("at"),
    Column("by", Text, nullable=False),
    # What was done, in the words of the audit log.
    Column("what", Text, nullable=False),
    Column("added", BigInteger, nullable=False),
    Column("changed", BigInteger, nullable=False),
    Column("removed", BigInteger, nullable=False),
    # The bank's own settings from then on, JSON.
    Column("settings", Text, nullable=False),
    # When the next version came: from then on it can be gone back to for as long as history is kept.
    _time("superseded_at", nullable=True),
    Index("ix_bank_versions_superseded_at", "superseded_at", **_partial("superseded_at IS NOT NULL")),
)

_UNSENT = "sent_at IS NULL AND replaced_at IS NULL"
bank_verdicts = Table(
    "bank_verdicts",
    metadata,
    Column("id", Serial, primary_key=True),
    _id("bank"),
    _id("item"),
    # The source's own id of the item, which outlives the item: verdicts are written back by it.
    Column("source", Text, nullable=True),
    Column("by", Text, nullable=False),
    Column("confirm", Boolean, nullable=False),
    _blob("note"),
    _time("at"),
    # When the same person judged the item again; that row is the one that counts.
    _time("replaced_at", nullable=True),
    _time("sent_at", nullable=True),
    Index("ix_bank_verdicts_item", "bank", "item"),
    Index("ix_bank_verdicts_unsent", "bank", "id", **_partial(_UNSENT)),
    Index("ix_bank_verdicts_at", "at"),
    sqlite_autoincrement=True,
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

exchanges = Table(
    "exchanges",
    metadata,
    _id("name", primary_key=True),
    Column("kind", Text, nullable=False),
    # One list a bank: two that fill one would withdraw what the other gave.
    Column("bank", Id, ForeignKey("banks.name"), nullable=False),
    Column("url", Text, nullable=False),
    _blob("options"),
    Column("enabled", Boolean, nullable=False),
    Column("interval_minutes", Integer, nullable=False),
    Column("credentials", LargeBinary, nullable=True),
    # Sealed too: the link to a list's next page may hold a token.
    Column("checkpoint", LargeBinary, nullable=True),
    _time("created_at"),
    _time("last_good_at", nullable=True),
    Column("failures", Integer, nullable=False),
    _time("due_at"),
    # The run that may write, and until when it may without saying that it still does.
    Column("run", BigInteger, nullable=True),
    Column("lease_by", Text, nullable=True),
    _time("lease_until", nullable=True),
    Index("ix_exchanges_bank", "bank", unique=True),
)

exchange_runs = Table(
    "exchange_runs",
    metadata,
    Column("id", Serial, primary_key=True),
    _id("exchange"),
    _time("started_at"),
    _time("ended_at", nullable=True),
    Column("by", Text, nullable=False),
    *(Column(name, BigInteger, nullable=False) for name in ("pages", "added", "changed", "withdrawn", "unchanged", "bad", "told")),
    _blob("reasons"),
    Column("error", Text, nullable=False),
    Index("ix_exchange_runs_exchange", "exchange", "id"),
    # The number of a run that was deleted must never let an old process write into a new one.
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

# Who sent one is not here: no account, no address. The code and the submission's name are kept as keyed hashes.
self_reports = Table(
    "self_reports",
    metadata,
    _id("id", primary_key=True),
    _blob("code_mac"),
    _blob("once_mac"),
    _blob("body_mac"),
    Column("state", Text, nullable=False),
    # False until every picture is banked: a submission that was cut off is ended by its repetition, or swept away.
    Column("ready", Boolean, nullable=False),
    Column("pictures", Integer, nullable=False),
    Column("kept", Boolean, nullable=True),
    _time("created_at"),
    _time("changed_at"),
    _time("expires_at"),
    Index("ix_self_reports_code_mac", "code_mac", unique=True),
    Index("ix_self_reports_once_mac", "once_mac", unique=True),
    Index("ix_self_reports_created_at", "created_at"),
    Index("ix_self_reports_expires_at", "expires_at"),
)

meta = Table("meta", metadata, Column("name", Text, primary_key=True, nullable=False), Column("value", Text, nullable=False))

# Tables of parts that have a module of their own: whoever reads `metadata` from here has them all.
from nightlight.adapters.store import case_tables as _case_tables  # noqa: E402, F401
from nightlight.adapters.store import trust_tables as _trust_tables  # noqa: E402, F401
