"""Merges the tables: of everything that counts at a place, the strictest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from nightlight.core.errors import Invalid
from nightlight.core.event import AgeBand, Assurance
from nightlight.core.protections import Deviation, Protection, ServiceSettings, Source
from nightlight.protect.defaults.check import deviations
from nightlight.protect.defaults.table import BANDS, Feature, General, PlaceTable, shipped
from nightlight.protect.places import falls_under

LANGUAGES = ("en", "es")
GENERAL = "general"


class Protections:
    """Fills `core.protections.ProtectionService`."""

    def __init__(self, tables: tuple[General, Mapping[str, PlaceTable]] | None = None) -> None:
        self._general, self._places = tables or shipped()
        self._features = {feature.name: feature for feature in self._general.feature}

    @property
    def languages(self) -> Sequence[str]:
        return LANGUAGES

    @property
    def features(self) -> Mapping[str, Feature]:
        return self._features

    def protections(
        self, *, age_band: AgeBand | None = None, assurance: Assurance | None = None, place: str | None = None, language: str = "en"
    ) -> Sequence[Protection]:
        """See the Protocol."""
        if language not in LANGUAGES:
            raise Invalid(f"one of {', '.join(LANGUAGES)}", field="language")
        places = falls_under(place)
        bands = tuple(AgeBand) if age_band is None else (self._counted(age_band, assurance, places),)
        return [self._of(feature, band, places, language) for feature in self._general.feature for band in bands]

    def at(self, feature: str, band: AgeBand, places: Sequence[str], language: str = "en") -> Protection:
        """Of one feature, at several named places at once."""
        return self._of(self._features[feature], band, places, language)

    def check(self, settings: ServiceSettings, language: str = "en") -> Sequence[Deviation]:
        """See the Protocol."""
        if language not in LANGUAGES:
            raise Invalid(f"one of {', '.join(LANGUAGES)}", field="language")
        if settings.places:
            places = tuple(dict.fromkeys(name for place in settings.places for name in falls_under(place)))
        else:
            places = falls_under(None)
        return deviations(settings, self._features, lambda feature, band: self._of(self._features[feature], band, places, language))

    def _counted(self, band: AgeBand, assurance: Assurance | None, places: Sequence[str]) -> AgeBand:
        """The age that counts: none, where nobody but the person themselves states it and the place takes no such word."""
        stated = assurance in (Assurance.NONE, Assurance.SELF_DECLARED, Assurance.INFERRED)
        strict = any(not self._places[place].self_declared_counts for place in places)
        # Whoever nobody vouches for and who says that they are grown up is a child until somebody does.
        return AgeBand.UNKNOWN if stated and (strict or band is AgeBand.ADULT) else band

    def _of(self, feature: Feature, band: AgeBand, places: Sequence[str], language: str) -> Protection:
        if band is AgeBand.UNKNOWN:
            return self._unknown(feature, places, language)
        rules = [
            (place, rule) for place in places for rule in self._places[place].rule if rule.feature == feature.name and band in rule.bands
        ]
        values = [feature.default[band], *(rule.default[band] for _, rule in rules if band in rule.default)]
        return Protection(
            feature=feature.name,
            about=getattr(feature.about, language),
            age_band=band,
            default=min(values, key=feature.values.index),
            values=feature.values,
            child_may_change=band is AgeBand.ADULT or (band in feature.child_may_change and not any(band in r.fixed for _, r in rules)),
            guardian_must_agree=band in feature.guardian or any(band in rule.guardian for _, rule in rules),
            reason=getattr(feature.reason, language),
            grade=feature.grade,
            sources=(Source(place=GENERAL, name=feature.source), *(Source(place=place, name=rule.source) for place, rule in rules)),
        )

    def _unknown(self, feature: Feature, places: Sequence[str], language: str) -> Protection:
        """As the strictest of all children's: whoever is not known may be the youngest."""
        every = [self._of(feature, band, places, language) for band in BANDS if band.is_minor]
        strictest = min(every, key=lambda one: feature.values.index(one.default))
        return replace(
            strictest,
            age_band=AgeBand.UNKNOWN,
            child_may_change=all(one.child_may_change for one in every),
            guardian_must_agree=any(one.guardian_must_agree for one in every),
            sources=tuple(dict.fromkeys(source for one in every for source in one.sources)),
        )
