"""Project Arachnid Shield (Canadian Centre for Child Protection), by its SDK.

Shield hands out no list: it answers about hashes. So the PDQ hashes of one of our banks are asked about, and what Shield knows fills the
exchange's own bank: the hash that was asked about, and the SHA-256 and SHA-1 of the file that it is near to. Hashes leave, pictures never.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import httpx
import msgspec
from arachnid_shield_sdk import ArachnidShield
from arachnid_shield_sdk.models import MediaClassification, PDQMatch, ScanMediaFromPdq

from nightlight.adapters.exchanges.answers import CONNECT_S, READ_S, Place, Whole, bounded, judge
from nightlight.adapters.exchanges.kinds import Banked
from nightlight.adapters.exchanges.rows import digest, fingerprint, labels_of
from nightlight.core.bank import ItemVerdict, NewItem
from nightlight.core.errors import Invalid
from nightlight.core.exchange import BadRow, Exchange, ExchangeFault, Page
from nightlight.core.fingerprint import Fingerprint, FingerprintKind

MOST_ASKED = 100
"""Hashes in one question. Nothing says how many Shield takes; a question it refuses is put again with fewer."""
_KNOWN = (MediaClassification.CSAM, MediaClassification.HarmfulAbusiveMaterial)


class Cursor(msgspec.Struct, frozen=True):
    after: str = ""
    """The last item of the bank that was asked about."""
    most: int = MOST_ASKED
    left: tuple[str, ...] = ()
    """Items that could not be asked about: asked again at the next fetch."""


_encode = msgspec.msgpack.Encoder().encode


def client(exchange: Exchange, credentials: Mapping[str, str], banked: Banked | None) -> Arachnid:
    if banked is None:
        raise Invalid("a bank to ask about is needed", field="options.ask_bank")
    return Arachnid(exchange, credentials, banked)


_OPENED = ("connection.connect_tcp.complete", "connection.start_tls.complete")
"""What the transport calls it when a connection stands (httpcore's trace extension)."""


def _socket(told: Mapping[str, Any]) -> Any:
    return told["return_value"].get_extra_info("socket")


class _Guarded(httpx.BaseTransport):
    def __init__(self, place: Place) -> None:
        self._place, self._inner = place, httpx.HTTPTransport(trust_env=False)
        self._sockets: list[Any] = []
        """Of connections that may be used again."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self._place.check(str(request.url))
        request.headers["accept-encoding"] = "identity"  # what is packed small may be large
        request.extensions["timeout"] = {"connect": CONNECT_S, "read": READ_S, "write": READ_S, "pool": READ_S}
        with Whole(self._sockets) as whole:
            request.extensions["trace"] = lambda name, told: whole.watch(_socket(told)) if name in _OPENED else None
            try:
                answer = self._answer(request)
            except ExchangeFault:
                whole.check()  # what was cut off by us is not the fault that it looks like
                raise
            finally:
                self._sockets = whole.sockets[-2:]  # of TLS, the one below too
            whole.check()
            return answer

    def _answer(self, request: httpx.Request) -> httpx.Response:
        try:
            answer = self._inner.handle_request(request)
            try:
                judge(answer.status_code, {k.lower(): v for k, v in answer.headers.items()})
                if answer.headers.get("content-encoding", "identity") != "identity":
                    raise ExchangeFault("an answer is packed in a way that was not asked for", page=True)
                assert isinstance(answer.stream, httpx.SyncByteStream)  # noqa: S101 - the type of a transport that is not async
                return httpx.Response(answer.status_code, headers=answer.headers, content=bounded(answer.stream))
            finally:
                answer.close()
        except httpx.TimeoutException:
            raise ExchangeFault("it did not answer in time") from None
        except httpx.RemoteProtocolError:
            raise ExchangeFault("an answer was cut off", page=True) from None
        except httpx.HTTPError as error:
            raise ExchangeFault(f"it cannot be reached ({type(error).__name__})") from None

    def close(self) -> None:
        self._inner.close()


class _Shield(ArachnidShield):  # type: ignore[misc]
    """The SDK at our address, by our transport: its own takes proxies from the environment and has no bound."""

    def __init__(self, url: str, username: str, password: str) -> None:
        super().__init__(username=username, password=password)
        self._url = f"{url}/"
        made = httpx.Client(transport=_Guarded(Place(url)), auth=httpx.BasicAuth(username, password), trust_env=False)
        self._ArachnidShield__client: httpx.Client = made  # the name that the SDK's own methods know it by

    @property
    def base_url(self) -> str:
        return self._url

    def known(self, hashes: list[str]) -> dict[str, Any]:
        """What Shield says of each hash, unread. The SDK's own method takes an answer with one unknown hash for broken."""
        answer = self._ArachnidShield__client.post(f"{self._url}v1/pdq/", json=ScanMediaFromPdq(hashes=hashes).to_dict())
        try:
            return dict(answer.json()["scanned_hashes"])
        except (KeyError, TypeError, ValueError, RecursionError):
            raise ExchangeFault("an answer cannot be read", page=True) from None

    def close(self) -> None:
        self._ArachnidShield__client.close()


class Arachnid:
    takes_feedback = False

    def __init__(self, exchange: Exchange, credentials: Mapping[str, str], banked: Banked) -> None:
        self._shield = _Shield(exchange.url, credentials["username"], credentials["password"])
        self._banked, self._name = banked, exchange.name
        self._known: set[str] | None = None
        """What Shield knew in this pass; None: the pass was begun by somebody else."""

    def pages(self, checkpoint: bytes | None) -> Iterator[Page]:
        """A pass over the whole bank: Shield learns, and forgets, so that everything is asked about again in each."""
        c = _opened(checkpoint)
        if not c.after and not c.left:
            self._known = set()
        while items := self._banked(c.after):
            asked: dict[str, str] = {}
            last = c.after
            for id, fingerprints in items:
                values = [f.value for f in fingerprints if f.kind is FingerprintKind.PDQ]
                if asked and len(asked) + len(values) > c.most:
                    break
                asked |= {base64.b64encode(bytes.fromhex(value)).decode(): value for value in values}
                last = id
            c = Cursor(last, MOST_ASKED, c.left)
            if asked:
                yield self._page(asked, c)
        yield Page(checkpoint=_encode(Cursor()), whole=self._known is not None and not c.left, done=1.0)
        if c.left:
            raise ExchangeFault(f"{len(c.left)} item(s) could not be asked about", final=True)

    def _page(self, asked: Mapping[str, str], c: Cursor) -> Page:
        puts: list[NewItem] = []
        bad: list[BadRow] = []
        for row, (hash, match) in enumerate(self._shield.known(list(asked)).items(), 1):
            if hash not in asked:
                bad.append(BadRow(f"answer {row}", "about a hash that was not asked about"))
            elif match is not None:
                try:
                    made = self._item(asked[hash], PDQMatch.from_dict(match))
                except (AttributeError, KeyError, TypeError, ValueError):
                    bad.append(BadRow(f"answer {row}", "not an answer as the exchange describes it"))
                    continue
                puts += [made] if made is not None else []
        if self._known is not None:
            self._known |= {str(item.source) for item in puts}
        return Page(checkpoint=_encode(c), puts=tuple(puts), bad=tuple(bad))

    def _item(self, pdq: str, match: Any) -> NewItem | None:
        if match.classification not in _KNOWN:
            return None
        found = [fingerprint(FingerprintKind.PDQ, pdq)]
        near = match.near_match_details
        if near is not None:
            found += [fingerprint(FingerprintKind.SHA256, str(near.sha256_hex)), fingerprint(FingerprintKind.SHA1, _sha1(near.sha1_base32))]
        return NewItem(
            fingerprints=tuple(f for f in found if f is not None),
            labels=labels_of((str(match.classification),)),
            source=f"arachnid:{digest(pdq)}",
            provenance=f"{self._name}: Project Arachnid",
        )

    def skip(self, checkpoint: bytes | None) -> bytes | None:
        """Ask about fewer; about one alone, pass it over."""
        c = _opened(checkpoint)
        if c.most > 1:
            return _encode(Cursor(c.after, c.most // 2, c.left))
        items = self._banked(c.after)
        return _encode(Cursor(items[0][0], MOST_ASKED, (*c.left, items[0][0])[-1000:])) if items else None

    def holds(self, source: str) -> bool:
        return not source.startswith("arachnid:") or self._known is None or source in self._known

    def tell(self, verdict: ItemVerdict, fingerprints: Sequence[Fingerprint]) -> bool:
        return False

    def close(self) -> None:
        self._shield.close()


def _opened(checkpoint: bytes | None) -> Cursor:
    try:
        return Cursor() if checkpoint is None else msgspec.msgpack.decode(checkpoint, type=Cursor)
    except msgspec.MsgspecError:
        return Cursor()


def _sha1(base32: object) -> str:
    try:
        return base64.b32decode(str(base32)).hex()
    except (binascii.Error, ValueError):
        return ""
