"""Limits are of several kinds, begin when they say, and name the children whom they are about."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

ID = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """The key grows by a column, so the table is made anew on every database: it holds days of limits, not years of events."""
    op.rename_table("limits", "limits_0004")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER INDEX pk_limits RENAME TO pk_limits_0004")
    op.create_table(
        "limits",
        sa.Column("account", ID, nullable=False),
        sa.Column("event_id", ID, nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("lifted_by", sa.Text(), nullable=True),
        sa.Column("reviewed", sa.Boolean(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=True),
        sa.Column("protects", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("account", "event_id", "kind", name=op.f("pk_limits")),
    )
    nobody = {"sqlite": "x'90'"}.get(op.get_bind().dialect.name, "'\\x90'")  # an empty list, packed
    old = "account, event_id, until, rule, lifted_by, reviewed"
    op.execute(f"INSERT INTO limits ({old}, kind, protects) SELECT {old}, 'contact', {nobody} FROM limits_0004")  # noqa: S608 - constant
    op.drop_table("limits_0004")
