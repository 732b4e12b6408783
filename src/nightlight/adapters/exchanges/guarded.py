"""A `requests` session for the clients of python-threatexchange, which speaks to one place only and says nothing of what it met.

Those clients make sessions that follow redirects, take proxies and passwords from the environment, wait five times, and raise errors
that quote links with a token in them. They are given this one instead.
"""

from __future__ import annotations

import logging
import threading
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from nightlight.adapters.exchanges.answers import CONNECT_S, READ_S, Place, Whole, bounded, judge
from nightlight.core.exchange import ExchangeFault

# At DEBUG it writes each link to the log, with the token in it.
logging.getLogger("urllib3").setLevel(logging.INFO)


_now = threading.local()
"""`whole`: of the request that this thread is sending."""


class _Plain(HTTPConnection):
    def getresponse(self) -> Any:
        _now.whole.watch(self.sock)
        return super().getresponse()


class _Tls(HTTPSConnection):
    def getresponse(self) -> Any:
        _now.whole.watch(self.sock)
        return super().getresponse()


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _Plain


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _Tls


class _Watched(HTTPAdapter):  # type: ignore[misc]
    def init_poolmanager(self, *given: Any, **named: Any) -> None:
        super().init_poolmanager(*given, **named)
        self.poolmanager.pool_classes_by_scheme = {"http": _PlainPool, "https": _TlsPool}


class Guarded(requests.Session):  # type: ignore[misc]
    def __init__(self, place: Place) -> None:
        super().__init__()
        self._place = place
        self.trust_env = False
        for scheme in ("http://", "https://"):
            self.mount(scheme, _Watched())

    def send(self, request: Any, **given: Any) -> Any:
        """The answer, read whole. Raises ExchangeFault for anything but a 2xx."""
        self._place.check(request.url)
        given |= {"allow_redirects": False, "stream": True, "timeout": (CONNECT_S, READ_S)}
        with Whole() as whole:
            _now.whole = whole
            try:
                answer = self._answer(request, given)
            except ExchangeFault:
                whole.check()  # what was cut off by us is not the fault that it looks like
                raise
            whole.check()
            return answer

    def _answer(self, request: Any, given: dict[str, Any]) -> Any:
        try:
            with super().send(request, **given) as answer:
                judge(answer.status_code, {k.lower(): v for k, v in answer.headers.items()})
                answer._content = bounded(answer.iter_content(65536))
                answer._content_consumed = True
                return answer
        except requests.ConnectTimeout:
            raise ExchangeFault("it does not answer") from None
        except requests.Timeout:
            raise ExchangeFault("it did not answer in time") from None
        except (requests.exceptions.ChunkedEncodingError, requests.exceptions.ContentDecodingError):
            raise ExchangeFault("an answer was cut off", page=True) from None
        except requests.ConnectionError as error:
            # A read that timed out half-way through a body comes as this too.
            cut = "ReadTimeout" in repr(error.args)
            raise ExchangeFault("it did not answer in time" if cut else "it cannot be reached") from None
        except requests.RequestException as error:
            raise ExchangeFault(f"the request failed ({type(error).__name__})") from None
