"""Every limit and switch of the web room, in one place. `docs/reference/limits.md` says what each is for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from nightlight.core.assessment import DEFAULT_LEVELS
from nightlight.core.decision import Helpline
from nightlight.core.harm import Level

KIB = 1024
MIB = 1024 * KIB

Size = Annotated[int, Meta(gt=0, le=1024 * MIB)]
Seconds = Annotated[float, Meta(gt=0, le=3600)]
Count = Annotated[int, Meta(gt=0, le=1_000_000)]


class FamilyConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The pages for young people."""

    page: Literal["on", "closing", "off"] = "on"
    service: str | None = None
    leave_to: str | None = None
    helplines: tuple[Helpline, ...] = ()
    address_header: str | None = None
    reports_an_hour: Count = 6
    """From one client address."""
    looks_a_minute: Count = 20
    """At codes, to see how a report stands or to take it back, from one client address."""
    hub: Literal["on", "off"] = "on"
    """The pages under `/family`."""
    help: Literal["on", "off"] = "on"
    """The page `/with-you`."""
    help_reports: Literal["on", "linked", "off"] = "on"
    """Who may report from there: everybody, those who came by a link of the service, nobody."""
    place: str | None = None
    """The country whose helplines are shown to begin with, where a browser names none."""


class WebConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Defaults fit the embedded service. Sizes in bytes, times in seconds."""

    max_body: Size = MIB
    """One JSON body: an event, a bank, anything but a batch."""
    max_batch_body: Size = 4 * MIB
    max_batch: Count = 500
    """Events in one batch."""
    max_media: Size = 32 * MIB
    """A picture: the file part of one upload."""
    max_video: Size = 128 * MIB
    """A file whose first bytes are those of a video. It takes places of `max_uploads` by its size."""
    max_files: Count = 32
    """Files, or media events, of one request."""
    max_files_bytes: Size = 64 * MIB
    """The files of one request together, where they are several."""
    max_uploads: Count = 8
    """Uploads held in memory at once; one more is told to come back. With `max_media` this bounds the memory of the media door."""

    body_deadline_s: Seconds = 30.0
    """A body that has not arrived by then is given up (408), so a trickling client cannot hold a place."""
    commit_deadline_s: Seconds = 30.0
    """An event not committed by then is answered 503. It may still be committed: sending the same id again gets its decision."""
    answer_deadline_s: Seconds = 2.0
    """A picture or video not screened by then is answered 202, with a job."""

    docs_path: Annotated[str, Meta(pattern=r"^/[a-z0-9._/-]+$")] = "/openapi.json"
    live_page: bool = True
    """Serve the live page, `/live.json` and `/metrics` to clients on this very machine."""
    live_page_anywhere: bool = False
    """Serve those to other machines too: counts only, yet counts tell how a service is doing. Put them behind a proxy with a login."""
    page_rate_per_minute: Count = 600
    """Requests to everything that needs no key, per client address."""
    family: FamilyConfig = FamilyConfig()
    console_address: str | None = None
    """Where reviewers reach the console, scheme and host; with https its cookies travel over nothing else."""
    levels: Mapping[Level, float] = field(default_factory=lambda: dict(DEFAULT_LEVELS))
    """Scores at which each level begins, for the charts."""
