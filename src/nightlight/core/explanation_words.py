"""The words of an explanation's paragraph, in English and Spanish: what one account did, and never what the other did or left undone.

Nothing here names, quotes or blames anybody who may be a child.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from msgspec import Struct

from nightlight.core.harm import Harm, Level, Stage
from nightlight.core.signal import Unread


class Words(Struct, frozen=True, kw_only=True):
    opening: Mapping[Harm, str]
    other_harm: str
    """For harms without an opening of their own."""
    stages: Mapping[Stage, str]
    joined: str
    """Between the last two of several."""
    it: str
    lines: tuple[str, str]
    """One line, several lines."""
    within: tuple[str, str, str, str]
    """Within minutes, within an hour, within a day, over days."""
    levels: Mapping[Level, str]
    closing: str
    unread: Mapping[Unread, str]
    abstained: str


WORDS: Mapping[str, Words] = {
    "en": Words(
        opening={
            Harm.GROOMING: "One account's conduct towards somebody who may be a child looks like grooming.",
            Harm.SEXTORTION: "One account's conduct towards somebody who may be a child looks like extortion.",
        },
        other_harm="One account's conduct may harm a child.",
        stages={
            Stage.CONTACT: "asked about age, place or who is near",
            Stage.TRUST: "praised, promised or offered things to win trust",
            Stage.ISOLATION: "asked for secrecy, or to go on elsewhere",
            Stage.TESTING: "tested how far it may go, or went on after a no",
            Stage.SOLICITATION: "asked for pictures or video",
            Stage.MEETING: "spoke of meeting in person",
            Stage.COERCION: "threatened or demanded something",
        },
        joined=" and ",
        it="It",
        lines=("one line counts", "{} lines count"),
        within=("within minutes", "within an hour", "within a day", "over {} days"),
        levels={
            Level.NONE: "The risk is below every level.",
            Level.LOW: "The risk is low.",
            Level.ELEVATED: "The risk is elevated.",
            Level.HIGH: "The risk is high: a person looks at once.",
        },
        closing="Whoever received these lines is not responsible for them, whatever they answered.",
        unread={
            Unread.LANGUAGE: "Not read: language. Some lines are in a language that is not read here, and what they hold is unknown.",
            Unread.NO_TEXT: "Not read: no text. Some lines could not be read at all, and what they hold is unknown.",
        },
        abstained="Nothing was judged here; that is no finding that all is well.",
    ),
    "es": Words(
        opening={
            Harm.GROOMING: "La conducta de una cuenta hacia alguien que puede ser menor se parece al grooming.",
            Harm.SEXTORTION: "La conducta de una cuenta hacia alguien que puede ser menor se parece a una extorsión.",
        },
        other_harm="La conducta de una cuenta puede dañar a un menor.",
        stages={
            Stage.CONTACT: "preguntó por la edad, el lugar o quién está cerca",
            Stage.TRUST: "halagó, prometió u ofreció cosas para ganar confianza",
            Stage.ISOLATION: "pidió guardar secreto o seguir en otro sitio",
            Stage.TESTING: "probó hasta dónde podía llegar o siguió tras un no",
            Stage.SOLICITATION: "pidió fotos o vídeo",
            Stage.MEETING: "habló de verse en persona",
            Stage.COERCION: "amenazó o exigió algo",
        },
        joined=" y ",
        it="Esa cuenta",
        lines=("cuenta una línea", "cuentan {} líneas"),
        within=("en minutos", "en una hora", "en un día", "a lo largo de {} días"),
        levels={
            Level.NONE: "El riesgo está por debajo de todos los niveles.",
            Level.LOW: "El riesgo es bajo.",
            Level.ELEVATED: "El riesgo es elevado.",
            Level.HIGH: "El riesgo es alto: lo mira una persona enseguida.",
        },
        closing="Quien recibió estas líneas no es responsable de ellas, haya respondido lo que haya respondido.",
        unread={
            Unread.LANGUAGE: "Sin leer: idioma. Hay líneas en un idioma que aquí no se lee, y no se sabe qué contienen.",
            Unread.NO_TEXT: "Sin leer: sin texto. Hay líneas que no se pudieron leer, y no se sabe qué contienen.",
        },
        abstained="Aquí no se juzgó nada; eso no significa que todo esté bien.",
    ),
}
LANGUAGES = tuple(WORDS)

MINUTES = 15 * 60.0
HOUR = 3600.0
DAY = 86_400.0


def paragraph(
    language: str,
    harm: Harm,
    level: Level,
    stages: Sequence[Stage],
    *,
    lines: int,
    seconds: float,
    unread: Sequence[Unread] = (),
    abstained: bool = False,
) -> str:
    """One paragraph. `seconds`: from the first to the last time that a stage was shown. Raises KeyError for an unknown language."""
    words = WORDS[language]
    said = []
    if abstained:
        said.append(words.abstained)
    else:
        said.append(words.opening.get(harm, words.other_harm))
        if stages:
            count = words.lines[0] if lines == 1 else words.lines[1].format(lines)
            did = _join([words.stages[stage] for stage in stages], words.joined)
            said.append(f"{words.it} {did} ({count}, {_within(words, seconds)}).")
        said.append(words.levels[level])
    said.extend(words.unread[why] for why in unread)
    if not abstained:
        said.append(words.closing)
    return " ".join(said)


def _join(parts: Sequence[str], last: str) -> str:
    return last.join(("; ".join(parts[:-1]), parts[-1])) if len(parts) > 1 else "".join(parts)


def _within(words: Words, seconds: float) -> str:
    minutes, hour, day, days = words.within
    if seconds <= MINUTES:
        return minutes
    if seconds <= HOUR:
        return hour
    return day if seconds <= DAY else days.format(math.ceil(seconds / DAY))
