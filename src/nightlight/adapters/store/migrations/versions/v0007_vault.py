"""The vault, and real identities."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

ID = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "vault_cases",
        sa.Column("id", ID, nullable=False),
        sa.Column("wrapper", sa.Text(), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("items", sa.BigInteger(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("chain", sa.LargeBinary(), nullable=False),
        sa.Column("keep_until", sa.BigInteger(), nullable=False),
        sa.Column("facts", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("mac", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_vault_cases")),
    )
    op.create_index("ix_vault_cases_keep_until", "vault_cases", ["keep_until"], unique=False)
    op.create_table(
        "vault_items",
        sa.Column("case_id", ID, nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", ID, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("event_id", ID, nullable=True),
        sa.Column("commitment", sa.LargeBinary(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("parts", sa.BigInteger(), nullable=False),
        sa.Column("added_at", sa.BigInteger(), nullable=False),
        sa.Column("added_by", sa.Text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("mac", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("case_id", "number", name=op.f("pk_vault_items")),
    )
    op.create_index("ix_vault_items_id", "vault_items", ["id"], unique=True)
    op.create_index("ix_vault_items_event_id", "vault_items", ["event_id"], unique=False)
    op.create_index("ix_vault_items_commitment", "vault_items", ["case_id", "commitment"], unique=False)
    op.create_table(
        "vault_parts",
        sa.Column("item_id", ID, nullable=False),
        sa.Column("part", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("case_id", ID, nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("item_id", "part", name=op.f("pk_vault_parts")),
    )
    op.create_index("ix_vault_parts_case_id", "vault_parts", ["case_id"], unique=False)
    op.create_table(
        "vault_pending",
        sa.Column("case_id", ID, nullable=False),
        sa.Column("event_id", ID, nullable=False),
        sa.Column("stage", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("case_id", "event_id", name=op.f("pk_vault_pending")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_vault_pending_event_id", "vault_pending", ["event_id"], unique=False)
    op.create_table(
        "vault_destructions",
        sa.Column("case_id", ID, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("mac", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("case_id", name=op.f("pk_vault_destructions")),
    )
    op.create_table(
        "identities",
        sa.Column("account", ID, nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("account", name=op.f("pk_identities")),
    )
    # Cases that were open before there was a vault: their evidence moves into it as well.
    op.execute(
        "INSERT INTO vault_pending (case_id, event_id, stage) SELECT l.case_id, l.event_id, 0 "
        "FROM case_events l JOIN cases c ON c.id = l.case_id WHERE c.state NOT IN ('filed', 'declined', 'closed')"
    )
