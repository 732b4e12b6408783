"""Accounts of reviewers, and their sessions."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

ID = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "reviewers",
        sa.Column("id", ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("password", sa.Text(), nullable=True),
        sa.Column("totp_key", sa.LargeBinary(), nullable=True),
        sa.Column("totp_step", sa.BigInteger(), nullable=False),
        sa.Column("enrol_mac", sa.LargeBinary(), nullable=True),
        sa.Column("enrol_until", sa.BigInteger(), nullable=True),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reviewers")),
    )
    op.create_table(
        "reviewer_recovery_codes",
        sa.Column("reviewer", ID, nullable=False),
        sa.Column("code_mac", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("reviewer", "code_mac", name=op.f("pk_reviewer_recovery_codes")),
    )
    op.create_table(
        "reviewer_sessions",
        sa.Column("id", ID, nullable=False),
        sa.Column("secret_mac", sa.LargeBinary(), nullable=False),
        sa.Column("reviewer", ID, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.Column("browser", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reviewer_sessions")),
    )
    op.create_index("ix_reviewer_sessions_secret_mac", "reviewer_sessions", ["secret_mac"], unique=True)
    op.create_index("ix_reviewer_sessions_reviewer", "reviewer_sessions", ["reviewer"], unique=False)
