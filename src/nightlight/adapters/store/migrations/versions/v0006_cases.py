"""Cases are merged by whom they are about, wait in queues with clocks, and hold what people say and decide; people tell us things."""

import msgspec
import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

ID = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_STEP = 2 * 3600 * 1_000_000
"""What a step of priority gave a case that came before its deadline did, in microseconds."""
_OLD = "id, queue, priority, subject_kind, subject_id, harm, level, opened_at, updated_at, state, events, reasons, actor, protects"


def upgrade() -> None:
    """The table of cases is made anew on every database: it holds what people look at, not years of events."""
    for index in ("ix_cases_one_open", "ix_cases_queue"):
        op.drop_index(index, "cases")
    op.rename_table("cases", "cases_0005")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER INDEX pk_cases RENAME TO pk_cases_0005")
    _cases()
    _others()
    _carry_over()
    op.drop_table("cases_0005")
    risky = sa.text("actor IS NOT NULL AND level <> 'none'")
    op.create_index("ix_assessments_actor", "assessments", ["actor"], sqlite_where=risky, postgresql_where=risky)
    of_cases = sa.text("partition = 'cases'")
    op.create_index("ix_audit_cases", "audit", ["target"], sqlite_where=of_cases, postgresql_where=of_cases)


def _carry_over() -> None:
    """What was open stays open: merged by what it was merged by, and due by its priority."""
    bind = op.get_bind()
    names = [name.strip() for name in _OLD.split(",")]
    new = sa.table("cases", *(sa.column(n) for n in (*names, *_ADDED)))
    children = sa.table("case_children", *(sa.column(n) for n in _CHILD))
    for row in bind.execute(sa.text(f"SELECT {_OLD} FROM cases_0005")).mappings().all():  # noqa: S608 - constant
        is_open = row["state"] == "open"
        harms = [row["harm"]] if row["harm"] else []
        subject = [row["subject_kind"], row["subject_id"]]
        added = {
            "subjects": msgspec.msgpack.encode([subject]),
            "harms": msgspec.msgpack.encode(harms),
            "lane": 1,
            "due_at": row["opened_at"] + (row["priority"] + 1) * _STEP,
            "waiting_since": row["opened_at"] if is_open else None,
            "peers": "no",
            "opinion": False,
            "ended_at": None if is_open else row["updated_at"],
            "why": b"",
            "flags": msgspec.msgpack.encode([]),
            "merges_by": "|".join((*subject, row["harm"])) if is_open else None,
        }
        bind.execute(new.insert().values({**row, "state": "open" if is_open else "declined", **added}))
        if row["protects"] and is_open:
            child = {"case_id": row["id"], "account": row["protects"], "age_band": "unknown", "assurance": "none"}
            clock = {"first_at": row["opened_at"], "last_at": row["updated_at"], "support_due_at": row["opened_at"] + 12 * _STEP}
            bind.execute(children.insert().values({**child, **clock, "harms": msgspec.msgpack.encode(harms), "support": "owed"}))


_ADDED = ("subjects", "harms", "lane", "due_at", "waiting_since", "peers", "opinion", "ended_at", "why", "flags", "merges_by")
_CHILD = ("case_id", "account", "age_band", "assurance", "harms", "first_at", "last_at", "support", "support_due_at")


def _cases() -> None:
    op.create_table(
        "cases",
        sa.Column("id", ID, nullable=False),
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("subject_kind", sa.Text(), nullable=False),
        sa.Column("subject_id", ID, nullable=False),
        sa.Column("harm", sa.Text(), nullable=False),
        sa.Column("level", sa.Text(), nullable=False),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("events", sa.LargeBinary(), nullable=False),
        sa.Column("reasons", sa.LargeBinary(), nullable=False),
        sa.Column("actor", ID, nullable=True),
        sa.Column("protects", ID, nullable=True),
        sa.Column("subjects", sa.LargeBinary(), nullable=False),
        sa.Column("harms", sa.LargeBinary(), nullable=False),
        sa.Column("lane", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("waiting_since", sa.BigInteger(), nullable=True),
        sa.Column("locked_by", sa.Text(), nullable=True),
        sa.Column("locked_until", sa.BigInteger(), nullable=True),
        sa.Column("assigned_to", sa.Text(), nullable=True),
        sa.Column("peers", sa.Text(), nullable=False),
        sa.Column("opinion", sa.Boolean(), nullable=False),
        sa.Column("appeal", ID, nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("why", sa.LargeBinary(), nullable=False),
        sa.Column("flags", sa.LargeBinary(), nullable=False),
        sa.Column("merges_by", ID, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cases")),
    )
    op.create_index(
        "ix_cases_actor",
        "cases",
        ["actor"],
        unique=False,
        sqlite_where=sa.text("actor IS NOT NULL"),
        postgresql_where=sa.text("actor IS NOT NULL"),
    )
    op.create_index(
        "ix_cases_assigned_to",
        "cases",
        ["assigned_to"],
        unique=False,
        sqlite_where=sa.text("assigned_to IS NOT NULL"),
        postgresql_where=sa.text("assigned_to IS NOT NULL"),
    )
    op.create_index(
        "ix_cases_due",
        "cases",
        ["lane", "due_at", "id", "locked_until"],
        unique=False,
        sqlite_where=sa.text("state = 'open'"),
        postgresql_where=sa.text("state = 'open'"),
    )
    op.create_index(
        "ix_cases_locked_by",
        "cases",
        ["locked_by"],
        unique=False,
        sqlite_where=sa.text("locked_by IS NOT NULL"),
        postgresql_where=sa.text("locked_by IS NOT NULL"),
    )
    op.create_index("ix_cases_one_open", "cases", ["merges_by"], unique=True)
    op.create_index("ix_cases_opened_at", "cases", ["opened_at"], unique=False)
    op.create_index(
        "ix_cases_queue",
        "cases",
        ["queue", "lane", "due_at", "id", "locked_until", "waiting_since"],
        unique=False,
        sqlite_where=sa.text("state = 'open'"),
        postgresql_where=sa.text("state = 'open'"),
    )
    op.create_index(
        "ix_cases_state",
        "cases",
        ["state", "updated_at", "id"],
        unique=False,
        sqlite_where=sa.text("state <> 'open'"),
        postgresql_where=sa.text("state <> 'open'"),
    )
    op.create_index("ix_cases_subject", "cases", ["subject_kind", "subject_id"], unique=False)


def _others() -> None:
    op.create_table(
        "case_children",
        sa.Column("case_id", ID, nullable=False),
        sa.Column("account", ID, nullable=False),
        sa.Column("age_band", sa.Text(), nullable=False),
        sa.Column("assurance", sa.Text(), nullable=False),
        sa.Column("harms", sa.LargeBinary(), nullable=False),
        sa.Column("first_at", sa.BigInteger(), nullable=False),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
        sa.Column("support", sa.Text(), nullable=False),
        sa.Column("support_due_at", sa.BigInteger(), nullable=False),
        sa.Column("supported_at", sa.BigInteger(), nullable=True),
        sa.Column("supported_by", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("case_id", "account", name=op.f("pk_case_children")),
    )
    op.create_index("ix_case_children_account", "case_children", ["account"], unique=False)
    op.create_index(
        "ix_case_children_owed",
        "case_children",
        ["support_due_at"],
        unique=False,
        sqlite_where=sa.text("support = 'owed'"),
        postgresql_where=sa.text("support = 'owed'"),
    )
    op.create_table(
        "case_notes",
        sa.Column("id", ID, nullable=False),
        sa.Column("case_id", ID, nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_case_notes")),
    )
    op.create_index("ix_case_notes_case_id", "case_notes", ["case_id"], unique=False)
    op.create_table(
        "case_opinions",
        sa.Column("id", ID, nullable=False),
        sa.Column("case_id", ID, nullable=False),
        sa.Column("asked_by", sa.Text(), nullable=False),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.Column("question", sa.LargeBinary(), nullable=False),
        sa.Column("by", sa.Text(), nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=True),
        sa.Column("finding", sa.Text(), nullable=True),
        sa.Column("reason", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_case_opinions")),
    )
    op.create_index("ix_case_opinions_case_id", "case_opinions", ["case_id"], unique=False)
    op.create_index(
        "ix_case_opinions_waiting",
        "case_opinions",
        ["asked_at"],
        unique=False,
        sqlite_where=sa.text("at IS NULL"),
        postgresql_where=sa.text("at IS NULL"),
    )
    op.create_table(
        "case_verdicts",
        sa.Column("id", ID, nullable=False),
        sa.Column("case_id", ID, nullable=False),
        sa.Column("reviewer", sa.Text(), nullable=False),
        sa.Column("finding", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("decision", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_case_verdicts")),
    )
    op.create_index("ix_case_verdicts_at", "case_verdicts", ["at"], unique=False)
    op.create_index("ix_case_verdicts_case_id", "case_verdicts", ["case_id"], unique=False)
    op.create_table(
        "case_steps",
        sa.Column("id", ID, nullable=False),
        sa.Column("case_id", ID, nullable=False),
        sa.Column("verdict", ID, nullable=False),
        sa.Column("consequence", sa.Text(), nullable=False),
        sa.Column("needs", sa.Integer(), nullable=False),
        sa.Column("needs_lead", sa.Boolean(), nullable=False),
        sa.Column("signed", sa.LargeBinary(), nullable=False),
        sa.Column("lead_signed", sa.Boolean(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.Column("decided_at", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_case_steps")),
    )
    op.create_index("ix_case_steps_case_id", "case_steps", ["case_id"], unique=False)
    op.create_index(
        "ix_case_steps_waiting",
        "case_steps",
        ["asked_at"],
        unique=False,
        sqlite_where=sa.text("state = 'waiting'"),
        postgresql_where=sa.text("state = 'waiting'"),
    )
    op.create_table(
        "case_appeals",
        sa.Column("id", ID, nullable=False),
        sa.Column("case_id", ID, nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("decided_at", sa.BigInteger(), nullable=True),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("answer", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_case_appeals")),
    )
    op.create_index("ix_case_appeals_case_id", "case_appeals", ["case_id"], unique=False)
    op.create_index(
        "ix_case_appeals_waiting",
        "case_appeals",
        ["case_id"],
        unique=True,
        sqlite_where=sa.text("state = 'waiting'"),
        postgresql_where=sa.text("state = 'waiting'"),
    )
    op.create_table(
        "case_orders",
        sa.Column("id", ID, nullable=False),
        sa.Column("case_id", ID, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("verdict", ID, nullable=False),
        sa.Column("approved_by", sa.LargeBinary(), nullable=False),
        sa.Column("done_at", sa.BigInteger(), nullable=True),
        sa.Column("result", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_case_orders")),
    )
    op.create_index("ix_case_orders_case_id", "case_orders", ["case_id"], unique=False)
    op.create_index(
        "ix_case_orders_undone",
        "case_orders",
        ["at"],
        unique=False,
        sqlite_where=sa.text("done_at IS NULL"),
        postgresql_where=sa.text("done_at IS NULL"),
    )
    op.create_table(
        "case_reviews",
        sa.Column("id", ID, nullable=False),
        sa.Column("case_id", ID, nullable=False),
        sa.Column("verdict", ID, nullable=False),
        sa.Column("first_by", sa.Text(), nullable=False),
        sa.Column("first_finding", sa.Text(), nullable=False),
        sa.Column("drawn_at", sa.BigInteger(), nullable=False),
        sa.Column("by", sa.Text(), nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=True),
        sa.Column("held_by", sa.Text(), nullable=True),
        sa.Column("held_until", sa.BigInteger(), nullable=True),
        sa.Column("finding", sa.Text(), nullable=True),
        sa.Column("reason", sa.LargeBinary(), nullable=True),
        sa.Column("agrees", sa.Boolean(), nullable=True),
        sa.Column("settled_by", sa.Text(), nullable=True),
        sa.Column("settled_at", sa.BigInteger(), nullable=True),
        sa.Column("settled", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_case_reviews")),
    )
    op.create_index("ix_case_reviews_at", "case_reviews", ["at"], unique=False)
    op.create_index("ix_case_reviews_case_id", "case_reviews", ["case_id"], unique=False)
    op.create_index(
        "ix_case_reviews_unsettled",
        "case_reviews",
        ["at"],
        unique=False,
        sqlite_where=sa.text("at IS NOT NULL AND settled_at IS NULL"),
        postgresql_where=sa.text("at IS NOT NULL AND settled_at IS NULL"),
    )
    op.create_index(
        "ix_case_reviews_waiting",
        "case_reviews",
        ["drawn_at"],
        unique=False,
        sqlite_where=sa.text("at IS NULL"),
        postgresql_where=sa.text("at IS NULL"),
    )
    op.create_table(
        "case_findings",
        sa.Column("case_id", ID, nullable=False),
        sa.Column("detector", ID, nullable=False),
        sa.Column("harm", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("finding", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("case_id", "detector", "harm", name=op.f("pk_case_findings")),
    )
    op.create_index("ix_case_findings_at", "case_findings", ["at"], unique=False)
    op.create_table(
        "case_views",
        sa.Column("id", ID, nullable=False),
        sa.Column("case_id", ID, nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("whole", sa.Boolean(), nullable=False),
        sa.Column("blurred", sa.Boolean(), nullable=False),
        sa.Column("greyscale", sa.Boolean(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("reason", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_case_views")),
    )
    op.create_index("ix_case_views_case_id", "case_views", ["case_id"], unique=False)
    op.create_table(
        "case_reads",
        sa.Column("case_id", ID, nullable=False),
        sa.Column("conversation", ID, nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("case_id", "conversation", name=op.f("pk_case_reads")),
    )
    op.create_table(
        "case_exposure",
        sa.Column("day", sa.Text(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("since_break", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("day", "person", "severity", name=op.f("pk_case_exposure")),
    )
    op.create_table(
        "case_breaks",
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("person", name=op.f("pk_case_breaks")),
    )
    op.create_table(
        "case_seen",
        sa.Column("day", sa.Text(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("case_id", ID, nullable=False),
        sa.PrimaryKeyConstraint("day", "person", "case_id", name=op.f("pk_case_seen")),
    )
    op.create_table(
        "user_reports",
        sa.Column("id", ID, nullable=False),
        sa.Column("code_mac", sa.LargeBinary(), nullable=False),
        sa.Column("once_mac", sa.LargeBinary(), nullable=False),
        sa.Column("body_mac", sa.LargeBinary(), nullable=False),
        sa.Column("about_mac", sa.LargeBinary(), nullable=False),
        sa.Column("reporter_mac", sa.LargeBinary(), nullable=True),
        sa.Column("case_id", ID, nullable=False),
        sa.Column("event_id", ID, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("anonymous", sa.Boolean(), nullable=False),
        sa.Column("verified", sa.Boolean(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("collapsed", ID, nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.Column("keep_until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_user_reports")),
    )
    op.create_index("ix_user_reports_about_mac", "user_reports", ["about_mac"], unique=False)
    op.create_index("ix_user_reports_at", "user_reports", ["at"], unique=False)
    op.create_index("ix_user_reports_case_id", "user_reports", ["case_id"], unique=False)
    op.create_index("ix_user_reports_code_mac", "user_reports", ["code_mac"], unique=True)
    op.create_index(
        "ix_user_reports_collapsed",
        "user_reports",
        ["collapsed"],
        unique=False,
        sqlite_where=sa.text("collapsed IS NOT NULL"),
        postgresql_where=sa.text("collapsed IS NOT NULL"),
    )
    op.create_index("ix_user_reports_keep_until", "user_reports", ["keep_until"], unique=False)
    op.create_index("ix_user_reports_once_mac", "user_reports", ["once_mac"], unique=True)
