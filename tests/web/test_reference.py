"""The reference pages say what the code does: an endpoint or a limit that changes without its page is found here."""

from __future__ import annotations

import re
from pathlib import Path

from nightlight.core.event import MAX_TARGETS, MAX_TEXT
from nightlight.core.fingerprint import MAX_FINGERPRINTS
from nightlight.core.services import Scope
from nightlight.web import WebConfig, create_app
from nightlight.web.api.openapi import documented
from nightlight.web.api.wire import MAX_QUERIES
from nightlight.web.guards import SCOPES
from nightlight.web.problems import STATUS
from nightlight.web.serve import HEADER_TIMEOUT_MS, MOST_CONNECTIONS
from tests.web.fakes import Fakes

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
API = (REFERENCE / "api.md").read_text("utf-8")
LIMITS = (REFERENCE / "limits.md").read_text("utf-8")


def test_every_endpoint_is_listed_with_its_scopes() -> None:
    for method, path, handler, _ in documented(create_app(Fakes().services)):
        scopes = sorted(handler.opt.get(SCOPES, ()))
        if scopes:
            assert f"| `{method} {path}` | {' or '.join(f'`{scope}`' for scope in scopes)} |" in API
        else:
            assert f"`{method} {path}`" in API


def test_no_endpoint_is_listed_that_is_not_there() -> None:
    real = {f"{method} {path}" for method, path, _, _ in documented(create_app(Fakes().services))}
    assert set(re.findall(r"`((?:GET|POST|PATCH|DELETE|PUT) /[^`?]*)`", API)) <= real


def test_every_scope_is_explained() -> None:
    for scope in Scope:
        assert f"\n| `{scope}` |" in API


def test_every_error_code_is_listed_with_its_status() -> None:
    for error, status in STATUS.items():
        assert f"\n| {status} | `{error.code}` |" in API


def test_the_numbers_are_those_of_the_code() -> None:
    config = WebConfig()
    for number in (
        config.max_body,
        config.max_batch_body,
        config.max_batch,
        config.max_media,
        config.max_video,
        config.max_files_bytes,
        MAX_FINGERPRINTS,
        config.page_rate_per_minute,
        MAX_TEXT,
        MAX_TARGETS,
    ):
        assert f"{number:,}" in LIMITS
    for line, most in (
        ("uploads in memory at once", config.max_uploads),
        ("look-ups of one request", MAX_QUERIES),
        ("files, or media events, of one request", config.max_files),
        ("connections at once", MOST_CONNECTIONS),
        ("time for the headers to arrive", HEADER_TIMEOUT_MS / 1000),
        ("time for a body to arrive", config.body_deadline_s),
        ("time until an event is committed", config.commit_deadline_s),
        ("time until an upload is screened", config.answer_deadline_s),
    ):
        assert f"| {line} | {most:g}" in LIMITS
