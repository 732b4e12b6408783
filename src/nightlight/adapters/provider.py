"""An OpenID Connect identity provider, spoken to as a confidential client: authorization code with PKCE, state and nonce.

Sources: OpenID Connect Core 1.0, sections 3.1.2 and 3.1.3.7 (what an ID token must say); RFC 7636 (PKCE); RFC 9207 (the issuer in the
answer); RFC 9700 (best practice: exact issuer, one-time state, no algorithm but asymmetric ones). authlib builds the requests; joserfc,
authlib's own JOSE library, checks the signature.
"""

from __future__ import annotations

import hmac
import secrets
import ssl
import threading
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec
from authlib.integrations.httpx_client import OAuth2Client
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from msgspec import Struct

from nightlight.core.errors import Unavailable
from nightlight.core.provider import Claimed
from nightlight.core.staff import Role

ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA")
"""Asymmetric ones: with a shared secret whoever reads the configuration could make tokens, and `none` is no signature."""
LEEWAY_S = 60
LONGEST_TOKEN_S = 24 * 3600
KNOWN_FOR_S = 3600.0
"""How long what the provider says of itself is taken for current."""
MOST_BYTES = 1024 * 1024
DISCOVERY = "/.well-known/openid-configuration"


class Refused(Exception):
    """Not let in; the word is for the audit, and never what somebody sent."""


class Trusted(Struct, frozen=True, kw_only=True):
    """What the operator said of the provider."""

    issuer: str
    client_id: str
    client_secret: str
    scopes: tuple[str, ...] = ("openid", "profile")
    id_claim: str = "preferred_username"
    roles_claim: str = "roles"
    roles: Mapping[str, Role] = {}
    """What a value of that claim makes of somebody."""
    amr: tuple[str, ...] = ()
    """Ways of signing in of which one must have been used (RFC 8176); empty: left to the provider."""


class Asked(Struct, frozen=True, kw_only=True):
    """What must come back as it went out."""

    state: str
    nonce: str
    verifier: str


class Provider:
    """Safe to use from several threads."""

    def __init__(self, trusted: Trusted, *, timeout_s: float = 10.0) -> None:
        self.trusted, self._timeout_s = trusted, timeout_s
        self._lock = threading.Lock()
        self._said: Mapping[str, str] | None = None
        self._keys: KeySet | None = None
        self._read_at = 0.0
        self._made: ssl.SSLContext | None = None

    def ask(self, redirect_uri: str) -> tuple[str, Asked]:
        """Where to send somebody. Raises Unavailable."""
        asked = Asked(state=secrets.token_urlsafe(32), nonce=secrets.token_urlsafe(32), verifier=secrets.token_urlsafe(48))
        with self._client(redirect_uri) as client:
            url, _ = client.create_authorization_url(
                self._metadata()["authorization_endpoint"], state=asked.state, nonce=asked.nonce, code_verifier=asked.verifier
            )
        return str(url), asked

    def take(self, answer: Mapping[str, str], asked: Asked, redirect_uri: str, now: float) -> Claimed:
        """Who came back. now: seconds since 1970. Raises Refused, Unavailable."""
        if not hmac.compare_digest(answer.get("state", "").encode(), asked.state.encode()):
            raise Refused("state")
        if "iss" in answer and answer["iss"] != self.trusted.issuer:
            raise Refused("issuer of the answer")
        if "error" in answer or not 1 <= len(answer.get("code", "")) <= 4096:
            raise Refused("the provider refused")
        token = self._redeem(answer["code"], asked.verifier, redirect_uri)
        return self._person(self._claims(token, asked.nonce, now))

    def _redeem(self, code: str, verifier: str, redirect_uri: str) -> str:
        with self._client(redirect_uri) as client:
            try:
                found: Any = client.fetch_token(self._metadata()["token_endpoint"], code=code, code_verifier=verifier)
            except httpx.HTTPError:
                raise Unavailable("the identity provider does not answer") from None
            except Exception:  # authlib's own, whose words are the provider's: a code that was used, was never given, was not for us
                raise Refused("code") from None
        token = found.get("id_token") if isinstance(found, dict) else None
        if not isinstance(token, str) or len(token) > MOST_BYTES:
            raise Refused("no id token")
        return token

    def _claims(self, token: str, nonce: str, now: float) -> dict[str, Any]:
        claims = self._verified(token)
        audience = claims.get("aud")
        audiences = audience if isinstance(audience, list) else [audience]
        ours = self.trusted.client_id
        if claims.get("iss") != self.trusted.issuer:
            raise Refused("issuer")
        if ours not in audiences or (len(audiences) > 1 and claims.get("azp") != ours) or claims.get("azp", ours) != ours:
            raise Refused("audience")
        expires, issued, begins = (_seconds(claims.get(name, default)) for name, default in (("exp", None), ("iat", None), ("nbf", 0)))
        if expires is None or not now - LEEWAY_S < expires <= now + LONGEST_TOKEN_S:
            raise Refused("expired")
        if issued is None or begins is None or max(issued, begins) > now + LEEWAY_S:
            raise Refused("not valid yet")
        given = claims.get("nonce")
        if not isinstance(given, str) or not hmac.compare_digest(given.encode(), nonce.encode()):
            raise Refused("nonce")
        return claims

    def _verified(self, token: str) -> dict[str, Any]:
        """The claims of a token that the provider signed; its keys are asked for once more where the signature is of none we know."""
        for fresh in (False, True):
            try:
                decoded = jwt.decode(token, self._key_set(fresh=fresh), algorithms=list(ALGORITHMS))
                return dict(decoded.claims)
            except (JoseError, ValueError, TypeError, KeyError, AttributeError):
                continue
        raise Refused("signature")

    def _person(self, claims: Mapping[str, Any]) -> Claimed:
        subject, id = claims.get("sub"), claims.get(self.trusted.id_claim)
        if not isinstance(subject, str) or not 1 <= len(subject) <= 255:
            raise Refused("subject")
        if not isinstance(id, str) or not id:
            raise Refused("no sign-in name")
        ways = claims.get("amr")
        if self.trusted.amr and not set(self.trusted.amr) & {w for w in (ways if isinstance(ways, list) else []) if isinstance(w, str)}:
            raise Refused("way of signing in")
        given = claims.get(self.trusted.roles_claim)
        values = [given] if isinstance(given, str) else given if isinstance(given, list) else []
        roles = {self.trusted.roles[v] for v in values if isinstance(v, str) and v in self.trusted.roles}
        if len(roles) != 1:
            raise Refused("no role" if not roles else "several roles")
        name = claims.get("name")
        return Claimed(
            issuer=self.trusted.issuer,
            subject=subject,
            id=id.partition("@")[0].casefold(),
            name=name if isinstance(name, str) and name.strip() else id,
            role=roles.pop(),
        )

    # -- what the provider says of itself --------------------------------------------------------------------------------------------

    def _metadata(self) -> Mapping[str, str]:
        with self._lock:
            if self._said is None or time.monotonic() - self._read_at > KNOWN_FOR_S:
                said = self._get(self.trusted.issuer.rstrip("/") + DISCOVERY)
                # A provider that speaks for another issuer than the one that is trusted is not the one that is trusted.
                if said.get("issuer") != self.trusted.issuer:
                    raise Unavailable("the identity provider names another issuer than console.oidc.issuer")
                found = {name: said.get(name) for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")}
                for url in found.values():
                    if not isinstance(url, str) or not safe(url):
                        raise Unavailable("the identity provider names an address that is not https")
                self._said = {name: str(url) for name, url in found.items()}
                self._keys, self._read_at = None, time.monotonic()
            return self._said

    def _key_set(self, *, fresh: bool) -> KeySet:
        uri = self._metadata()["jwks_uri"]
        with self._lock:
            if self._keys is None or fresh:
                raw = self._get(uri)
                keys = raw.get("keys")
                signing = [k for k in keys if isinstance(k, dict) and k.get("use", "sig") == "sig"] if isinstance(keys, list) else []
                try:
                    self._keys = KeySet.import_key_set({"keys": [k for k in signing if k.get("kty") in ("RSA", "EC", "OKP")]})
                except (JoseError, ValueError, TypeError, KeyError):
                    raise Unavailable("the identity provider's keys cannot be read") from None
            return self._keys

    def _get(self, url: str) -> dict[str, Any]:
        try:
            with (
                httpx.Client(timeout=self._timeout_s, follow_redirects=False, trust_env=False, verify=self._tls) as client,
                client.stream("GET", url, headers={"accept": "application/json"}) as response,
            ):
                body = b""
                for part in response.iter_bytes():
                    body += part
                    if len(body) > MOST_BYTES:
                        raise Unavailable("the identity provider says too much")
                if response.status_code != 200:
                    raise Unavailable(f"the identity provider answers {response.status_code}")
            found: Any = msgspec.json.decode(body)
        except (httpx.HTTPError, httpx.InvalidURL):
            raise Unavailable("the identity provider does not answer") from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise Unavailable("what the identity provider says cannot be read")
        return found

    @property
    def _tls(self) -> ssl.SSLContext:
        # Reading the certificates that are trusted takes tens of milliseconds: once, and not for a service in which nobody signs in so.
        if self._made is None:
            self._made = httpx.create_ssl_context(trust_env=False)
        return self._made

    def _client(self, redirect_uri: str) -> Any:
        given = self.trusted
        return OAuth2Client(
            client_id=given.client_id,
            client_secret=given.client_secret,
            scope=" ".join(given.scopes),
            redirect_uri=redirect_uri,
            code_challenge_method="S256",
            token_endpoint_auth_method="client_secret_basic",
            timeout=self._timeout_s,
            follow_redirects=False,
            trust_env=False,
            verify=self._tls,
        )


def safe(url: str) -> bool:
    """Whether it is https, or plain http on this very machine."""
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in ("127.0.0.1", "localhost", "::1"))


def _seconds(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e12 else None
