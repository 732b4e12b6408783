"""What is kept because somebody asked for help. In the same metadata as `tables`."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, LargeBinary, Table, exists, select
from sqlalchemy.sql.elements import ColumnElement

from nightlight.adapters.store.tables import Id, events, metadata

help_keeps = Table(
    "help_keeps",
    metadata,
    Column("id", Id, primary_key=True, nullable=False),
    # Of the token, so that each keeps once.
    Column("token_mac", LargeBinary, nullable=False),
    # Of whoever asked, so that their own erasure finds the row. Nothing else says who it was.
    Column("account_mac", LargeBinary, nullable=False),
    Column("conversation", Id, nullable=False),
    # Messages from this one on are kept: the latest of a conversation, not years of it.
    Column("first_seq", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("keep_until", BigInteger, nullable=False),
    Index("ix_help_keeps_token_mac", "token_mac", unique=True),
    Index("ix_help_keeps_account_mac", "account_mac"),
    Index("ix_help_keeps_conversation", "conversation"),
    Index("ix_help_keeps_keep_until", "keep_until"),
)


def kept_for_help() -> ColumnElement[bool]:
    """Of a row of `events`: somebody in that conversation asked for help a short while ago."""
    h = help_keeps.c
    return exists(select(h.id).where(h.conversation == events.c.conversation, h.first_seq <= events.c.seq))
