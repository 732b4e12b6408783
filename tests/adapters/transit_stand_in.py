"""A stand-in for a key service: HashiCorp Vault's Transit engine over real HTTP, with versions, bound data, trimming, and faults."""

from __future__ import annotations

import base64
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

TOKEN = "hvs.stand-in"


class Transit:
    """`fault`: an HTTP status for every call, or `hang`, `cut`, `garbage`; `ignores_context`: an old service that binds nothing."""

    def __init__(self) -> None:
        self.keys: dict[str, dict[int, bytes]] = {}
        self.least: dict[str, int] = {}
        self.fault: int | str | None = None
        self.ignores_context = False
        self.calls: list[str] = []
        self.release = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer({})

            def do_POST(self) -> None:
                self._answer(msgspec.json.decode(self.rfile.read(int(self.headers["content-length"]))))

            def _answer(self, body: dict[str, Any]) -> None:
                outer.calls.append(self.path)
                if outer.fault == "hang":
                    outer.release.wait(30)
                    return
                if outer.fault == "cut":
                    self.connection.close()
                    return
                status, data = outer.answer(self.path, self.headers.get("X-Vault-Token", ""), body)
                raw = b"<html>" if outer.fault == "garbage" else msgspec.json.encode(data) if status != 204 else b""
                self.send_response(status)
                self.send_header("content-length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def log_message(self, *_: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"

    def make(self, name: str) -> None:
        self.keys[name], self.least[name] = {1: os.urandom(32)}, 1

    def answer(self, path: str, token: str, body: dict[str, Any]) -> tuple[int, Any]:
        if isinstance(self.fault, int):
            return self.fault, {"errors": ["secret words of the service"]}
        if token != TOKEN:
            return 403, {"errors": ["permission denied"]}
        parts = path.removeprefix("/v1/transit/").split("/")
        name = parts[1]
        if not path.startswith("/v1/transit/") or name not in self.keys:
            return 404, {"errors": []}
        versions, aad = self.keys[name], b"" if self.ignores_context else base64.b64decode(body.get("associated_data", ""))
        latest = max(versions)
        if parts[0] == "encrypt":
            nonce = os.urandom(12)
            sealed = base64.b64encode(nonce + AESGCM(versions[latest]).encrypt(nonce, base64.b64decode(body["plaintext"]), aad)).decode()
            return 200, {"data": {"ciphertext": f"vault:v{latest}:{sealed}", "key_version": latest}}
        if parts[0] == "decrypt":
            _, version, sealed = body["ciphertext"].split(":")
            number, raw = int(version[1:]), base64.b64decode(sealed)
            if number not in versions or number < self.least[name]:
                return 400, {"errors": ["version is disallowed by policy"]}
            try:
                plain = AESGCM(versions[number]).decrypt(raw[:12], raw[12:], aad)
            except InvalidTag:
                return 400, {"errors": ["cipher: message authentication failed"]}
            return 200, {"data": {"plaintext": base64.b64encode(plain).decode()}}
        if parts[2:] == ["rotate"]:
            versions[latest + 1] = os.urandom(32)
            return 200, {"data": {"latest_version": latest + 1}}
        if parts[2:] == ["config"]:
            self.least[name] = body["min_decryption_version"]
            return 204, None
        if parts[2:] == ["trim"]:
            if body["min_available_version"] > self.least[name]:
                return 400, {"errors": ["cannot trim"]}
            self.keys[name] = {n: key for n, key in versions.items() if n >= body["min_available_version"]}
            return 204, None
        return 200, {"data": {"latest_version": latest, "min_decryption_version": self.least[name]}}


@contextmanager
def transit() -> Iterator[Transit]:
    service = Transit()
    service.make("nightlight")
    thread = threading.Thread(target=service.http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield service
    finally:
        service.release.set()
        service.http.shutdown()
        service.http.server_close()
        thread.join()
