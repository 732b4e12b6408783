"""The one place that builds the object graph. Tests override parts of it; nothing is built at import."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any

import structlog

from nightlight.adapters.index import MultiIndex
from nightlight.adapters.index.foreign import beside, load_kinds
from nightlight.adapters.provider import Provider, Trusted, safe
from nightlight.adapters.sealer import KeyFileSealer
from nightlight.adapters.store import Database, database_exists, open_database
from nightlight.adapters.store.engine import INDEX_FOLDER
from nightlight.adapters.store.reviewer_sessions import Staying
from nightlight.adapters.store.self_reports import Kept
from nightlight.adapters.vault import WRAPPING, FileWrapper, MovingWrapper, Resolver, SqlIdentities, TransitWrapper, load_clocks
from nightlight.adapters.webhook import Dispatcher
from nightlight.app import logs
from nightlight.app import settings as configuration
from nightlight.app.background import Background
from nightlight.app.casefile import CaseFiles
from nightlight.app.deterrence import Deterrence
from nightlight.app.engine import Engine
from nightlight.app.events import Events
from nightlight.app.evidence import Evidence
from nightlight.app.exchanges import ExchangeMetrics, Exchanges
from nightlight.app.filing import Filer
from nightlight.app.gates import GatesOverStore, pairing_limits
from nightlight.app.guardian import Guardians
from nightlight.app.harness import sensors
from nightlight.app.help import Help
from nightlight.app.index import IndexAdmin, LookUps
from nightlight.app.judged import judged
from nightlight.app.media_lane import MediaLane
from nightlight.app.notices import Notices
from nightlight.app.passage import Admitted
from nightlight.app.pipeline import Parts, Pipeline
from nightlight.app.policies import Policies
from nightlight.app.provider import SignInElsewhere
from nightlight.app.reports import FORMS, Access, Reports, VaultEvidence
from nightlight.app.reveal import Revealing
from nightlight.app.rulebook import RuleDesk
from nightlight.app.second_hop import SecondHop
from nightlight.app.senses import Senses
from nightlight.app.settings import Settings
from nightlight.app.stats import Stats
from nightlight.app.status import Status
from nightlight.app.verdicts import Verdicts
from nightlight.core.case import Consequence
from nightlight.core.clock import Clock, SystemClock
from nightlight.core.desk import Rules
from nightlight.core.detect import Detector, Key, decode_state
from nightlight.core.errors import Invalid, NightlightError
from nightlight.core.filing import FILED, Filing
from nightlight.core.fingerprint import Fingerprint
from nightlight.core.ids import Pseudonymiser
from nightlight.core.services import Answer, Services
from nightlight.core.vault import ClockStart
from nightlight.detectors import discover
from nightlight.policy import JurisdictionGate, load_table
from nightlight.policy.gate import Table
from nightlight.protect import catalogue, moments
from nightlight.protect.defaults import Protections
from nightlight.protect.deterrence import AnswerTable, shipped_table
from nightlight.protect.deterrence import load_table as load_answers
from nightlight.protect.family import family_material
from nightlight.protect.gates import GatePolicy, Gates, load_policy
from nightlight.protect.helplines import helplines
from nightlight.reporting import preview
from nightlight.reporting.draft import draft
from nightlight.review import ReviewRules, weigh
from nightlight.senses.media import Decoders, ScreenedMedia, derived_crops, screen_bytes, workers
from nightlight.senses.text.readings import TermForms

log = structlog.get_logger("nightlight.app")

KEY_FILE = "keys.json"
KNOWN_MEDIA = "known_media"
EXPIRY = timedelta(seconds=5)
"""How soon a banked item is gone after its time; a look costs an indexed query or two a bank."""
DECODERS = 2
"""Uploads decoded at once, each in a process of its own."""
PROMOTED = timedelta(seconds=1)
"""How soon what opened a case is in the vault. Until it is, nothing deletes it; a look costs one indexed query."""
INDEX_TENDED = timedelta(seconds=2)
"""How often it is seen whether another process has written the index's files anew."""


REPORTS_LOOKED_AT = timedelta(seconds=5)
"""How often it is seen whether a report is to be sent."""


class Nightlight:
    """The whole graph. Close it, or use it as a context manager."""

    def __init__(
        self,
        home: Path,
        settings: Settings,
        *,
        clock: Clock,
        detectors: dict[str, Detector] | None = None,
        migrate: bool = False,
    ) -> None:
        self.home, self.settings, self.clock = home, settings, clock
        try:
            home.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise Invalid(f"the home folder {home} cannot be made: {error.strerror}", field="home") from None
        self.sealer = KeyFileSealer(home / KEY_FILE, create=not database_exists(settings.database, home))
        self.pseudonymiser = Pseudonymiser(self.sealer.derive("pseudonyms"))
        self.database: Database = open_database(settings.database, home, self.sealer, clock, migrate=migrate or settings.database is None)
        try:
            self._open_vault(settings)
            self._build(settings, clock, detectors)
        except BaseException:
            self.database.close()
            raise

    def _open_vault(self, settings: Settings) -> None:
        own = settings.vault
        self.database.vault_keys = self.home / own.keys
        self.database.vault_places = own.places or ((settings.place,) if settings.place is not None else ())
        if own.clocks is not None:
            path = self.home / own.clocks
            try:
                text = path.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise Invalid(f"the table of clocks {path} cannot be read: {type(error).__name__}", field="vault.clocks") from None
            self.database.vault_clocks = load_clocks(text, path.name)
        self.database.vault_wrapper = self._key_service(settings)
        self.vault = self.database.vault
        endpoint = configuration.resolver(settings)
        self.resolver = None if endpoint is None else Resolver(endpoint, self.clock)
        self.identities = SqlIdentities(self.database, self.resolver)

    def _key_service(self, settings: Settings) -> MovingWrapper | None:
        """None: the wrapping keys are in the key folder."""
        kms = settings.vault.kms
        if kms is None:
            return None
        service = TransitWrapper(
            kms.url,
            kms.key,
            lambda: configuration.kms_token(kms, self.home),
            mount=kms.mount,
            namespace=kms.namespace,
            ca=None if kms.ca_file is None else self.home / kms.ca_file,
            timeout_s=kms.timeout_s,
        )
        return MovingWrapper(service, FileWrapper(self.database.vault_keys / WRAPPING))

    def _build(self, settings: Settings, clock: Clock, detectors: dict[str, Detector] | None) -> None:
        home = self.home
        self.foreign = load_kinds()
        self.lasting = MultiIndex(home / INDEX_FOLDER, key=self.sealer.derive("index"))
        self.index = beside(self.lasting, self.foreign.kinds)
        self.decoders = Decoders(DECODERS)
        self.banks = self.database.banks(self.index, self._to_bank, deriver=self._derive, seen=self._seen)
        self.exchanges = Exchanges(self.database.exchanges, self.banks, clock.now)
        self.keys = self.database.keys
        self.discovery = discover()
        self.detectors = dict(self.discovery.detectors) if detectors is None else detectors
        self.gate = JurisdictionGate(_table(home / settings.gate) if settings.gate else None, home=settings.place)
        self.policies = Policies(self.database.policies)
        self.stats = Stats(clock.now)
        self.stats.registry.register(ExchangeMetrics(self.exchanges))

        endpoints = configuration.endpoints(settings)
        own = {name: home / path for name in ("restricted_words", "cues") if (path := getattr(settings.text, name)) is not None}
        self.senses = Senses(sensors(self.banks, **own))
        self.parts = Parts(
            store=self.database.pipeline,
            sealer=self.sealer,
            clock=clock,
            gate=self.gate,
            senses=self.senses,
            detectors=self.detectors,
            policies=self.policies,
            levels=settings.levels,
            keep_for=timedelta(days=settings.retention.events_days),
            tail_for=timedelta(minutes=settings.retention.tail_minutes),
            helplines=settings.helplines,
            endpoints=frozenset(endpoints),
        )
        self.pipeline = Pipeline(self.parts)
        self.second_hop = SecondHop(self.parts, self.banks.pause)
        self.engine = Engine(self.pipeline.process, self.second_hop.run, self._answered)
        self.events = Events(self.engine, self.database.pipeline, self.sealer, self.pseudonymiser, clock, helplines=settings.helplines)
        self.media = MediaLane(
            self.events,
            lambda data: self._screen(data, thorough=True),
            self.gate,
            self.database.jobs,
            self.sealer,
            clock,
            home / "spool",
            workers=DECODERS,
            evidence=Evidence(self.database, self.vault),
        )
        self.dispatcher = Dispatcher(self.database.outbox, endpoints, clock)
        self.background = Background()
        # What other processes changed is to be seen within a second, whatever a sweep or a merge takes.
        self.news = Background()
        # A call to an authority may take minutes: nothing else waits behind it.
        self.filing = Background()
        self.lookups = LookUps(self.banks)
        self.index_admin = IndexAdmin(self.lasting, self.database.audit, clock)
        page = settings.self_reports
        self.self_reports = self.database.self_reports(
            self.banks,
            Kept(
                waiting=timedelta(days=page.waiting_days),
                finished=timedelta(days=page.finished_days),
                kept=timedelta(days=page.kept_days),
                an_hour=page.an_hour,
            ),
        )
        console = settings.console
        self._staying = Staying(idle=timedelta(minutes=console.idle_minutes), longest=timedelta(hours=console.session_hours))
        self.reviewers = self.database.reviewers(self._staying)
        self.desk = self.database.desk(ReviewRules(_rules(settings)), Verdicts(self.parts))
        self.user_reports = self.database.user_reports(
            weigh, timedelta(days=settings.user_reports.keep_days), settings.user_reports.anonymous_an_hour
        )
        asked = settings.help_page
        self.help_keeps = self.database.help(valid=timedelta(minutes=asked.link_minutes), keep=timedelta(days=asked.keep_days))
        self.helplines = helplines().with_word(asked.checked, asked.without)
        self.reports = self._reports(settings, clock)
        self.notices = self._notices(settings, clock)
        self.protections = Protections()
        table = Gates(_gates(home / settings.gates_table) if settings.gates_table is not None else None)
        self.gates = GatesOverStore(table, self.database.standing, self.pseudonymiser, clock, settings.levels)
        self.trust = self.database.trust(self.gates.may_pair, pairing_limits(table.policy.pairing))
        self.terms = self.database.terms
        self.trials = self.database.trials
        self.deterrence = Deterrence(
            self.terms,
            self.trials,
            _answers(home / settings.deterrence.table if settings.deterrence.table else None),
            TermForms(),
            self.sealer.derive("deterrence-terms"),
            catalogue(),
            settings.helplines,
            self.helplines,
            clock.now,
        )
        self.status = Status(self)
        self.services = Services(
            events=self.events,
            media=self.media,
            banks=self.banks,
            exchanges=self.exchanges,
            keys=self.keys,
            cases=self.database.cases,
            outbox=self.database.outbox,
            status=self.status,
            lookups=self.lookups,
            index=self.index_admin,
            now=clock.now,
            endpoints=frozenset(endpoints),
            messages=catalogue(),
            self_reports=self.self_reports,
            vault=self.vault,
            identities=self.identities,
            reviewers=self.reviewers if console.enabled else None,
            trail=self.database.trail,
            desk=self.desk,
            user_reports=self.user_reports,
            reports=self.reports,
            layout=preview,
            reveal=Revealing(self.desk, self.vault, self.decoders, clock.now),
            family=family_material(),
            guardians=Guardians(self.sealer, self.database.audit, clock),
            help=Help(self.help_keeps, self.user_reports),
            helplines=self.helplines,
            moments=moments(),
            requests=self.database.requests,
            notices=self.notices,
            policies=RuleDesk(self.database.policies, self.database.history, settings.endpoints),
            gates=self.gates,
            trust=self.trust,
            protections=self.protections,
            deterrence=self.deterrence,
            provider=self._provider(settings, clock) if console.enabled else None,
        )
        self._started = False

    def _provider(self, settings: Settings, clock: Clock) -> SignInElsewhere | None:
        given = settings.console.oidc
        if given is None:
            return None
        if not safe(given.issuer):
            raise Invalid("the provider is reached over https, or on this very machine", field="console.oidc.issuer")
        if not given.roles:
            raise Invalid("nobody could sign in: say which values of the claim make which role", field="console.oidc.roles")
        trusted = Trusted(
            issuer=given.issuer,
            client_id=given.client_id,
            client_secret=configuration.provider_secret(given, self.home),
            scopes=given.scopes,
            id_claim=given.id_claim,
            roles_claim=given.roles_claim,
            roles=given.roles,
            amr=given.amr,
        )
        return SignInElsewhere(given.name, Provider(trusted), self.database.arrivals(self._staying), self.sealer, clock)

    def _reports(self, settings: Settings, clock: Clock) -> Reports:
        """After the desk, which says who approved what."""
        given = settings.authorities.cybertipline
        access = Access(given, lambda: configuration.authority_password(given, self.home))
        store, database = self.database.reports, self.database
        files = CaseFiles(
            database.cases.case,
            database.pipeline,
            self.sealer,
            database.history.signals,
            settings.service,
            judged=lambda case: judged(self.desk, self.vault, case),
            vault=self.vault,
            identities=self.identities,
        )
        filer = Filer(store, access, FORMS, VaultEvidence(self.vault), clock.now, finished=self._reported)
        return Reports(
            store,
            database.audit,
            files,
            draft,
            filer,
            clock.now,
            place=access.place,
            cases=database.cases.case,
            orders=self.desk,
            withdraw=self.banks.withdraw_from,
            allowed=settings.authorities.allowed,
        )

    def _notices(self, settings: Settings, clock: Clock) -> Notices:
        given, service = settings.notices, settings.service

        def reported(case: str) -> bool:
            return any(f.report.state in FILED for f in self.reports.of_case(case))

        return Notices(
            self.database.notices,
            clock.now,
            self.database.cases.case,
            reported,
            service=service.name or service.company,
            contact=given.contact or service.reporter.email,
            endpoint=given.endpoint,
            escalate_to=given.escalate_to,
        )

    def _reported(self, filing: Filing) -> None:
        """From now on counts how long the law has its contents kept. Told twice, it counts once; missed, the vault's sweep makes it up."""
        self.vault.start(filing.report.case, ClockStart.REPORTED, filing.updated_at, "system")

    def start(self, *, background: bool = False) -> Nightlight:
        """Start the engine; with `background`, also what belongs to a service: deliveries, retention, news from other processes."""
        if not self._started:
            self._started = True
            self.database.lifecycle.after_restore("system")  # a restore brings erased people back: first of all they go again
            self.banks.expire(self.clock.now())  # what is due matches nothing from the first event on
            self.engine.start()
            self.media.resume()
            self.media.settle()
        if background:
            threading.Thread(target=self._warm_up, name="nightlight-warm-up", daemon=True).start()
            self.dispatcher.start()
            sweep = timedelta(minutes=self.settings.retention.sweep_minutes)
            self.news.every(timedelta(seconds=0.5), self.banks.refresh, "banks")
            self.news.every(timedelta(seconds=0.5), self.policies.refresh, "policies")
            self.background.every(EXPIRY, lambda: self.banks.expire(self.clock.now()), "bank expiry")
            self.background.every(sweep, lambda: self.database.lifecycle.retention(self.clock.now()), "retention")
            self.background.every(PROMOTED, self.vault.promote, "vault")
            self.background.every(PROMOTED, self.media.settle, "second-hop media")
            self.background.every(sweep, lambda: self.lasting.tend(forget=True), "index-removals")
            self.background.every(INDEX_TENDED, self.lasting.tend, "index")
            self.background.every(sweep, lambda: self.self_reports.expire(self.clock.now()), "self-reports")
            self.background.every(sweep, lambda: self.user_reports.expire(self.clock.now()), "user-reports")
            self.background.every(sweep, lambda: self.help_keeps.expire(self.clock.now()), "help-keeps")
            self.background.every(sweep, lambda: self.trust.expire(self.clock.now()), "trusted-contacts")
            self.background.every(timedelta(seconds=20), self.exchanges.start_due, "exchanges")
            self.background.every(timedelta(minutes=1), lambda: self.notices.follow_up(self.clock.now()), "notices")
            self.news.every(timedelta(seconds=0.5), self.deterrence.refresh, "deterrence")
            self.background.every(sweep, self.deterrence.expire, "deterrence")
            self.filing.every(REPORTS_LOOKED_AT, self.reports.run_due, "reports")
            self.filing.start("nightlight-reports")
            self.background.start()
            self.news.start("nightlight-news")
        return self

    def _seen(self, version: int, raw: bytes, key: Key) -> int:
        """How often a banked item was met, as the detector of known media remembers it."""
        detector = self.detectors.get(KNOWN_MEDIA)
        if detector is None:
            return 0
        return int(getattr(decode_state(detector, version, raw, key), "times", 0))

    def _derive(self, data: bytes) -> tuple[Fingerprint, ...]:
        """Of parts of a picture that a person confirmed; where `_screen` would decode it."""
        return self.decoders.derived_crops(data) if self._started and workers.available else derived_crops(data)

    def _screen(self, data: bytes, *, thorough: bool = False) -> ScreenedMedia:
        """In a confined process while anything is served; in this one for a command that hashes its operator's own files."""
        if self._started and workers.available:
            return self.decoders.screen(data, thorough=thorough)
        return screen_bytes(data, thorough=thorough)

    def _to_bank(self, data: bytes) -> tuple[Fingerprint, ...]:
        """Raises Invalid for what is no picture or video: banked by its bytes, an empty file would block every empty upload."""
        found = self._screen(data)
        if found.media_type is None:
            raise Invalid("not a picture or video of a known type; bank the hashes of another file as such", field="file")
        return found.fingerprints

    def _warm_up(self) -> None:
        """Compile and start what pictures need, so that no event waits behind the first one of them."""
        from nightlight.adapters.index import scan

        scan.warm_up()
        if workers.available:
            try:
                self.decoders.warm_up()
            except (OSError, RuntimeError) as error:  # tried again by the first upload, whose sender is told
                log.error("decoders did not start", error=str(error))

    def _answered(self, admitted: Sequence[Admitted], answers: Sequence[Answer | NightlightError], seconds: float) -> None:
        self.stats.record(admitted, answers, seconds)
        self.dispatcher.wake()

    def close(self) -> None:
        """Finish what was accepted, then let go of everything. Safe to call twice."""
        self.reports.filer.stop()
        self.background.stop()
        self.news.stop()
        self.filing.stop()
        self.exchanges.stop()
        self.dispatcher.stop()
        if self.resolver is not None:
            self.resolver.close()
        if self._started:
            self.media.stop()
            self.engine.stop()
            self.media.settle()
        self.decoders.close()
        self.index_admin.close()
        self.lasting.close()
        self.database.close()

    def __enter__(self) -> Nightlight:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def bootstrap(
    home: Path,
    *,
    start: bool = False,
    migrate: bool = False,
    settings: Settings | None = None,
    clock: Clock | None = None,
    **overrides: Any,
) -> Nightlight:
    """Build the graph on a home folder. `overrides` go to `Nightlight`, for tests."""
    logs.configure()
    found = settings if settings is not None else configuration.load(home)
    graph = Nightlight(home, found, clock=clock or SystemClock(), migrate=migrate, **overrides)
    if start:
        graph.start()
    return graph


def _rules(settings: Settings) -> Rules:
    given = settings.cases
    return Rules(
        lock=timedelta(minutes=given.lock_minutes),
        approvals={consequence: int(getattr(given.approvals, consequence.value)) for consequence in Consequence},
        sample=given.sample,
        limit=timedelta(days=given.limit_days),
        budget=given.budget_minutes,
        stretch=given.break_after_minutes,
        pause=timedelta(minutes=given.break_minutes),
    )


def _answers(path: Path | None) -> AnswerTable:
    messages = catalogue()["en"]
    if path is None:
        return shipped_table(messages)
    try:
        return load_answers(path.read_text(encoding="utf-8"), path.name, messages)
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid(f"the table of answers {path} cannot be read: {type(error).__name__}", field="deterrence.table") from None


def _gates(path: Path) -> GatePolicy:
    try:
        return load_policy(path.read_text(encoding="utf-8"), path.name)
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid(f"the table of gates {path} cannot be read: {type(error).__name__}", field="gates_table") from None


def _table(path: Path) -> Table:
    try:
        return load_table(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid(f"the jurisdiction table {path} cannot be read: {type(error).__name__}", field="gate") from None
