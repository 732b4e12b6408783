"""Tables of deterrence: restricted terms as keyed hashes, counts, and trials. None holds who searched, or what for."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, Index, Integer, LargeBinary, Table, Text

from nightlight.adapters.store.tables import Id, metadata

term_lists = Table(
    "term_lists",
    metadata,
    Column("name", Id, primary_key=True, nullable=False),
    # The version in force.
    Column("version", Integer, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
)

term_versions = Table(
    "term_versions",
    metadata,
    Column("list", Id, primary_key=True, nullable=False),
    Column("version", Integer, primary_key=True, nullable=False),
    Column("terms", Integer, nullable=False),
    # Words of the longest term.
    Column("longest", Integer, nullable=False),
    Column("expires_at", BigInteger, nullable=True),
    Column("created_at", BigInteger, nullable=False),
    Column("created_by", Text, nullable=False),
)

term_macs = Table(
    "term_macs",
    metadata,
    Column("list", Id, primary_key=True, nullable=False),
    Column("version", Integer, primary_key=True, nullable=False),
    Column("category", Id, primary_key=True, nullable=False),
    Column("mac", LargeBinary, primary_key=True, nullable=False),
)

search_counts = Table(
    "search_counts",
    metadata,
    # Such as 2026-03-01: nothing finer, since a time of day would tell who it was.
    Column("day", Id, primary_key=True, nullable=False),
    Column("list", Id, primary_key=True, nullable=False),
    Column("category", Id, primary_key=True, nullable=False),
    Column("action", Id, primary_key=True, nullable=False),
    Column("count", BigInteger, nullable=False),
)

trials = Table(
    "trials",
    metadata,
    Column("name", Id, primary_key=True, nullable=False),
    Column("category", Id, nullable=False),
    # JSON, in order.
    Column("variants", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("baseline", Float, nullable=False),
    Column("effect", Float, nullable=False),
    Column("alpha", Float, nullable=False),
    Column("power", Float, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("stopped_at", BigInteger, nullable=True),
    Column("stopped_by", Text, nullable=True),
)

trial_counts = Table(
    "trial_counts",
    metadata,
    Column("trial", Id, primary_key=True, nullable=False),
    Column("variant", Integer, primary_key=True, nullable=False),
    # `shown`, or an outcome.
    Column("what", Id, primary_key=True, nullable=False),
    Column("count", BigInteger, nullable=False),
)

trial_displays = Table(
    "trial_displays",
    metadata,
    # Of the token; gone with the outcome.
    Column("mac", LargeBinary, primary_key=True, nullable=False),
    Column("trial", Id, nullable=False),
    Column("variant", Integer, nullable=False),
    # To the hour.
    Column("expires_at", BigInteger, nullable=False),
    Index("ix_trial_displays_expires_at", "expires_at"),
)
