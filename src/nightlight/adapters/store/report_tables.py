"""Reports on their way to an authority, and every step of it."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, Table, Text, text

from nightlight.adapters.store.tables import Id, Serial, metadata

_LIVE = text("state <> 'retracted'")

reports = Table(
    "reports",
    metadata,
    Column("id", Id, primary_key=True, nullable=False),
    Column("case_id", Id, nullable=False),
    Column("authority", Text, nullable=False),
    Column("place", Text, nullable=False),
    Column("about", Id, nullable=True),
    # The report that this one corrects; empty for the first of a case, so that the index below holds there may be one only.
    Column("corrects", Id, nullable=False),
    Column("state", Text, nullable=False),
    Column("wanted", Text, nullable=False),
    # A run would do something for it, now or later.
    Column("moving", Boolean, nullable=False),
    Column("authority_id", Text, nullable=True),
    Column("due_at", BigInteger, nullable=True),
    # The fence: the number of the run that may write, and until when it may without saying that it still does.
    Column("run", Integer, nullable=False),
    Column("lease_by", Text, nullable=True),
    Column("lease_until", BigInteger, nullable=True),
    # `core.filing.Filing`: no content.
    Column("filing", LargeBinary, nullable=False),
    # `core.draft.Draft`, sealed with context `report:<id>:draft`: names, addresses, what was written.
    Column("draft", LargeBinary, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    # Two reports of one case would both be filed.
    Index("ix_reports_one", "case_id", "authority", "place", "corrects", unique=True, sqlite_where=_LIVE, postgresql_where=_LIVE),
    Index("ix_reports_moving", "due_at", sqlite_where=text("moving"), postgresql_where=text("moving")),
    Index("ix_reports_about", "about"),
)

report_steps = Table(
    "report_steps",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("report_id", Id, nullable=False),
    Column("run", Integer, nullable=False),
    Column("call", Text, nullable=False),
    Column("file", Integer, nullable=True),
    Column("began_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger, nullable=True),
    Column("outcome", Text, nullable=True),
    Column("code", Integer, nullable=True),
    Column("status", Integer, nullable=True),
    Column("request_id", Text, nullable=True),
    Column("authority_id", Text, nullable=True),
    # The authority's own words, which may quote the document: sealed with context `report:<id>:detail`.
    Column("detail", LargeBinary, nullable=True),
    Index("ix_report_steps_report_id", "report_id"),
)
