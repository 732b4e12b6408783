"""Fixtures that several rooms share: a home folder, and the databases that the store's tests run over."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest
import structlog
from hypothesis import settings

settings.register_profile("nightlight", deadline=None, max_examples=50)  # no test is timed: a busy machine is no fault
settings.register_profile("thorough", deadline=None, max_examples=200)  # `make test-all`
settings.load_profile("nightlight")

MEMORY = Path("/dev/shm")
"""Where the tests' files lie if there is room: half of the store tests' time was waiting for a disk to say that it had written.
The files are as real there, and no test cuts the power. `TMPDIR` chooses another place.
"""
ROOM = 4 << 30
"""Bytes that must be free there. The folder of a test that passed is removed at its end."""


def _in_memory() -> bool:
    if "TMPDIR" in os.environ or not os.access(MEMORY, os.W_OK):
        return False
    mount = os.statvfs(MEMORY)
    return mount.f_bavail * mount.f_frsize >= ROOM and not mount.f_flag & os.ST_NOEXEC


if _in_memory():
    os.environ["TMPDIR"] = tempfile.tempdir = str(MEMORY)

REQUIRE_SERVERS = os.environ.get("NIGHTLIGHT_REQUIRE_SERVERS") == "1"
"""Set where a check that was not made must not look like one that passed."""


def pytest_xdist_auto_num_workers() -> int:
    """Two more than there are cores: tests wait for processes, servers and pages that they start."""
    return (os.cpu_count() or 1) + 2


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Coverage is counted by examples. A property's thousand repetitions reach what its examples reach, at twice the time."""
    for item in items:
        if item.get_closest_marker("hypothesis") or item.name.startswith(("test_laws", "test_the_app_is_as_described")):
            item.add_marker(pytest.mark.no_cover)


@pytest.fixture(autouse=True)
def _fresh_logs() -> None:
    """No test inherits how another one set up its logs."""
    structlog.reset_defaults()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An empty home folder, for its owner alone."""
    folder = tmp_path / "home"
    folder.mkdir(mode=0o700)
    return folder


@dataclass(frozen=True)
class Postgres:
    """A private PostgreSQL server on a loopback port."""

    bin: Path
    port: int

    def create(self, like: str | None = None) -> str:
        """A fresh database, empty or a copy of the one at `like`, which nobody may have open; its URL."""
        import psycopg

        name = f"test_{uuid4().hex}"
        template = "" if like is None else f' TEMPLATE "{like.rpartition("/")[2]}"'
        with psycopg.connect(host="127.0.0.1", port=self.port, user="nightlight", dbname="postgres", autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"{template}'.encode())
        return f"postgresql://nightlight@127.0.0.1:{self.port}/{name}"

    def drop(self, url: str) -> None:
        import psycopg

        with psycopg.connect(host="127.0.0.1", port=self.port, user="nightlight", dbname="postgres", autocommit=True) as connection:
            connection.execute(f'DROP DATABASE "{url.rpartition("/")[2]}" WITH (FORCE)'.encode())


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    bin = _postgres_bin()
    if bin is None:
        if REQUIRE_SERVERS:
            pytest.fail("PostgreSQL is not installed and NIGHTLIGHT_REQUIRE_SERVERS=1: run `make deps`")
        pytest.skip("PostgreSQL is not installed: run `make deps`")
    # Not pytest's own folder: that belongs to whoever runs the tests, and the server refuses to run as root.
    folder = Path(tempfile.mkdtemp(prefix="nightlight-pg-"))
    as_user = _unprivileged(folder)
    data, port = folder / "data", _free_port()
    try:
        _run([*as_user, str(bin / "initdb"), "-D", str(data), "-U", "nightlight", "--auth=trust", "--encoding=UTF8", "--no-sync"])
        # fsync off: these databases need not outlive the power; what is committed is as visible as ever.
        options = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories={folder} -c fsync=off -c max_connections=50"
        _run([*as_user, str(bin / "pg_ctl"), "-D", str(data), "-w", "-t", "60", "-l", str(folder / "log"), "-o", options, "start"])
        try:
            yield Postgres(bin, port)
        finally:
            _run([*as_user, str(bin / "pg_ctl"), "-D", str(data), "-m", "immediate", "-w", "stop"])
    finally:
        shutil.rmtree(folder, ignore_errors=True)


# A copy of a database that is up to date costs a fraction of every step of the schema anew, for each of some hundred tests.


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file with every table and no row."""
    path = tmp_path_factory.mktemp("migrated") / "nightlight.db"
    path.touch(mode=0o600)
    _migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def migrated_url(postgres: Postgres) -> str:
    """A PostgreSQL database with every table and no row, to be copied."""
    url = postgres.create()
    _migrate(url)
    return url


def _migrate(url: str) -> None:
    from nightlight.adapters.store.engine import Sql, resolve
    from nightlight.adapters.store.migrate import upgrade

    sql = Sql(resolve(url, Path()))
    assert upgrade(sql)
    sql.close()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def store_url(request: pytest.FixtureRequest) -> Iterator[str | None]:
    """What `open_database` takes, for each database in turn; None is the embedded SQLite file in `home`. Empty, but for tests that ask
    for `database`."""
    if request.param == "sqlite":
        yield None
        return
    server: Postgres = request.getfixturevalue("postgres")
    url = server.create(request.getfixturevalue("migrated_url") if "database" in request.fixturenames else None)
    yield url
    server.drop(url)


def _postgres_bin() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: int(p.parent.parent.name.partition(".")[0]))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    return Path(on_path).resolve().parent if on_path else None


def _unprivileged(folder: Path) -> list[str]:
    """How to run a command as somebody whom the server accepts; `folder` becomes theirs."""
    if os.geteuid() != 0:
        return []
    import pwd

    for name in ("postgres", "nobody"):
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        os.chown(folder, user.pw_uid, user.pw_gid)
        return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", "--"]
    raise RuntimeError("running as root, and there is no user `postgres` or `nobody` to run the server as")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _run(command: list[str]) -> None:
    # The server inherits what it is started with: pipes of ours would be held open for as long as it runs.
    with tempfile.TemporaryFile() as said:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT, cwd="/", check=False)
        if done.returncode != 0:
            said.seek(0)
            raise RuntimeError(f"{command[-1]} failed: {said.read().decode(errors='replace')[-2000:]}")
