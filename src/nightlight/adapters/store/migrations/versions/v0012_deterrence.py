"""Deterrence: restricted terms as keyed hashes, counts of searches, trials of messages."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

ID = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "term_lists",
        sa.Column("name", ID, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_term_lists")),
    )
    op.create_table(
        "term_versions",
        sa.Column("list", ID, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("terms", sa.Integer(), nullable=False),
        sa.Column("longest", sa.Integer(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("list", "version", name=op.f("pk_term_versions")),
    )
    op.create_table(
        "term_macs",
        sa.Column("list", ID, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("category", ID, nullable=False),
        sa.Column("mac", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("list", "version", "category", "mac", name=op.f("pk_term_macs")),
    )
    op.create_table(
        "search_counts",
        sa.Column("day", ID, nullable=False),
        sa.Column("list", ID, nullable=False),
        sa.Column("category", ID, nullable=False),
        sa.Column("action", ID, nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("day", "list", "category", "action", name=op.f("pk_search_counts")),
    )
    op.create_table(
        "trials",
        sa.Column("name", ID, nullable=False),
        sa.Column("category", ID, nullable=False),
        sa.Column("variants", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("baseline", sa.Float(), nullable=False),
        sa.Column("effect", sa.Float(), nullable=False),
        sa.Column("alpha", sa.Float(), nullable=False),
        sa.Column("power", sa.Float(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("stopped_at", sa.BigInteger(), nullable=True),
        sa.Column("stopped_by", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_trials")),
    )
    op.create_table(
        "trial_counts",
        sa.Column("trial", ID, nullable=False),
        sa.Column("variant", sa.Integer(), nullable=False),
        sa.Column("what", ID, nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("trial", "variant", "what", name=op.f("pk_trial_counts")),
    )
    op.create_table(
        "trial_displays",
        sa.Column("mac", sa.LargeBinary(), nullable=False),
        sa.Column("trial", ID, nullable=False),
        sa.Column("variant", sa.Integer(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("mac", name=op.f("pk_trial_displays")),
    )
    op.create_index("ix_trial_displays_expires_at", "trial_displays", ["expires_at"], unique=False)
