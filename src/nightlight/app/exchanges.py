"""Fetching hash lists into banks and writing verdicts back: on schedule, on request, from the command line.

`fetching.py` says what one fetch does; this module, who may start one, when, and how it is told of.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial

import msgspec
import structlog
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from nightlight.adapters.exchanges import KINDS, build, checked
from nightlight.adapters.store.exchanges import Begun, SqlExchanges, Told
from nightlight.app.fetching import Fetch, Patience, Stopped, Watch
from nightlight.core.bank import Bank, BankAction, BankKind
from nightlight.core.errors import Conflict, Invalid, NightlightError, NotFound
from nightlight.core.exchange import BadRow, Exchange, ExchangeClient, ExchangeFault, ExchangeRun, ExchangeState
from nightlight.core.fingerprint import Fingerprint
from nightlight.core.services import BankService

log = structlog.get_logger("nightlight.exchanges")

MOST_VERDICTS = 1000
"""Written back after one fetch; the rest after the next."""
_STOP_S = 10.0


class Exchanges:
    """Fills `core.services.ExchangeService`. Safe to use from several threads and processes; `stop` ends fetches between pages."""

    def __init__(
        self,
        store: SqlExchanges,
        banks: BankService,
        now: Callable[[], datetime],
        *,
        patience: Patience | None = None,
        make: Callable[..., ExchangeClient] = build,
    ) -> None:
        self._store, self._banks, self._now = store, banks, now
        self._patience = patience or Patience()
        self._make = make
        self._stopping = threading.Event()
        self._threads: dict[str, threading.Thread] = {}
        self._lock = threading.Lock()

    # -- settings ------------------------------------------------------------------------------------------------------------------

    def list(self) -> Sequence[ExchangeState]:
        return self._store.states()

    def status(self, name: str) -> ExchangeState:
        return self._store.state(name)

    def runs(self, name: str, most: int = 20) -> Sequence[ExchangeRun]:
        """The newest first."""
        return self._store.runs(name, most)

    def create(self, exchange: Exchange, by: str, credentials: Mapping[str, str] | None = None) -> Exchange:
        """See `core.services.ExchangeService`."""
        made = checked(exchange, credentials or {})
        if made.options.get("ask_bank") == made.bank:
            raise Invalid("another bank than the one that is filled", field="options.ask_bank")
        self._store.check_new(made)
        kind = KINDS[made.kind]
        there = next((bank.kind for bank in self._banks.banks() if bank.name == made.bank), None)
        if there in (BankKind.NEGATIVE, BankKind.QUARANTINE):
            # Whoever sets up a list would propose its false matches under the list's name, and could approve them alone.
            raise Conflict(f"a list is fetched into no {there.value} bank", field="bank")
        if all(bank.name != made.bank for bank in self._banks.banks()):
            # What no authority vouches for is held for a person, until the operator says otherwise.
            action = BankAction.BLOCK if kind.authority else BankAction.HOLD
            bank = Bank(
                name=made.bank, kind=BankKind.PARTNER, action=action, authority=kind.authority, note=f"filled by the exchange {made.name}"
            )
            self._banks.create(bank, by)
        return self._store.create(made, credentials or {}, by)

    def change(
        self,
        name: str,
        by: str,
        *,
        url: str | None = None,
        options: Mapping[str, str] | None = None,
        enabled: bool | None = None,
        interval_minutes: int | None = None,
        credentials: Mapping[str, str] | None = None,
        anew: bool = False,
    ) -> Exchange:
        """See `core.services.ExchangeService`. `anew`: read the list from its beginning, whatever else changes."""
        old = self._store.state(name).exchange
        given = {"url": url, "options": options, "enabled": enabled, "interval_minutes": interval_minutes}
        new = msgspec.structs.replace(old, **{k: v for k, v in given.items() if v is not None})
        if options is not None and url is None and options.get("environment") != old.options.get("environment"):
            new = msgspec.structs.replace(new, url="")  # the environment says where it is
        new = checked(new, credentials)
        if new.options.get("ask_bank") == new.bank:
            raise Invalid("another bank than the one that is filled", field="options.ask_bank")
        if new.url != old.url and old.credentials and credentials is None:
            raise Invalid("the credentials were given for another address: give them again", field="credentials")
        anew = anew or (new.url, new.options) != (old.url, old.options)
        return self._store.change(new, credentials, by, anew=anew)

    def remove(self, name: str, by: str) -> None:
        self._store.remove(name, by)

    # -- in the background ---------------------------------------------------------------------------------------------------------

    def start(self, name: str, by: str) -> ExchangeState:
        """See `core.services.ExchangeService`."""
        begun = self._store.begin(name, by)
        thread = threading.Thread(target=self._quietly, args=(begun,), name=f"nightlight-exchange-{name}", daemon=True)
        with self._lock:
            self._threads = {n: t for n, t in self._threads.items() if t.is_alive()}
            self._threads[name] = thread
        thread.start()
        return self._store.state(name)

    def start_due(self) -> None:
        """Start every fetch whose time has come; a chore of the service. Another process may have been quicker."""
        now = self._now()
        for state in self._store.states():
            if state.due_at is not None and state.due_at <= now and not state.running and not self._stopping.is_set():
                try:
                    self.start(state.exchange.name, "system")
                except (Conflict, NotFound):
                    continue

    def stop(self) -> None:
        """End fetches after the page at hand; one that still waits for an answer is left alone, and loses nothing. Safe to call twice."""
        self._stopping.set()
        with self._lock:
            threads = list(self._threads.values())
        ends = time.monotonic() + _STOP_S
        for thread in threads:
            thread.join(max(0.0, ends - time.monotonic()))

    def wait(self) -> None:
        """Until the fetches under way in this process are over."""
        with self._lock:
            threads = list(self._threads.values())
        for thread in threads:
            thread.join()

    def problems(self) -> Sequence[str]:
        """Exchanges whose last fetch failed, or that were not fetched for three intervals though they should have been."""
        now, out = self._now(), []
        for state in self._store.states():
            e = state.exchange
            if not e.enabled:
                continue
            since = state.last_good_at or e.created_at or now
            if state.failures:
                out.append(f"{e.name}: {state.last.error if state.last is not None else 'failed'}")
            elif now - since > timedelta(minutes=3 * e.interval_minutes) and not state.running:
                out.append(f"{e.name}: not fetched since {since:%Y-%m-%d %H:%M} UTC")
        return out

    # -- one fetch -----------------------------------------------------------------------------------------------------------------

    def run(self, name: str, by: str, watch: Watch | None = None) -> ExchangeRun:
        """Fetch now, here. Raises NotFound, or Conflict while it is being fetched; how it ended is in what is returned."""
        return self._run(self._store.begin(name, by), watch or (lambda _: None))

    def _quietly(self, begun: Begun) -> None:
        try:
            ended = self._run(begun, lambda _: None)
            counts = {k: getattr(ended, k) for k in ("pages", "added", "changed", "withdrawn", "bad", "told")}
            log.info("exchange fetched", exchange=begun.exchange.name, error=ended.error or None, **counts)
        except Exception as error:  # the database went away: the lease lapses, and the fetch is due again
            log.error("exchange could not be recorded", exchange=begun.exchange.name, error=type(error).__name__)

    def _run(self, begun: Begun, watch: Watch) -> ExchangeRun:
        error, stopped = "", False
        try:
            client = self._make(begun.exchange, begun.credentials, partial(self._banked, begun.exchange.options.get("ask_bank", "")))
            try:
                fetch = Fetch(self._store, self._banks, client, begun, self._patience, self._stopping, watch)
                try:
                    fetch.run()
                except ExchangeFault as fault:
                    error = fault.message
                except Stopped:
                    stopped = True
                if client.takes_feedback and not self._stopping.is_set():
                    error = error or self._tell(client, begun)
            finally:
                client.close()
        except NightlightError as known:
            error = f"{known.field}: {known.message}" if known.field else known.message
        except Exception as unknown:  # its message may quote a link or a row
            log.error("exchange failed", exchange=begun.exchange.name, error=type(unknown).__name__)
            error = f"an unexpected error ({type(unknown).__name__})"
        except BaseException:
            self._store.end(begun, "", stopped=True)
            raise
        return self._store.end(begun, error, stopped=stopped)

    def _tell(self, client: ExchangeClient, begun: Begun) -> str:
        """Write verdicts back; each is marked only when it was taken, so it is told at least once. Why it stopped, if it did."""
        refused = 0
        for verdict in self._banks.unsent_verdicts(begun.exchange.bank, MOST_VERDICTS):
            if self._stopping.is_set():
                break
            try:
                client.tell(verdict, self._banks.item(verdict.bank, verdict.item).fingerprints)
            except NotFound:  # withdrawn meanwhile: nobody is left to be told
                pass
            except ExchangeFault as fault:
                if not fault.final:
                    return f"verdicts could not be written back: {fault.message}"
                refused += 1
                self._store.note(begun, Told(bad=(BadRow("a verdict", fault.message),)))
                continue
            self._banks.mark_sent(verdict.bank, [verdict.id])
            self._store.note(begun, Told(told=1))
        return f"{refused} verdict(s) were not accepted" if refused else ""

    def _banked(self, bank: str, after: str) -> Sequence[tuple[str, tuple[Fingerprint, ...]]]:
        """For the exchange that is asked about hashes. Parts of pictures are never given away."""
        items = self._banks.items(bank, after or None, 100)
        return [(item.id, item.fingerprints if item.derived_from is None else ()) for item in items]


class ExchangeMetrics(Collector):
    """For Prometheus: when each list was last got whole, and how its fetches fare."""

    def __init__(self, exchanges: Exchanges) -> None:
        self._exchanges = exchanges

    def collect(self) -> Iterator[GaugeMetricFamily]:
        good = GaugeMetricFamily("nightlight_exchange_last_good_seconds", "When the list was last fetched to its end", labels=["exchange"])
        failures = GaugeMetricFamily("nightlight_exchange_failures", "Fetches that failed since then", labels=["exchange"])
        bad = GaugeMetricFamily("nightlight_exchange_bad_rows", "Rows of the last fetch that could not be used", labels=["exchange"])
        try:
            states = self._exchanges.list()
        except Exception:  # the database's own check says what is wrong; the other numbers are worth having all the same
            return
        for state in states:
            name = [state.exchange.name]
            if state.last_good_at is not None:
                good.add_metric(name, state.last_good_at.timestamp())
            failures.add_metric(name, state.failures)
            bad.add_metric(name, state.last.bad if state.last is not None else 0)
        yield from (good, failures, bad)

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Nothing is asked of the database when this is registered."""
        return iter(())
