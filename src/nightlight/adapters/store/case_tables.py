"""What people say and do about cases, and what people tell us. In the same metadata as `tables`.

Words are sealed: a note about a case says who did what to whom. Who acted is a column, for queues and counts ask by it.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Float, Index, Integer, LargeBinary, Table, Text, text

from nightlight.adapters.store.tables import Id, case_events, metadata


def _time(name: str, *, nullable: bool = False) -> Column[int]:
    return Column(name, BigInteger, nullable=nullable)


def _id(name: str, *, primary_key: bool = False, nullable: bool = False) -> Column[str]:
    return Column(name, Id, primary_key=primary_key, nullable=nullable)


def _blob(name: str, *, nullable: bool = False) -> Column[bytes]:
    return Column(name, LargeBinary, nullable=nullable)


_OWED = text("support = 'owed'")
case_children = Table(
    "case_children",
    metadata,
    _id("case_id", primary_key=True),
    _id("account", primary_key=True),
    Column("age_band", Text, nullable=False),
    Column("assurance", Text, nullable=False),
    _blob("harms"),
    _time("first_at"),
    _time("last_at"),
    Column("support", Text, nullable=False),
    _time("support_due_at"),
    _time("supported_at", nullable=True),
    Column("supported_by", Text, nullable=True),
    Index("ix_case_children_owed", "support_due_at", sqlite_where=_OWED, postgresql_where=_OWED),
    Index("ix_case_children_account", "account"),
)

case_notes = Table(
    "case_notes",
    metadata,
    _id("id", primary_key=True),
    _id("case_id"),
    Column("by", Text, nullable=False),
    _time("at"),
    Column("kind", Text, nullable=False),
    _blob("sealed"),
    Index("ix_case_notes_case_id", "case_id"),
)

_UNANSWERED = text("at IS NULL")
case_opinions = Table(
    "case_opinions",
    metadata,
    _id("id", primary_key=True),
    _id("case_id"),
    Column("asked_by", Text, nullable=False),
    _time("asked_at"),
    _blob("question"),
    Column("by", Text, nullable=True),
    _time("at", nullable=True),
    Column("finding", Text, nullable=True),
    _blob("reason", nullable=True),
    Index("ix_case_opinions_case_id", "case_id"),
    Index("ix_case_opinions_waiting", "asked_at", sqlite_where=_UNANSWERED, postgresql_where=_UNANSWERED),
)

case_verdicts = Table(
    "case_verdicts",
    metadata,
    _id("id", primary_key=True),
    _id("case_id"),
    Column("reviewer", Text, nullable=False),
    Column("finding", Text, nullable=False),
    _time("at"),
    # Sealed: the whole verdict, its reason with it.
    _blob("sealed"),
    # What the policy decided on it, as a packed decision: a signature that comes later carries out a part of it.
    _blob("decision"),
    Index("ix_case_verdicts_case_id", "case_id"),
    Index("ix_case_verdicts_at", "at"),
)

_STEP_WAITING = text("state = 'waiting'")
case_steps = Table(
    "case_steps",
    metadata,
    _id("id", primary_key=True),
    _id("case_id"),
    _id("verdict"),
    Column("consequence", Text, nullable=False),
    Column("needs", Integer, nullable=False),
    Column("needs_lead", Boolean, nullable=False),
    _blob("signed"),
    Column("lead_signed", Boolean, nullable=False),
    Column("state", Text, nullable=False),
    _time("asked_at"),
    _time("decided_at", nullable=True),
    _blob("reason"),
    Index("ix_case_steps_case_id", "case_id"),
    Index("ix_case_steps_waiting", "asked_at", sqlite_where=_STEP_WAITING, postgresql_where=_STEP_WAITING),
)

case_appeals = Table(
    "case_appeals",
    metadata,
    _id("id", primary_key=True),
    _id("case_id"),
    Column("by", Text, nullable=False),
    _time("at"),
    _blob("sealed"),
    Column("state", Text, nullable=False),
    _time("decided_at", nullable=True),
    Column("decided_by", Text, nullable=True),
    _blob("answer"),
    # One at a time.
    Index("ix_case_appeals_waiting", "case_id", unique=True, sqlite_where=_STEP_WAITING, postgresql_where=_STEP_WAITING),
    Index("ix_case_appeals_case_id", "case_id"),
)

_UNDONE = text("done_at IS NULL")
case_orders = Table(
    "case_orders",
    metadata,
    _id("id", primary_key=True),
    _id("case_id"),
    Column("kind", Text, nullable=False),
    _time("at"),
    _id("verdict"),
    _blob("approved_by"),
    _time("done_at", nullable=True),
    # A short word of what came of it, such as an authority's number: never content.
    Column("result", Text, nullable=False),
    Index("ix_case_orders_case_id", "case_id"),
    Index("ix_case_orders_undone", "at", sqlite_where=_UNDONE, postgresql_where=_UNDONE),
)

# Two that agree are settled at once.
_UNSETTLED = text("at IS NOT NULL AND settled_at IS NULL")
case_reviews = Table(
    "case_reviews",
    metadata,
    _id("id", primary_key=True),
    _id("case_id"),
    _id("verdict"),
    Column("first_by", Text, nullable=False),
    Column("first_finding", Text, nullable=False),
    _time("drawn_at"),
    Column("by", Text, nullable=True),
    _time("at", nullable=True),
    # Who has it on their screen, so that two do not review the same one.
    Column("held_by", Text, nullable=True),
    _time("held_until", nullable=True),
    Column("finding", Text, nullable=True),
    _blob("reason", nullable=True),
    Column("agrees", Boolean, nullable=True),
    Column("settled_by", Text, nullable=True),
    _time("settled_at", nullable=True),
    Column("settled", Text, nullable=True),
    Index("ix_case_reviews_case_id", "case_id"),
    Index("ix_case_reviews_waiting", "drawn_at", sqlite_where=_UNANSWERED, postgresql_where=_UNANSWERED),
    Index("ix_case_reviews_unsettled", "at", sqlite_where=_UNSETTLED, postgresql_where=_UNSETTLED),
    Index("ix_case_reviews_at", "at"),
)

# Counted once a case, by its latest verdict: how often people confirm what a detector raises.
case_findings = Table(
    "case_findings",
    metadata,
    _id("case_id", primary_key=True),
    _id("detector", primary_key=True),
    Column("harm", Text, primary_key=True, nullable=False),
    Column("version", Text, nullable=False),
    Column("finding", Text, nullable=False),
    _time("at"),
    Index("ix_case_findings_at", "at"),
)

case_views = Table(
    "case_views",
    metadata,
    _id("id", primary_key=True),
    _id("case_id"),
    Column("by", Text, nullable=False),
    _time("at"),
    Column("sha256", Text, nullable=False),
    Column("whole", Boolean, nullable=False),
    Column("blurred", Boolean, nullable=False),
    Column("greyscale", Boolean, nullable=False),
    Column("seconds", Float, nullable=False),
    _blob("reason"),
    Index("ix_case_views_case_id", "case_id"),
)

# Other conversations that somebody gave a reason to read.
case_reads = Table(
    "case_reads",
    metadata,
    _id("case_id", primary_key=True),
    _id("conversation", primary_key=True),
    Column("by", Text, nullable=False),
    _time("at"),
    _blob("reason"),
)

case_exposure = Table(
    "case_exposure",
    metadata,
    Column("day", Text, primary_key=True, nullable=False),
    Column("person", Text, primary_key=True, nullable=False),
    Column("severity", Text, primary_key=True, nullable=False),
    Column("seconds", Float, nullable=False),
    # Since the last break began.
    Column("since_break", Float, nullable=False),
)

case_breaks = Table(
    "case_breaks",
    metadata,
    Column("person", Text, primary_key=True, nullable=False),
    _time("until"),
)

case_seen = Table(
    "case_seen",
    metadata,
    Column("day", Text, primary_key=True, nullable=False),
    Column("person", Text, primary_key=True, nullable=False),
    _id("case_id", primary_key=True),
)

_COLLAPSED = text("collapsed IS NOT NULL")
user_reports = Table(
    "user_reports",
    metadata,
    _id("id", primary_key=True),
    _blob("code_mac"),
    _blob("once_mac"),
    _blob("body_mac"),
    # What makes a brigade one: the keyed hash of whom it is about, and what for.
    _blob("about_mac"),
    # Of whoever reported, where they are an account: by it their erasure finds the row.
    _blob("reporter_mac", nullable=True),
    _id("case_id"),
    _id("event_id"),
    Column("state", Text, nullable=False),
    Column("anonymous", Boolean, nullable=False),
    Column("verified", Boolean, nullable=False),
    # The report itself; empty where it collapsed into another.
    _blob("sealed"),
    # The first of a brigade, where it is not this one.
    _id("collapsed", nullable=True),
    _time("at"),
    _time("changed_at"),
    _time("keep_until"),
    Index("ix_user_reports_code_mac", "code_mac", unique=True),
    Index("ix_user_reports_once_mac", "once_mac", unique=True),
    Index("ix_user_reports_about_mac", "about_mac"),
    Index("ix_user_reports_collapsed", "collapsed", sqlite_where=_COLLAPSED, postgresql_where=_COLLAPSED),
    Index("ix_user_reports_case_id", "case_id"),
    Index("ix_user_reports_at", "at"),
    Index("ix_user_reports_keep_until", "keep_until"),
)

OF_CASES: tuple[Table, ...] = (
    case_events,
    case_children,
    case_notes,
    case_opinions,
    case_verdicts,
    case_steps,
    case_appeals,
    case_orders,
    case_reviews,
    case_findings,
    case_views,
    case_reads,
    case_seen,
    user_reports,
)
"""What goes with a case when it is deleted: each has a `case_id`."""
