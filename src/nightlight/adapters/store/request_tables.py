"""What authorities asked for, and notices to hosts. In the same metadata as `tables`; what is said in them is sealed."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, LargeBinary, Table, Text, text

from nightlight.adapters.store.tables import Id, metadata

_ACTIVE = text("state = 'active'")
_UNENDED = text("ended_at IS NULL")

preservations = Table(
    "preservations",
    metadata,
    Column("id", Id, primary_key=True, nullable=False),
    Column("case_id", Id, nullable=True),
    Column("account", Id, nullable=True),
    Column("state", Text, nullable=False),
    Column("until", BigInteger, nullable=False),
    Column("ended_at", BigInteger, nullable=True),
    # Keyed hash of who asked for what with which reference: told twice, it is one.
    Column("once_mac", LargeBinary, nullable=False),
    # `core.requests.Preservation`, sealed with context `preservation:<id>`.
    Column("sealed", LargeBinary, nullable=False),
    Index("ix_preservations_once_mac", "once_mac", unique=True, sqlite_where=_ACTIVE, postgresql_where=_ACTIVE),
    Index("ix_preservations_case_id", "case_id", sqlite_where=_ACTIVE, postgresql_where=_ACTIVE),
    Index("ix_preservations_account", "account", sqlite_where=_ACTIVE, postgresql_where=_ACTIVE),
)

emergencies = Table(
    "emergencies",
    metadata,
    Column("id", Id, primary_key=True, nullable=False),
    Column("case_id", Id, nullable=True),
    Column("account", Id, nullable=True),
    Column("state", Text, nullable=False),
    Column("due_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger, nullable=True),
    # `core.requests.Emergency`, sealed with context `emergency:<id>`.
    Column("sealed", LargeBinary, nullable=False),
    Index("ix_emergencies_waiting", "due_at", sqlite_where=_UNENDED, postgresql_where=_UNENDED),
    Index("ix_emergencies_case_id", "case_id"),
)

host_notices = Table(
    "host_notices",
    metadata,
    Column("id", Id, primary_key=True, nullable=False),
    Column("case_id", Id, nullable=False),
    Column("state", Text, nullable=False),
    Column("due_at", BigInteger, nullable=True),
    Column("ended_at", BigInteger, nullable=True),
    # `core.notices.HostNotice`, sealed with context `notice:<id>`.
    Column("sealed", LargeBinary, nullable=False),
    Index("ix_host_notices_case_id", "case_id"),
    Index("ix_host_notices_due", "due_at", sqlite_where=_UNENDED, postgresql_where=_UNENDED),
)
