"""`TransitWrapper`: case keys wrapped by a key service that speaks the HTTP API of HashiCorp Vault's Transit engine (OpenBao's too).

The wrapping key never leaves the service. Which calls are made, under `<url>/v1/<mount>`:

    GET  keys/<key>            which version wraps now
    POST encrypt/<key>         wrap; `associated_data` binds it to its case
    POST decrypt/<key>         unwrap
    POST keys/<key>/rotate     a new version
    POST keys/<key>/config     older versions may no more be used ...
    POST keys/<key>/trim       ... and are destroyed: what they wrapped opens for nobody

See developer.hashicorp.com/vault/api-docs/secret/transit. The key must exist, of type `aes256-gcm96`. Nothing is tried twice here: each
call is part of something that is safe to repeat, and a service that does not answer must not hold the database for long.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import ssl
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec

from nightlight.adapters.durable import sync
from nightlight.adapters.sealer import KeysMissing
from nightlight.adapters.vault.keys import FileWrapper, overwrite
from nightlight.core.errors import Invalid, NightlightError, Tampered, Unavailable

TIMEOUT_S = 5.0
MOST_BYTES = 64 * 1024
"""Of an answer: a wrapped key has some hundred."""
_ID = re.compile(r"^transit:([A-Za-z0-9._-]{1,200}):v([1-9][0-9]{0,9})$")
_NAME = re.compile(r"^[A-Za-z0-9._-]{1,200}$")
_WRAPPED = re.compile(r"^vault:v([1-9][0-9]{0,9}):[A-Za-z0-9+/=]+$")
_DIGEST = 32


class TransitWrapper:
    """Fills `core.vault.KeyWrapper`. Safe to use from several threads and processes. Raises Unavailable where the service does not do what
    was asked (it does not answer, is sealed, refuses the token), Tampered where something does not authenticate, KeysMissing where the
    key, or the version that wrapped, is not there. No message has a key, a token or a word of what the service said."""

    def __init__(
        self,
        url: str,
        key: str,
        token: Callable[[], str],
        *,
        mount: str = "transit",
        namespace: str | None = None,
        ca: Path | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        """`token` is asked at each call, so that one that was renewed in its file counts. Raises Invalid."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment or parts.username:
            raise Invalid("needs an http or https URL without user, query and fragment", field="vault.kms.url")
        if parts.scheme == "http" and parts.hostname not in ("127.0.0.1", "::1", "localhost"):
            raise Invalid("keys travel over https, unless the service is on this machine", field="vault.kms.url")
        for field, name in (("key", key), ("mount", mount)):
            if not _NAME.match(name) or set(name) <= {"."}:
                raise Invalid("a name has letters, digits, dots, dashes and underscores", field=f"vault.kms.{field}")
        self._base, self.key, self._token = f"{url.rstrip('/')}/v1/{mount}", key, token
        self._namespace, self._ca, self._timeout_s = namespace, ca, timeout_s
        self._lock = Lock()
        self._made: httpx.Client | None = None

    @property
    def current(self) -> str:
        return f"transit:{self.key}:v{self._latest()}"

    def wrap(self, key: bytes, context: str) -> tuple[str, bytes]:
        # The context goes inside as well: a service that ignores `associated_data` would bind nothing.
        plain = base64.b64encode(_bound(context) + key).decode()
        answer = self._post(f"encrypt/{self.key}", {"plaintext": plain, "associated_data": _b64(context)})
        wrapped = answer.get("ciphertext")
        if not isinstance(wrapped, str) or (found := _WRAPPED.match(wrapped)) is None:
            raise Unavailable("the key service answered something that is no wrapped key")
        return f"transit:{self.key}:v{found[1]}", wrapped.encode()

    def unwrap(self, id: str, wrapped: bytes, context: str) -> bytes:
        known, sealed = _ID.match(id), wrapped.decode("ascii", "replace")
        if known is None:
            raise KeysMissing("a case key is wrapped under a key that is not of this key service: set the wrapper back that wrapped it")
        if (found := _WRAPPED.match(sealed)) is None or found[1] != known[2]:
            raise Tampered("a wrapped key is not as it was written")
        # By the name that wrapped: another key may be configured by now, and both may be there.
        answer = self._post(f"decrypt/{known[1]}", {"ciphertext": sealed, "associated_data": _b64(context)})
        try:
            plain = base64.b64decode(answer.get("plaintext", ""), validate=True)
        except (binascii.Error, TypeError, ValueError):
            raise Unavailable("the key service answered something that is no key") from None
        if len(plain) <= _DIGEST or not hmac.compare_digest(plain[:_DIGEST], _bound(context)):
            raise Tampered("a wrapped key does not belong to this case")
        return plain[_DIGEST:]

    def rotate(self) -> str:
        self._post(f"keys/{self.key}/rotate", {})
        return self.current

    def forget(self, keep: str) -> None:
        found = _ID.match(keep)
        if found is None or found[1] != self.key:
            raise KeysMissing("the wrapping key that is to be kept is not of this key service")
        version = int(found[2])
        if version > self._latest():
            raise KeysMissing("the wrapping key that is to be kept is not there")
        least = {"min_decryption_version": version, "min_encryption_version": version}
        self._post(f"keys/{self.key}/config", least)
        self._post(f"keys/{self.key}/trim", {"min_available_version": version})

    def close(self) -> None:
        with self._lock:
            if self._made is not None:
                self._made.close()
                self._made = None

    # -- calls ---------------------------------------------------------------------------------------------------------------------

    def _latest(self) -> int:
        latest = self._call("GET", f"keys/{self.key}", None).get("latest_version")
        if not isinstance(latest, int) or isinstance(latest, bool) or latest < 1:
            raise Unavailable("the key service answered no version of the key")
        return latest

    def _post(self, path: str, body: Mapping[str, object]) -> Mapping[str, Any]:
        return self._call("POST", path, body)

    def _call(self, method: str, path: str, body: Mapping[str, object] | None) -> Mapping[str, Any]:
        headers = {"X-Vault-Token": self._token(), "X-Vault-Request": "true"}
        if self._namespace is not None:
            headers["X-Vault-Namespace"] = self._namespace
        content = None if body is None else msgspec.json.encode(body)
        try:
            with self._client().stream(method, f"{self._base}/{path}", content=content, headers=headers) as response:
                answer = bytearray()
                for part in response.iter_bytes():
                    answer += part
                    if len(answer) > MOST_BYTES:
                        raise Unavailable("the key service answered more than a key can be")
                status = response.status_code
        except httpx.TimeoutException:
            raise Unavailable("the key service did not answer in time") from None
        except httpx.HTTPError as error:
            raise Unavailable(f"the key service cannot be reached: {type(error).__name__}") from None
        if status not in (200, 204):
            raise _fault(status, path)
        if status == 204 or not answer:
            return {}
        try:
            data = msgspec.json.decode(bytes(answer), type=dict[str, Any]).get("data")
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise Unavailable("the key service answered something that is no JSON") from None
        return data if isinstance(data, dict) else {}

    def _client(self) -> httpx.Client:
        with self._lock:
            if self._made is None:
                trusted = ssl.create_default_context(cafile=str(self._ca)) if self._ca is not None else True
                # Neither the environment's proxies nor a redirect may carry a key or the token where nobody agreed to.
                self._made = httpx.Client(timeout=self._timeout_s, follow_redirects=False, trust_env=False, verify=trusted)
            return self._made


class MovingWrapper:
    """From a key file to a key service: what the file wrapped still opens, and the service wraps from now on. `vault rotate` wraps every
    key anew, and destroys the file."""

    def __init__(self, service: TransitWrapper, file: FileWrapper) -> None:
        self._service, self._file = service, file

    @property
    def current(self) -> str:
        return self._service.current

    def wrap(self, key: bytes, context: str) -> tuple[str, bytes]:
        return self._service.wrap(key, context)

    def unwrap(self, id: str, wrapped: bytes, context: str) -> bytes:
        of_service = _ID.match(id) is not None or not self._file.path.exists()  # never makes a new file for an id that nobody knows
        return (self._service if of_service else self._file).unwrap(id, wrapped, context)

    def rotate(self) -> str:
        return self._service.rotate()

    def forget(self, keep: str) -> None:
        self._service.forget(keep)
        path = self._file.path
        try:
            overwrite(path, path.stat().st_size)
            path.unlink()
        except FileNotFoundError:
            return
        sync(path.parent)

    def close(self) -> None:
        self._service.close()


def _fault(status: int, path: str) -> NightlightError:
    """What a refusal means, by where it came."""
    if status == 503:
        return Unavailable("the key service is sealed or in maintenance (503): unseal it")
    if status == 403:
        return Unavailable("the key service refuses the token (403): is it valid, and may it use this key?")
    if status == 404:
        return KeysMissing("the key service does not know this key, or the engine is not at this mount (404)")
    if status == 400 and path.startswith("decrypt/"):
        return Tampered("the key service cannot open a wrapped key (400): it is another's, was changed, or its version was destroyed")
    return Unavailable(f"the key service refused it (HTTP {status})")


def _b64(context: str) -> str:
    return base64.b64encode(context.encode()).decode()


def _bound(context: str) -> bytes:
    return hashlib.sha256(b"nightlight\0" + context.encode()).digest()
