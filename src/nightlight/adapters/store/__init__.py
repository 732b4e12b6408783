"""The database: SQLite in the home folder by default, PostgreSQL by URL, one code for both (SQLAlchemy Core, no ORM).

`open_database` is the one door. Each module is one concern over the tables of `tables.py`; what changes something that a person
may have to answer for does it inside `AuditLog.transaction`, so that the change and its row in the audit chain stand or fall together.

Times are whole microseconds since 1970 in UTC: exact, eight bytes, ordered and compared alike by both databases, and no driver's
idea of a time zone can get in between. Bodies are msgpack written by msgspec, never pickle; content in them is sealed first.
"""

from nightlight.adapters.store.database import Database, open_database
from nightlight.adapters.store.engine import database_exists

__all__ = ["Database", "database_exists", "open_database"]
