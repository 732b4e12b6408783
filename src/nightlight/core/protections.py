"""What a feature of a service is to be like for people of an age, by default, and how far a service's own settings are from it."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Protocol

from msgspec import Meta, Struct

from nightlight.core.event import AgeBand, Assurance

FeatureName = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{1,40}$")]
Value = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,40}$")]


class Grade(StrEnum):
    """How grave a deviation is, the gravest first."""

    SERIOUS = "serious"
    """Somebody who would harm a child reaches one by it."""
    MODERATE = "moderate"
    MINOR = "minor"


class Source(Struct, frozen=True, kw_only=True):
    place: str
    """`general`, or whose rule it is: `GB`, `EU`, `US`, `BR`, `AU`."""
    name: str
    """The code, guideline or law, in short. A person must confirm it before relying on it."""


class Protection(Struct, frozen=True, kw_only=True):
    """Of one feature, for one age."""

    feature: str
    about: str
    """What the feature is, in a few words."""
    age_band: AgeBand
    default: str
    """What it is to be set to until somebody changes it: one of `values`."""
    values: tuple[str, ...]
    """All that it may be set to, the most protective first."""
    child_may_change: bool
    """Whether the person themselves may set it to something less protective."""
    guardian_must_agree: bool
    """Whether a guardian has to agree to anything less protective than the default."""
    reason: str
    """In one sentence, in the language asked for."""
    grade: Grade
    """Of a deviation from the default."""
    sources: tuple[Source, ...]


class Setting(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a service really does, of one feature for one age."""

    feature: FeatureName
    age_band: AgeBand
    default: Value
    child_may_change: bool
    guardian_must_agree: bool = False


class ServiceSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A service's settings, as it exports them for the check."""

    version: Annotated[int, Meta(ge=1, le=1)] = 1
    """Of this shape."""
    service: Annotated[str, Meta(max_length=200)] = ""
    places: Annotated[tuple[Annotated[str, Meta(pattern=r"^[A-Z]{2}(-[A-Z0-9]{1,3})?$")], ...], Meta(max_length=300)] = ()
    """Where it is offered. Empty: everywhere, so the strictest rule of any place counts."""
    not_offered: Annotated[tuple[FeatureName, ...], Meta(max_length=200)] = ()
    """Features that it does not have."""
    settings: Annotated[tuple[Setting, ...], Meta(max_length=2000)]


class DeviationKind(StrEnum):
    DEFAULT = "default"
    """The default is less protective."""
    CHANGE = "change"
    """A child may change what only others may."""
    GUARDIAN = "guardian"
    """No guardian is asked where one must agree."""
    MISSING = "missing"
    """Nothing is said of this feature for this age."""


class Deviation(Struct, frozen=True, kw_only=True):
    feature: str
    age_band: AgeBand
    kind: DeviationKind
    grade: Grade
    found: str | None
    """As the service has it; None where it says nothing."""
    expected: str
    reason: str
    sources: tuple[Source, ...]


class ProtectionService(Protocol):
    @property
    def languages(self) -> Sequence[str]: ...

    def protections(
        self, *, age_band: AgeBand | None = None, assurance: Assurance | None = None, place: str | None = None, language: str = "en"
    ) -> Sequence[Protection]:
        """By feature, then by age. `place` None: not known, so the strictest of all. `assurance`: how the age is known; None: that it is
        known well enough. Raises Invalid for a language that there is not."""
        ...

    def check(self, settings: ServiceSettings, language: str = "en") -> Sequence[Deviation]:
        """Every deviation, the gravest first. Raises Invalid for a feature or a value that is not known, or one said twice."""
        ...
