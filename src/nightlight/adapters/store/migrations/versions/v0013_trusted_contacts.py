"""Trusted contacts, and the codes by which two people become them."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

ID = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
SERIAL = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "trusted_contacts",
        sa.Column("first", ID, nullable=False),
        sa.Column("second", ID, nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("first", "second", name=op.f("pk_trusted_contacts")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_trusted_contacts_second", "trusted_contacts", ["second"])
    op.create_table(
        "pairing_offers",
        sa.Column("account", ID, nullable=False),
        sa.Column("code_mac", sa.LargeBinary(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account", name=op.f("pk_pairing_offers")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_pairing_offers_code_mac", "pairing_offers", ["code_mac"], unique=True)
    op.create_index("ix_pairing_offers_expires_at", "pairing_offers", ["expires_at"])
    op.create_table(
        "pairing_tries",
        sa.Column("seq", SERIAL, nullable=False),
        sa.Column("account", ID, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_pairing_tries")),
    )
    op.create_index("ix_pairing_tries_account", "pairing_tries", ["account", "kind", "at"])
    op.create_index("ix_pairing_tries_at", "pairing_tries", ["at"])
