"""Delivers the outbox by signed webhook, at least once, always with the same key and bytes; and checks a signature, for receivers.

The headers are those of Standard Webhooks (standardwebhooks.com), so its verifiers in many languages read ours: `webhook-id` is the
key, `webhook-timestamp` the seconds of this attempt, `webhook-signature` is `v1,` and the base64 of HMAC-SHA256 over
`<id>.<timestamp>.<body>`. The id is signed too: a copy of a message under another id would get past a receiver that drops repeats.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import random
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timedelta
from urllib.parse import quote, urlsplit

import httpx
import structlog
from msgspec import Struct

from nightlight.core.clock import Clock, SystemClock
from nightlight.core.errors import Invalid, Tampered
from nightlight.core.ports import Delivery, Endpoint, OutboxStore

log = structlog.get_logger("nightlight.webhook")

TOLERANCE_S = 300
"""Seconds that a receiver's clock may differ: Standard Webhooks' recommendation."""
LEAST_SECRET = 16
"""Bytes. NIST SP 800-107 asks for at least 112 bits in an HMAC key."""
GONE = 410
_RETRY_AFTER = (429, 503)


class Backoff(Struct, frozen=True, kw_only=True):
    """Exponential with full jitter: anything between nothing and a bound that doubles, so that retries never come in waves."""

    base_s: float = 5.0
    cap_s: float = 3600.0
    attempts: int = 40
    """Then it is a dead letter. With these numbers that takes fifteen hours on average and thirty at the most: a night's outage."""

    def delay(self, attempts: int, jitter: float) -> timedelta:
        """How long to wait after so many attempts (1 or more); jitter: 0 to 1."""
        bound = min(self.cap_s, self.base_s * 2.0 ** min(attempts - 1, 40))
        return timedelta(seconds=bound * jitter)


class Round(Struct, frozen=True, kw_only=True):
    """What came of the messages that were due."""

    delivered: int = 0
    retried: int = 0
    dead: int = 0


class _Outcome(Struct, frozen=True):
    error: str | None
    """None: delivered. What went wrong by name, never a word of what the receiver said."""
    final: bool = False
    """No further attempt can help."""
    unreachable: bool = False
    """Nobody answered: the endpoint's other messages need not wait for the same."""
    wait_s: float = 0.0
    """The receiver asked to be left alone for so long."""


class Dispatcher:
    """Sends what is due, from a thread of its own (`start`, `stop`) or once (`run_once`).

    endpoints: by name; a message to any other becomes a dead letter at once. Raises Invalid where one of them cannot be used.
    timeout_s: for connecting and for each part of the answer. parallel: endpoints served at the same time; the messages of one
    endpoint go out one after another, so a slow receiver delays nobody else.
    """

    def __init__(
        self,
        outbox: OutboxStore,
        endpoints: Mapping[str, Endpoint],
        clock: Clock | None = None,
        *,
        timeout_s: float = 10.0,
        poll_s: float = 0.5,
        most: int = 256,
        parallel: int = 8,
        backoff: Backoff | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        for endpoint in endpoints.values():
            _usable(endpoint)
        self._outbox, self._endpoints = outbox, dict(endpoints)
        self._clock: Clock = clock or SystemClock()
        self._poll_s, self._most = poll_s, most
        self._backoff, self._jitter = backoff or Backoff(), jitter
        self._timeout_s = timeout_s
        self._made: httpx.Client | None = None
        self._pool = ThreadPoolExecutor(parallel, thread_name_prefix="webhook")
        self._busy: set[str] = set()
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._woken = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Deliver from now on, in a thread of its own."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="webhooks", daemon=True)
            self._thread.start()

    def wake(self) -> None:
        """Something was just committed: look now and not at the next poll. Cheap; may be called from any thread."""
        self._woken.set()

    def stop(self) -> None:
        """End after the messages under way. What is left stays in the outbox. The dispatcher cannot be started again."""
        self._stopping.set()
        self._woken.set()
        if self._thread is not None:
            self._thread.join()
        self._pool.shutdown(wait=True, cancel_futures=True)
        if self._made is not None:
            self._made.close()

    def run_once(self, now: datetime | None = None) -> Round:
        """Attempt everything due, at most `most` messages, and wait until that is done. `now`: due by then; by default the clock's."""
        results = [future.result() for future in self._round(self._clock.now() if now is None else now)]
        return Round(
            delivered=sum(r.delivered for r in results), retried=sum(r.retried for r in results), dead=sum(r.dead for r in results)
        )

    # -- rounds ----------------------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._woken.clear()
            try:
                self._round(self._clock.now())
            except Exception as error:  # the outbox is durable: try again at the next poll
                log.error("outbox could not be read", error=type(error).__name__)
            self._woken.wait(self._poll_s)

    def _round(self, now: datetime) -> list[Future[Round]]:
        """One task an endpoint that is not being served already."""
        waiting: dict[str, list[Delivery]] = {}
        with self._lock:
            busy = frozenset(self._busy)
        for delivery in self._outbox.due(now, self._most):
            if delivery.endpoint not in busy:
                waiting.setdefault(delivery.endpoint, []).append(delivery)
        with self._lock:
            self._busy |= waiting.keys()
        return [self._pool.submit(self._serve, name, deliveries) for name, deliveries in waiting.items()]

    def _serve(self, name: str, deliveries: Sequence[Delivery]) -> Round:
        delivered = retried = dead = 0
        down: _Outcome | None = None
        try:
            for delivery in deliveries:
                if self._stopping.is_set():
                    break
                outcome = down if down is not None else self._attempt(name, delivery)
                if outcome.unreachable:
                    down = outcome
                if outcome.error is None:
                    self._outbox.delivered(delivery.key, self._clock.now())
                    delivered += 1
                elif self._put_off(delivery, outcome):
                    retried += 1
                else:
                    dead += 1
            else:
                self._woken.set()  # there may be more than one round of them
        except Exception as error:  # not recorded, so it will be sent again: at least once
            log.error("outbox could not be written", endpoint=name, error=type(error).__name__)
        finally:
            with self._lock:
                self._busy.discard(name)
        return Round(delivered=delivered, retried=retried, dead=dead)

    def _put_off(self, delivery: Delivery, outcome: _Outcome) -> bool:
        """Record a failure; True where it will be tried again."""
        attempts = delivery.attempts + 1
        error = outcome.error or ""
        if outcome.final or attempts >= self._backoff.attempts:
            self._outbox.failed(delivery.key, error, None)
            log.warning("dead letter", endpoint=delivery.endpoint, key=delivery.key, attempts=attempts, error=error)
            return False
        delay = max(self._backoff.delay(attempts, self._jitter()), timedelta(seconds=outcome.wait_s))
        self._outbox.failed(delivery.key, error, self._clock.now() + delay)
        return True

    # -- one attempt -----------------------------------------------------------------------------------------------------------

    def _attempt(self, name: str, delivery: Delivery) -> _Outcome:
        endpoint = self._endpoints.get(name)
        if endpoint is None:
            known = ", ".join(sorted(self._endpoints)) or "none"
            return _Outcome(f"the endpoint {name!r} is not configured (configured: {known})", final=True)
        headers = {"content-type": "application/json", "user-agent": "nightlight"}
        # Signed when it is sent and not when it was written: a receiver refuses an old timestamp.
        headers |= signed_headers(endpoint.secret, delivery.key, delivery.body, self._clock.now())
        try:
            # The answer's body is never read: it is not ours to keep, and a receiver could make it endless.
            with self._client().stream("POST", endpoint.url, content=delivery.body, headers=headers) as response:
                return self._judge(response)
        except httpx.TransportError as error:
            return _Outcome(type(error).__name__, unreachable=isinstance(error, httpx.TimeoutException | httpx.ConnectError))
        except Exception as error:
            return _Outcome(type(error).__name__)

    def _client(self) -> httpx.Client:
        """Made on first use: reading the certificates takes longer than many a command line that never sends anything."""
        with self._lock:
            if self._made is None:
                # The environment's proxies and passwords are not ours to use; a redirect would carry the message where nobody
                # agreed to.
                self._made = httpx.Client(timeout=self._timeout_s, follow_redirects=False, trust_env=False)
            return self._made

    def _judge(self, response: httpx.Response) -> _Outcome:
        status = response.status_code
        if 200 <= status < 300:
            return _Outcome(None)
        asked = response.headers.get("retry-after", "") if status in _RETRY_AFTER else ""
        wait_s = min(float(asked), self._backoff.cap_s) if asked.isascii() and asked.isdigit() else 0.0
        return _Outcome(f"HTTP {status}", final=status == GONE, wait_s=wait_s)


# -- signatures ----------------------------------------------------------------------------------------------------------------


def signed_headers(secret: str, key: str, body: bytes, now: datetime) -> dict[str, str]:
    """The three headers of one attempt."""
    # An event's id is the service's own and may hold anything; a header may not.
    id = quote(key, safe="/-_.~:")
    timestamp = str(int(now.timestamp()))
    return {"webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": f"v1,{_sign(secret, id, timestamp, body)}"}


def verify_signature(secret: str, headers: Mapping[str, str], body: bytes, now: datetime, tolerance_s: float = TOLERANCE_S) -> str:
    """For receivers: the id of a genuine message, by which to drop repeats. Raises Tampered where it is not genuine or too old.

    headers: as received, in any case. body: the bytes as received, before any parsing. now: timezone-aware.
    """
    given = {name.lower(): value for name, value in headers.items()}
    id, timestamp, signatures = (given.get(f"webhook-{part}", "") for part in ("id", "timestamp", "signature"))
    if not id or not signatures:
        raise Tampered("the message is not signed")
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        raise Tampered("webhook-timestamp is no time")
    if abs(now.timestamp() - int(timestamp)) > tolerance_s:
        raise Tampered("webhook-timestamp is too far from now")
    expected = _sign(secret, id, timestamp, body).encode()
    for signature in signatures.split():
        version, _, value = signature.partition(",")
        if version == "v1" and hmac.compare_digest(value.encode(), expected):
            return id
    raise Tampered("the signature does not fit")


def _sign(secret: str, id: str, timestamp: str, body: bytes) -> str:
    signed = f"{id}.{timestamp}.".encode() + body
    return base64.b64encode(hmac.new(_key(secret), signed, hashlib.sha256).digest()).decode()


def _key(secret: str) -> bytes:
    """`whsec_` and base64, as Standard Webhooks writes secrets; anything else is taken as it is."""
    if not secret.startswith("whsec_"):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        raise Invalid("a secret that begins with whsec_ goes on in base64", field="secret") from None


def _usable(endpoint: Endpoint) -> None:
    parts = urlsplit(endpoint.url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Invalid(f"the endpoint {endpoint.name!r} needs a URL that begins with https:// or http://", field=endpoint.name)
    if len(_key(endpoint.secret)) < LEAST_SECRET:
        raise Invalid(f"the secret of the endpoint {endpoint.name!r} is shorter than {LEAST_SECRET} bytes", field=endpoint.name)


__all__ = ["TOLERANCE_S", "Backoff", "Dispatcher", "Round", "signed_headers", "verify_signature"]
