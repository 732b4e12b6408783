"""The tables of the vault and of identities. They share the metadata of `tables`."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, Table, Text

from nightlight.adapters.store.tables import Id, metadata

vault_cases = Table(
    "vault_cases",
    metadata,
    Column("id", Id, primary_key=True, nullable=False),
    # Which wrapping key wrapped the case key, and the case key so wrapped. Not under the mac: rotation changes nothing else.
    Column("wrapper", Text, nullable=False),
    Column("wrapped", LargeBinary, nullable=False),
    Column("opened_at", BigInteger, nullable=False),
    Column("items", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    # The mac of the last item, so that none can be taken away or put in between.
    Column("chain", LargeBinary, nullable=False),
    Column("keep_until", BigInteger, nullable=False),
    # Holds, clocks, places and accounts, packed.
    Column("facts", LargeBinary, nullable=False),
    Column("state", Text, nullable=False),
    # Over every column but the wrapped key; the audit chain has it as well.
    Column("mac", LargeBinary, nullable=False),
    Index("ix_vault_cases_keep_until", "keep_until"),
)

vault_items = Table(
    "vault_items",
    metadata,
    Column("case_id", Id, primary_key=True, nullable=False),
    Column("number", BigInteger, primary_key=True, autoincrement=False, nullable=False),
    Column("id", Id, nullable=False),
    Column("kind", Text, nullable=False),
    Column("event_id", Id, nullable=True),
    # Keyed mac of the content's SHA-256: the hash itself would let somebody guess a short message.
    Column("commitment", LargeBinary, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("parts", BigInteger, nullable=False),
    Column("added_at", BigInteger, nullable=False),
    Column("added_by", Text, nullable=False),
    # SHA-256, type and name, under the case key.
    Column("sealed", LargeBinary, nullable=False),
    Column("mac", LargeBinary, nullable=False),
    Index("ix_vault_items_id", "id", unique=True),
    Index("ix_vault_items_event_id", "event_id"),
    Index("ix_vault_items_commitment", "case_id", "commitment"),
)

# Content in parts of at most 1 MiB. A part whose item is not there belongs to a write that is under way or was cut off.
vault_parts = Table(
    "vault_parts",
    metadata,
    Column("item_id", Id, primary_key=True, nullable=False),
    Column("part", BigInteger, primary_key=True, autoincrement=False, nullable=False),
    Column("case_id", Id, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Index("ix_vault_parts_case_id", "case_id"),
)

# Written in the transaction that links an event to a case, so that no crash can lose what is to be kept.
vault_pending = Table(
    "vault_pending",
    metadata,
    Column("case_id", Id, primary_key=True, nullable=False),
    Column("event_id", Id, primary_key=True, nullable=False),
    # 0: the event and what came before it. 1: what came after it, a while later.
    Column("stage", Integer, nullable=False),
    Index("ix_vault_pending_event_id", "event_id"),
    sqlite_with_rowid=False,
)

vault_destructions = Table(
    "vault_destructions",
    metadata,
    Column("case_id", Id, primary_key=True, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("mac", LargeBinary, nullable=False),
)

# Who somebody is outside the service. Opened only while a report is drafted.
identities = Table(
    "identities",
    metadata,
    Column("account", Id, primary_key=True, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
)
