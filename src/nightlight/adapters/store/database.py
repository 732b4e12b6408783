"""`open_database`: the one door to everything that is stored."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import select

from nightlight.adapters.audit import Chain, HeadFiles
from nightlight.adapters.sealer import Keyring, KeysMissing
from nightlight.adapters.store.arrivals import SqlArrivals
from nightlight.adapters.store.banks import Hasher, SqlBanks
from nightlight.adapters.store.banks.derived import Deriver
from nightlight.adapters.store.banks.rows import item_commitment
from nightlight.adapters.store.banks.verdicts import Seen
from nightlight.adapters.store.cases import SqlCases
from nightlight.adapters.store.desk import SqlCaseDesk, Tools
from nightlight.adapters.store.engine import RESTORE_PENDING, Sql, make_file, make_home, reached, resolve
from nightlight.adapters.store.exchanges import SqlExchanges
from nightlight.adapters.store.help import SqlHelp
from nightlight.adapters.store.history import SqlHistory
from nightlight.adapters.store.jobs import SqlJobs
from nightlight.adapters.store.keys import SqlKeys
from nightlight.adapters.store.ledger import AuditLog
from nightlight.adapters.store.limits import SqlLimits
from nightlight.adapters.store.migrate import require_current, upgrade
from nightlight.adapters.store.notices import SqlNotices
from nightlight.adapters.store.opened import OpenedFile
from nightlight.adapters.store.outbox import SqlOutbox
from nightlight.adapters.store.pipeline import SqlPipelineStore
from nightlight.adapters.store.policies import SqlPolicies
from nightlight.adapters.store.reports import SqlReports
from nightlight.adapters.store.requests import SqlRequests
from nightlight.adapters.store.reviewer_sessions import Staying
from nightlight.adapters.store.reviewers import SqlReviewers
from nightlight.adapters.store.self_reports import Kept, SqlSelfReports
from nightlight.adapters.store.standing import SqlStanding
from nightlight.adapters.store.tables import meta
from nightlight.adapters.store.terms import SqlTerms
from nightlight.adapters.store.trail import SqlTrail
from nightlight.adapters.store.trials import SqlTrials
from nightlight.adapters.store.trust import MayPair, PairingLimits, SqlTrust
from nightlight.adapters.store.user_reports import SqlUserReports
from nightlight.core.bank import FingerprintIndex
from nightlight.core.clock import Clock
from nightlight.core.desk import Rulebook, VerdictRules
from nightlight.core.ids import Pseudonymiser
from nightlight.core.ports import CaseOpening
from nightlight.core.services import BankService
from nightlight.core.vault import KeyWrapper

if TYPE_CHECKING:
    from nightlight.adapters.lifecycle import Lifecycle
    from nightlight.adapters.vault import ClockTable, SqlVault

_KEY_CHECK = "key_check"


class Database:
    """Everything over one database. Safe to use from several threads; `close` when done."""

    def __init__(self, sql: Sql, home: Path, sealer: Keyring, clock: Clock) -> None:
        self.sql, self.home, self.sealer, self.clock = sql, home, sealer, clock
        self.pseudonymiser = Pseudonymiser(sealer.derive("pseudonyms"))
        """The one to pseudonymise events with: look-ups by a service's own ids go through it too."""
        heads = HeadFiles(home / "audit", sealer.derive("audit-heads"))
        self.audit = AuditLog(sql, Chain(sealer.derive("audit-chain")), heads)
        self.pipeline = SqlPipelineStore(sql, self.audit, sealer, clock)
        self.outbox = SqlOutbox(sql, self.audit, sealer, clock)
        self.cases = SqlCases(sql, sealer)
        self.keys = SqlKeys(sql, self.audit, sealer, clock)
        self.policies = SqlPolicies(sql, self.audit, clock)
        self.history = SqlHistory(sql)
        self.jobs = SqlJobs(sql, sealer)
        self.exchanges = SqlExchanges(sql, self.audit, sealer, clock)
        self.vault_keys = home / "vault-keys"
        self.vault_wrapper: KeyWrapper | None = None
        self.vault_clocks: ClockTable | None = None
        self.vault_places: tuple[str, ...] = ()
        self.limits = SqlLimits(sql, self.audit, sealer, clock)
        self.reports = SqlReports(sql, self.audit, sealer, clock, OpenedFile(home))
        self.trail = SqlTrail(sql)
        self.notices = SqlNotices(sql, self.audit, sealer)
        self.requests = SqlRequests(sql, self.audit, sealer, clock, self.pseudonymiser)
        self.terms = SqlTerms(sql, self.audit, clock)
        self.trials = SqlTrials(sql, self.audit, sealer, clock, self.terms)

    @cached_property
    def vault(self) -> SqlVault:
        """Set `vault_keys`, `vault_wrapper`, `vault_clocks` and `vault_places` before its first use, where they are not the default."""
        from nightlight.adapters.vault import WRAPPING, CaseSecrets, FileWrapper, SqlVault, shipped_clocks

        wrapper = self.vault_wrapper or FileWrapper(self.vault_keys / WRAPPING)
        return SqlVault(self, CaseSecrets(self.vault_keys), wrapper, self.vault_clocks or shipped_clocks(), self.vault_places)

    @cached_property
    def lifecycle(self) -> Lifecycle:
        from nightlight.adapters.lifecycle import Lifecycle

        return Lifecycle(self)

    def banks(self, index: FingerprintIndex, hasher: Hasher, *, deriver: Deriver | None = None, seen: Seen | None = None) -> SqlBanks:
        """Loads every banked fingerprint into `index`."""
        return SqlBanks(
            self.sql, self.audit, self.sealer, self.clock, index, hasher, deriver=deriver, seen=seen, on_forget=self._remember_forgotten
        )

    def _remember_forgotten(self, bank: str, items: Sequence[str]) -> None:
        """Outside the database, so that a backup that is put back brings none of them back for good."""
        from nightlight.adapters.lifecycle.erasures import Erasures, Line

        now = self.clock.now()
        Erasures(self.home).remember(*(Line(item_commitment(self.sealer, bank, item), now) for item in items))

    def self_reports(self, banks: BankService, kept: Kept | None = None) -> SqlSelfReports:
        return SqlSelfReports(self.sql, self.audit, self.sealer, self.clock, banks, self.home, kept or Kept())

    def reviewers(self, staying: Staying | None = None) -> SqlReviewers:
        return SqlReviewers(self.sql, self.audit, self.sealer, self.clock, staying=staying)

    def arrivals(self, staying: Staying) -> SqlArrivals:
        """People who come from an identity provider."""
        return SqlArrivals(self.sql, self.audit, self.sealer, self.clock, staying)

    def desk(self, book: Rulebook, policy: VerdictRules | None = None) -> SqlCaseDesk:
        """Cases in the hands of people. `policy`: what follows from a verdict."""
        tools = Tools(sql=self.sql, audit=self.audit, sealer=self.sealer, clock=self.clock, limits=self.limits, book=book, policy=policy)
        return SqlCaseDesk(tools)

    def user_reports(self, weigh: Callable[[CaseOpening], CaseOpening], keep: timedelta, anonymous_an_hour: int) -> SqlUserReports:
        """`weigh`: what the review room makes of an opening."""
        return SqlUserReports(self.sql, self.audit, self.sealer, self.clock, self.pseudonymiser, weigh, keep, anonymous_an_hour)

    def help(self, *, valid: timedelta, keep: timedelta) -> SqlHelp:
        """`valid`: how long a link waits for its first tap. `keep`: how long that keeps messages."""
        return SqlHelp(self.sql, self.audit, self.sealer, self.clock, self.pseudonymiser, valid=valid, keep=keep)

    @cached_property
    def standing(self) -> SqlStanding:
        return SqlStanding(self.sql)

    def trust(self, may_pair: MayPair, limits: PairingLimits | None = None) -> SqlTrust:
        """`may_pair`: whether two may become trusted contacts."""
        return SqlTrust(self.sql, self.audit, self.sealer, self.clock, self.pseudonymiser, may_pair, limits)

    def ping(self) -> None:
        """Raises where the database does not answer."""
        with self.sql.read() as connection:
            connection.execute(select(1))

    def close(self) -> None:
        self.sql.close()
        self.audit.heads.close()


def open_database(url: str | None, home: Path, sealer: Keyring, clock: Clock, *, migrate: bool) -> Database:
    """The database at `url`, or the embedded SQLite file in `home` where that is None.

    `migrate` brings the schema up to date first; without it, one that is not raises Conflict. Raises KeysMissing where the key
    file is not the one that this database was sealed with.
    """
    make_home(home)
    resolved = resolve(url, home)
    if resolved.get_backend_name() == "sqlite":
        if (home / RESTORE_PENDING).exists():
            from nightlight.adapters.lifecycle.backup import finish_restore

            finish_restore(home, Path(str(resolved.database)))
        make_file(Path(str(resolved.database)))
    sql = Sql(resolved)
    try:
        with reached(resolved):
            if migrate:
                upgrade(sql)
            require_current(sql)
            _check_keys(sql, sealer)
        return Database(sql, home, sealer, clock)
    except BaseException:
        sql.close()
        raise


def _check_keys(sql: Sql, sealer: Keyring) -> None:
    """A fresh key file beside an old database would seal new content and open none of the old: found here, not at the first report."""
    expected = sealer.derive("key-check").hex()
    wanted = select(meta.c.value).where(meta.c.name == _KEY_CHECK)
    with sql.read() as connection:
        found = connection.execute(wanted).scalar_one_or_none()
    if found is None:
        with sql.write() as connection:
            found = connection.execute(wanted).scalar_one_or_none()
            if found is None:
                connection.execute(meta.insert().values(name=_KEY_CHECK, value=expected))
                return
    if not hmac.compare_digest(found, expected):
        raise KeysMissing("the key file does not belong to this database: put back the one it was sealed with")
