"""A storm: load on a real server that is killed at random moments, and a receiver that remembers every delivery."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

RISKY = "send me a gift card now or i will send this to all your friends, dont tell your parents"
CALM = ("did you win the last round?", "i need two more stones for the bridge", "brb dinner", "same team tomorrow?")


class Receiver:
    """A webhook receiver on loopback: keeps every delivery, and fails now and then so that there are retries."""

    def __init__(self, seed: int) -> None:
        self.deliveries: dict[str, list[bytes]] = defaultdict(list)
        self.headers: dict[str, dict[str, str]] = {}
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                declared = int(self.headers["Content-Length"])
                body = self.rfile.read(declared)
                if len(body) < declared:  # the sender was killed in the middle of it: nothing arrived
                    return
                with receiver._lock:
                    receiver.deliveries[self.headers["webhook-id"]].append(body)
                    receiver.headers[self.headers["webhook-id"]] = dict(self.headers)
                    status = 500 if receiver._random.random() < 0.1 else 204
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Server:
    """`nightlight serve` in a process of its own, on one port for all its lives."""

    def __init__(self, home: Path, port: int) -> None:
        self._home, self.port = home, port
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "nightlight", "serve", "--port", str(self.port)]
        env = {**os.environ, "NIGHTLIGHT_HOME": str(self._home)}
        self._process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert "http://" in line, f"the server did not come up: {line!r}"

    def kill(self) -> None:
        self.end(signal.SIGKILL)

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        assert self._process is not None
        self._process.send_signal(how)
        code = self._process.wait(30)
        assert self._process.stdout is not None
        self._process.stdout.close()
        return code


class Client(threading.Thread):
    """Sends events one after another or in batches; what was not acknowledged is sent again until it is."""

    def __init__(self, name: str, port: int, key: str, seed: int) -> None:
        super().__init__(daemon=True)
        self._label, self._port, self._key = name, port, key
        self._random = random.Random(seed)
        self._numbers = itertools.count()
        self.acknowledged: dict[str, Any] = {}
        self.problems: list[str] = []
        self.stopping = threading.Event()

    def run(self) -> None:
        waiting: list[dict[str, object]] = []
        connection: http.client.HTTPConnection | None = None
        while not self.stopping.is_set() or waiting:
            if not waiting:
                waiting = [self._event() for _ in range(self._random.choice((1, 1, 5, 20)))]
            try:
                connection = connection or http.client.HTTPConnection("127.0.0.1", self._port, timeout=20)
                self._send(connection, waiting)
                waiting = []
            except (OSError, http.client.HTTPException, json.JSONDecodeError):
                if connection is not None:
                    connection.close()
                connection = None
                time.sleep(0.02)
        if connection is not None:
            connection.close()

    def _send(self, connection: http.client.HTTPConnection, events: list[dict[str, object]]) -> None:
        headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"}
        connection.request("POST", "/v1/events:batch", json.dumps({"events": events}), headers)
        response = connection.getresponse()
        body = response.read()
        if response.status == 503:
            raise OSError("busy")
        if response.status != 200:
            self.problems.append(f"{response.status} {body[:200]!r}")
            return
        for event, result in zip(events, json.loads(body)["results"], strict=True):
            if "event_id" in result:
                self.acknowledged[str(event["id"])] = result
            else:
                self.problems.append(str(result))

    def _event(self) -> dict[str, object]:
        number = next(self._numbers)
        talk = self._random.randrange(40)
        risky = self._random.random() < 0.1
        return {
            "kind": "message",
            "id": f"{self._label}-{number}",
            "at": datetime.now(UTC).isoformat(),
            "actor": {"account": f"{self._label}-{talk}-a", "age_band": "18+", "place": "GB"},
            "targets": [{"account": f"{self._label}-{talk}-b", "age_band": "13-15", "place": "GB"}],
            "channel": {"id": f"{self._label}-{talk}", "kind": "game"},
            "text": RISKY if risky else self._random.choice(CALM),
        }


def free_port() -> int:
    import socket

    with contextlib.closing(socket.socket()) as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])
