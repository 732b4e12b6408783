"""Preservation and emergency requests of authorities, and notices to hosts."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

ID = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
ACTIVE = sa.text("state = 'active'")
UNENDED = sa.text("ended_at IS NULL")


def upgrade() -> None:
    op.create_table(
        "preservations",
        sa.Column("id", ID, nullable=False),
        sa.Column("case_id", ID, nullable=True),
        sa.Column("account", ID, nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("once_mac", sa.LargeBinary(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_preservations")),
    )
    for name, unique in (("once_mac", True), ("case_id", False), ("account", False)):
        op.create_index(f"ix_preservations_{name}", "preservations", [name], unique=unique, sqlite_where=ACTIVE, postgresql_where=ACTIVE)
    op.create_table(
        "emergencies",
        sa.Column("id", ID, nullable=False),
        sa.Column("case_id", ID, nullable=True),
        sa.Column("account", ID, nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_emergencies")),
    )
    op.create_index("ix_emergencies_waiting", "emergencies", ["due_at"], unique=False, sqlite_where=UNENDED, postgresql_where=UNENDED)
    op.create_index("ix_emergencies_case_id", "emergencies", ["case_id"], unique=False)
    op.create_table(
        "host_notices",
        sa.Column("id", ID, nullable=False),
        sa.Column("case_id", ID, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_host_notices")),
    )
    op.create_index("ix_host_notices_case_id", "host_notices", ["case_id"], unique=False)
    op.create_index("ix_host_notices_due", "host_notices", ["due_at"], unique=False, sqlite_where=UNENDED, postgresql_where=UNENDED)
