"""How far a service's settings are from what they are to be."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from nightlight.core.errors import Invalid
from nightlight.core.event import AgeBand
from nightlight.core.protections import Deviation, DeviationKind, Grade, Protection, ServiceSettings, Setting
from nightlight.protect.defaults.table import Feature

_GRADES = tuple(Grade)
_LOWER = {Grade.SERIOUS: Grade.MODERATE, Grade.MODERATE: Grade.MINOR, Grade.MINOR: Grade.MINOR}


def deviations(
    settings: ServiceSettings, features: Mapping[str, Feature], expected: Callable[[str, AgeBand], Protection]
) -> Sequence[Deviation]:
    """Every deviation, the gravest first, then by feature and age. Raises Invalid naming the entry that cannot be read."""
    said = _said(settings, features)
    found: list[Deviation] = []
    for name in features:
        if name in settings.not_offered:
            continue
        for band in AgeBand:
            found.extend(_compared(said.get((name, band)), expected(name, band)))
    return sorted(found, key=lambda one: _GRADES.index(one.grade))


def _compared(setting: Setting | None, wanted: Protection) -> Sequence[Deviation]:
    if setting is None:
        # Grown-ups may be left out: nothing is asked for them that a service could fall short of.
        return [] if wanted.age_band is AgeBand.ADULT else [_made(wanted, DeviationKind.MISSING, wanted.grade, None, wanted.default)]
    out = []
    looser = wanted.values.index(setting.default) > wanted.values.index(wanted.default)
    if looser:
        out.append(_made(wanted, DeviationKind.DEFAULT, wanted.grade, setting.default, wanted.default))
    can_loosen = wanted.values.index(setting.default) < len(wanted.values) - 1
    if setting.child_may_change and not wanted.child_may_change and can_loosen:
        out.append(_made(wanted, DeviationKind.CHANGE, wanted.grade, "true", "false"))
    if wanted.guardian_must_agree and not setting.guardian_must_agree and setting.child_may_change and can_loosen:
        out.append(_made(wanted, DeviationKind.GUARDIAN, _LOWER[wanted.grade], "false", "true"))
    return out


def _made(wanted: Protection, kind: DeviationKind, grade: Grade, found: str | None, expected: str) -> Deviation:
    return Deviation(
        feature=wanted.feature,
        age_band=wanted.age_band,
        kind=kind,
        grade=grade,
        found=found,
        expected=expected,
        reason=wanted.reason,
        sources=wanted.sources,
    )


def _said(settings: ServiceSettings, features: Mapping[str, Feature]) -> dict[tuple[str, AgeBand], Setting]:
    for number, name in enumerate(settings.not_offered):
        if name not in features:
            raise Invalid(f"there is no feature {name!r}", field=f"not_offered[{number}]")
    out: dict[tuple[str, AgeBand], Setting] = {}
    for number, setting in enumerate(settings.settings):
        where = f"settings[{number}]"
        feature = features.get(setting.feature)
        if feature is None:
            raise Invalid(f"there is no feature {setting.feature!r}", field=f"{where}.feature")
        if setting.default not in feature.values:
            raise Invalid(f"one of {', '.join(feature.values)}", field=f"{where}.default")
        if setting.feature in settings.not_offered:
            raise Invalid("this feature stands under not_offered too", field=f"{where}.feature")
        if (setting.feature, setting.age_band) in out:
            raise Invalid("this feature has a setting for this age already", field=where)
        out[setting.feature, setting.age_band] = setting
    return out
