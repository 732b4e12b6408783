"""What the page `/protect-my-picture` sends and gets, and what a reviewer does. Hashes and codes only."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from nightlight.core.fingerprint import PDQ_MIN_QUALITY, Fingerprint, FingerprintKind
from nightlight.core.self_report import MOST_PICTURES, SelfReport, SelfReportState

Hex256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$", description="lower-case hexadecimal")]
Once = Annotated[str, Meta(pattern=r"^[0-9a-f]{32}$", description="a random name of the submission: repeating it changes nothing")]


class Body(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A misspelt field is an error; so is one more, such as a picture's name."""


class ReportedPicture(Body, frozen=True, kw_only=True):
    sha256: Hex256
    pdq: Hex256 | None = None
    """Left out where the picture has too little structure, or could not be decoded."""
    quality: Annotated[int, Meta(ge=PDQ_MIN_QUALITY, le=100)] | None = None
    """Of the PDQ hash; required with it."""

    def fingerprints(self) -> tuple[Fingerprint, ...]:
        exact = Fingerprint(FingerprintKind.SHA256, self.sha256)
        return (exact,) if self.pdq is None else (exact, Fingerprint(FingerprintKind.PDQ, self.pdq, self.quality))


class NewSelfReport(Body, frozen=True, kw_only=True):
    once: Once
    pictures: Annotated[tuple[ReportedPicture, ...], Meta(min_length=1, max_length=MOST_PICTURES)]


class FollowUp(Struct, frozen=True):
    code: str
    """Five groups of four signs. It is shown here only and stored nowhere."""


class AskedCode(Body, frozen=True, kw_only=True):
    code: Annotated[str, Meta(min_length=1, max_length=64)]


class ReportState(Struct, frozen=True):
    """Whether anything matched is not told, before a person looked or after."""

    state: SelfReportState


class SelfReportList(Struct, frozen=True):
    self_reports: tuple[SelfReport, ...]
    next: str | None
    """Give it as `after` for the page that follows; null on the last."""


class FinishedReport(Body, frozen=True, kw_only=True):
    keep: bool
    """Whether its fingerprints stay in the bank."""
