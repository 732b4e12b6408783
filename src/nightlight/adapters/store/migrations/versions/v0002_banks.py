"""Banks say what a match may do, how far it reaches and when it ends; versions to go back to, and people's verdicts."""

import json
import time
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ID = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
SETTINGS = {"action": "block", "kinds": [], "thresholds": {}, "share": 1.0, "authority": False, "expires_after_days": None}
DAY = 86_400_000_000


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        _rebuild()
    else:
        _extend()
    op.create_index("ix_bank_items_source", "bank_items", ["bank", "source"], **_partial("source IS NOT NULL"))
    op.create_index("ix_bank_items_version", "bank_items", ["bank", "version"])
    op.create_index("ix_bank_items_expires_at", "bank_items", ["expires_at"], **_partial("expires_at IS NOT NULL"))
    op.create_index("ix_bank_items_created_at", "bank_items", ["bank", "created_at"], **_partial("expires_at IS NULL"))
    op.create_index("ix_bank_items_derived_from", "bank_items", ["bank", "derived_from"], **_partial("derived_from IS NOT NULL"))
    op.create_index("ix_bank_items_paused_at", "bank_items", ["bank", "paused_at"], **_partial("paused_at IS NOT NULL"))
    _new_tables()
    _first_versions()
    _propose_again()


def _bank_columns(defaults: bool) -> list[sa.Column[Any]]:
    def given(value: Any) -> Any:
        return value if defaults else None

    return [
        sa.Column("action", sa.Text(), nullable=False, server_default=given("block")),
        sa.Column("kinds", sa.LargeBinary(), nullable=False, server_default=given(sa.text("'\\x90'"))),
        sa.Column("thresholds", sa.LargeBinary(), nullable=False, server_default=given(sa.text("'\\x80'"))),
        sa.Column("share", sa.Float(), nullable=False, server_default=given("1.0")),
        sa.Column("authority", sa.Boolean(), nullable=False, server_default=given(sa.false())),
        sa.Column("expires_after_days", sa.Integer(), nullable=True),
        sa.Column("version", sa.BigInteger(), nullable=False, server_default=given("0")),
    ]


def _item_columns(defaults: bool) -> list[sa.Column[Any]]:
    def given(value: Any) -> Any:
        return value if defaults else None

    return [
        sa.Column("category", sa.Text(), nullable=True),
        sa.Column("generated", sa.Boolean(), nullable=True),
        sa.Column("provenance", sa.LargeBinary(), nullable=False, server_default=given(sa.text("''"))),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("derived_from", ID, nullable=True),
        sa.Column("paused_at", sa.BigInteger(), nullable=True),
        sa.Column("proposed_by", sa.Text(), nullable=True),
        sa.Column("approved_by", sa.Text(), nullable=True),
        sa.Column("overrides_authority", sa.Boolean(), nullable=False, server_default=given(sa.false())),
        sa.Column("version", sa.BigInteger(), nullable=False, server_default=given("0")),
    ]


def _old_item_columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("labels", sa.LargeBinary(), nullable=False),
        sa.Column("source", sa.Text(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
    ]


def _extend() -> None:
    """PostgreSQL: columns are added, with a default for the rows that are there and for no others."""
    for table, columns in (("banks", _bank_columns(True)), ("bank_items", _item_columns(True))):
        for column in columns:
            had_default = column.server_default is not None
            op.add_column(table, column)
            if had_default:
                op.alter_column(table, column.name, server_default=None)


def _rebuild() -> None:
    """SQLite: a table is made anew and filled from the old one, so that it is the same as in a database that begins with this step."""
    op.rename_table("bank_items", "bank_items_0001")
    op.rename_table("banks", "banks_0001")
    op.create_table(
        "banks",
        sa.Column("name", ID, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("threshold", sa.Integer(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        *_bank_columns(False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_banks")),
    )
    op.create_table(
        "bank_items",
        sa.Column("bank", ID, nullable=False),
        sa.Column("id", ID, nullable=False),
        *_old_item_columns(),
        *_item_columns(False),
        sa.ForeignKeyConstraint(["bank"], ["banks.name"], name=op.f("fk_bank_items_bank")),
        sa.PrimaryKeyConstraint("bank", "id", name=op.f("pk_bank_items")),
    )
    op.execute(
        "INSERT INTO banks (name, kind, threshold, enabled, note, created_at, action, kinds, thresholds, share, authority, version) "
        "SELECT name, kind, threshold, enabled, note, created_at, 'block', x'90', x'80', 1.0, 0, 0 FROM banks_0001"
    )
    op.execute(
        "INSERT INTO bank_items (bank, id, sealed, enabled, labels, source, created_at, provenance, overrides_authority, version) "
        "SELECT bank, id, sealed, enabled, labels, source, created_at, x'', 0, 0 FROM bank_items_0001"
    )
    op.drop_table("bank_items_0001")
    op.drop_table("banks_0001")


def _new_tables() -> None:
    op.create_table(
        "bank_history",
        sa.Column("bank", ID, nullable=False),
        sa.Column("id", ID, nullable=False),
        sa.Column("until", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("superseded_at", sa.BigInteger(), nullable=False),
        *_old_item_columns(),
        *_item_columns(False),
        sa.PrimaryKeyConstraint("bank", "id", "until", name=op.f("pk_bank_history")),
    )
    op.create_index("ix_bank_history_until", "bank_history", ["bank", "until"])
    op.create_index("ix_bank_history_superseded_at", "bank_history", ["superseded_at"])
    op.create_table(
        "bank_versions",
        sa.Column("bank", ID, nullable=False),
        sa.Column("version", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("added", sa.BigInteger(), nullable=False),
        sa.Column("changed", sa.BigInteger(), nullable=False),
        sa.Column("removed", sa.BigInteger(), nullable=False),
        sa.Column("settings", sa.Text(), nullable=False),
        sa.Column("superseded_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("bank", "version", name=op.f("pk_bank_versions")),
    )
    op.create_index("ix_bank_versions_superseded_at", "bank_versions", ["superseded_at"], **_partial("superseded_at IS NOT NULL"))
    op.create_table(
        "bank_verdicts",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("bank", ID, nullable=False),
        sa.Column("item", ID, nullable=False),
        sa.Column("source", sa.Text(), nullable=True),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("confirm", sa.Boolean(), nullable=False),
        sa.Column("note", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("replaced_at", sa.BigInteger(), nullable=True),
        sa.Column("sent_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bank_verdicts")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_bank_verdicts_item", "bank_verdicts", ["bank", "item"])
    op.create_index("ix_bank_verdicts_unsent", "bank_verdicts", ["bank", "id"], **_partial("sent_at IS NULL AND replaced_at IS NULL"))
    op.create_index("ix_bank_verdicts_at", "bank_verdicts", ["at"])


def _first_versions() -> None:
    """Banks that are there get a version to go back to."""
    bind = op.get_bind()
    for name, threshold, enabled, note, at in bind.execute(sa.text("SELECT name, threshold, enabled, note, created_at FROM banks")).all():
        settings = json.dumps({"threshold": threshold, "enabled": bool(enabled), "note": note, **SETTINGS})
        bind.execute(
            sa.text(
                "INSERT INTO bank_versions (bank, version, at, by, what, added, changed, removed, settings) "
                "VALUES (:bank, 0, :at, 'upgrade', 'bank.create', 0, 0, 0, :settings)"
            ),
            {"bank": name, "at": at, "settings": settings},
        )


def _propose_again() -> None:
    """Entries of negative banks need two people from now on: those that one made are proposals until a second approves them."""
    bind = op.get_bind()
    these = "bank IN (SELECT name FROM banks WHERE kind = 'negative')"
    until = time.time_ns() // 1000 + 365 * DAY
    bind.execute(
        sa.text(f"UPDATE bank_items SET enabled = :off, proposed_by = 'upgrade', expires_at = :until WHERE {these}"),  # noqa: S608 - constant
        {"off": False, "until": until},
    )
    bind.execute(sa.text(f"INSERT INTO bank_changes (bank, item) SELECT bank, id FROM bank_items WHERE {these}"))  # noqa: S608 - constant


def _partial(where: str) -> dict[str, Any]:
    return {"sqlite_where": sa.text(where), "postgresql_where": sa.text(where)}
