"""Pictures that young people reported themselves."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

ID = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "self_reports",
        sa.Column("id", ID, nullable=False),
        sa.Column("code_mac", sa.LargeBinary(), nullable=False),
        sa.Column("once_mac", sa.LargeBinary(), nullable=False),
        sa.Column("body_mac", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("ready", sa.Boolean(), nullable=False),
        sa.Column("pictures", sa.Integer(), nullable=False),
        sa.Column("kept", sa.Boolean(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_self_reports")),
    )
    op.create_index("ix_self_reports_code_mac", "self_reports", ["code_mac"], unique=True)
    op.create_index("ix_self_reports_once_mac", "self_reports", ["once_mac"], unique=True)
    op.create_index("ix_self_reports_created_at", "self_reports", ["created_at"], unique=False)
    op.create_index("ix_self_reports_expires_at", "self_reports", ["expires_at"], unique=False)
