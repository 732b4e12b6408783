"""Tables of trusted contacts. Accounts are pseudonyms."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ColumnElement, Index, LargeBinary, Table, Text, or_

from nightlight.adapters.store.tables import Id, Serial, metadata

trusted_contacts = Table(
    "trusted_contacts",
    metadata,
    # Bytewise the smaller of the two comes first: a pair is one row.
    Column("first", Id, primary_key=True, nullable=False),
    Column("second", Id, primary_key=True, nullable=False),
    Column("since", BigInteger, nullable=False),
    Index("ix_trusted_contacts_second", "second"),
    sqlite_with_rowid=False,
)

pairing_offers = Table(
    "pairing_offers",
    metadata,
    Column("account", Id, primary_key=True, nullable=False),
    # Keyed hash of the code.
    Column("code_mac", LargeBinary, nullable=False),
    # Who offered, in the service's own words: sealed with context `pairing:<pseudonym>`.
    Column("sealed", LargeBinary, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Index("ix_pairing_offers_code_mac", "code_mac", unique=True),
    Index("ix_pairing_offers_expires_at", "expires_at"),
    sqlite_with_rowid=False,
)

pairing_tries = Table(
    "pairing_tries",
    metadata,
    Column("seq", Serial, primary_key=True),
    Column("account", Id, nullable=False),
    # `offer` or `wrong`.
    Column("kind", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Index("ix_pairing_tries_account", "account", "kind", "at"),
    Index("ix_pairing_tries_at", "at"),
)


def of_trust(account: str) -> tuple[tuple[Table, ColumnElement[bool]], ...]:
    """The rows that concern one account, table by table; those of `trusted_contacts` first."""
    t = trusted_contacts.c
    return (
        (trusted_contacts, or_(t.first == account, t.second == account)),
        (pairing_offers, pairing_offers.c.account == account),
        (pairing_tries, pairing_tries.c.account == account),
    )
