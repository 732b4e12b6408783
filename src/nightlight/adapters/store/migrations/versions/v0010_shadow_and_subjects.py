"""What shadow decided, the latest first; and people who sign in at an identity provider."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

SHADOW = sa.text("mode = 'shadow'")


def upgrade() -> None:
    op.create_index("ix_decisions_shadow", "decisions", ["at"], unique=False, sqlite_where=SHADOW, postgresql_where=SHADOW)
    op.add_column("reviewers", sa.Column("subject_mac", sa.LargeBinary(), nullable=True))
    op.create_table(
        "reviewer_arrivals",
        sa.Column("state_mac", sa.LargeBinary(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("state_mac", name=op.f("pk_reviewer_arrivals")),
    )
    op.create_index("ix_reviewers_subject_mac", "reviewers", ["subject_mac"], unique=True)
