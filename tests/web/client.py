"""A client that speaks to the app without a socket, one event loop a request."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import msgspec
from litestar import Litestar

from nightlight.core.services import Scope
from nightlight.web import WebConfig, create_app
from tests.web.fakes import Fakes

BASE = "http://localhost"
BOUNDARY = "bfb2a0"


class Client:
    def __init__(self, app: Litestar, key: str | None = None, address: str = "127.0.0.1") -> None:
        self.app = app
        self.key = key
        self.address = address

    def transport(self) -> httpx.ASGITransport:
        return httpx.ASGITransport(self.app, client=(self.address, 4000))  # type: ignore[arg-type]  # litestar's scope is typed more closely

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        headers = dict(options.pop("headers", {}))
        if self.key is not None:
            headers.setdefault("authorization", f"Bearer {self.key}")

        async def send() -> httpx.Response:
            async with httpx.AsyncClient(transport=self.transport(), base_url=BASE, trust_env=False) as client:
                return await client.request(method, path, headers=headers, **options)

        return asyncio.run(send())

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        return self.request("POST", path, **options)

    def send(self, path: str, body: bytes, content_type: str = "application/json", method: str = "POST") -> httpx.Response:
        """A raw body."""
        return self.request(method, path, content=body, headers={"content-type": content_type})

    def multipart(self, path: str, body: bytes) -> httpx.Response:
        return self.send(path, body, f"multipart/form-data; boundary={BOUNDARY}")


def service(config: WebConfig | None = None, *scopes: Scope) -> tuple[Fakes, Client]:
    """Fakes, and a client whose key has these scopes; all of them where none is named."""
    fakes = Fakes()
    key = fakes.keys.add("all", *(scopes or tuple(Scope)))
    return fakes, Client(create_app(fakes.services, config or WebConfig()), key)


def part(name: str, data: bytes, *, filename: str | None = None, headers: str = "") -> bytes:
    """One part of a multipart body."""
    named = f'; filename="{filename}"' if filename else ""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{named}\r\n{headers}\r\n'
    return head.encode() + data + b"\r\n"


END = f"--{BOUNDARY}--\r\n".encode()


def upload(envelope: dict[str, Any], data: bytes) -> bytes:
    return part("event", msgspec.json.encode(envelope)) + part("file", data, filename="x.jpg") + END


def problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """Checks that the answer is this problem, as RFC 9457 has it."""
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    body: dict[str, Any] = answer.json()
    assert body["status"] == status
    assert body["code"] == code
    assert body["type"] == f"urn:nightlight:problem:{code}"
    assert body["title"]
    return body
