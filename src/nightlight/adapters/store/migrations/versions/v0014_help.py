"""What is kept because somebody asked for help."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

ID = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "help_keeps",
        sa.Column("id", ID, nullable=False),
        sa.Column("token_mac", sa.LargeBinary(), nullable=False),
        sa.Column("account_mac", sa.LargeBinary(), nullable=False),
        sa.Column("conversation", ID, nullable=False),
        sa.Column("first_seq", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("keep_until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_help_keeps")),
    )
    op.create_index("ix_help_keeps_token_mac", "help_keeps", ["token_mac"], unique=True)
    op.create_index("ix_help_keeps_account_mac", "help_keeps", ["account_mac"], unique=False)
    op.create_index("ix_help_keeps_conversation", "help_keeps", ["conversation"], unique=False)
    op.create_index("ix_help_keeps_keep_until", "help_keeps", ["keep_until"], unique=False)
