"""Tables of the reviewers' accounts."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, LargeBinary, Table, Text

from nightlight.adapters.store.tables import Id, metadata

reviewers = Table(
    "reviewers",
    metadata,
    Column("id", Id, primary_key=True, nullable=False),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    # Argon2id in its own notation, with parameters and salt; null until they enrolled.
    Column("password", Text, nullable=True),
    # The authenticator's key, sealed with context `reviewer:<id>`.
    Column("totp_key", LargeBinary, nullable=True),
    # The last step of 30 s that was used: none at or before it is taken again.
    Column("totp_step", BigInteger, nullable=False),
    Column("enrol_mac", LargeBinary, nullable=True),
    Column("enrol_until", BigInteger, nullable=True),
    Column("disabled", Boolean, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    # Keyed hash of issuer and subject, of people who sign in at an identity provider; null: with a password here.
    Column("subject_mac", LargeBinary, nullable=True),
    Index("ix_reviewers_subject_mac", "subject_mac", unique=True),
)

recovery_codes = Table(
    "reviewer_recovery_codes",
    metadata,
    Column("reviewer", Id, primary_key=True, nullable=False),
    Column("code_mac", LargeBinary, primary_key=True, nullable=False),
)

sessions = Table(
    "reviewer_sessions",
    metadata,
    Column("id", Id, primary_key=True, nullable=False),
    # Keyed hash of the cookie's secret.
    Column("secret_mac", LargeBinary, nullable=False),
    Column("reviewer", Id, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("seen_at", BigInteger, nullable=False),
    Column("browser", Text, nullable=False),
    Index("ix_reviewer_sessions_secret_mac", "secret_mac", unique=True),
    Index("ix_reviewer_sessions_reviewer", "reviewer"),
)
