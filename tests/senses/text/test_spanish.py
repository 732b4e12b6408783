"""Cues in Spanish: in plain words of its own, and on authored lines whose families no phrase was written from."""

from __future__ import annotations

import tomllib
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from nightlight.kit.train.lines import Row, read_lines
from nightlight.senses.text import TextSensor, sensor
from nightlight.senses.text.learned import ABOUT_AUTHOR, REASONS
from nightlight.senses.text.lexicon import CueFile, Lexicon, ModifierEntry
from nightlight.senses.text.sensor import default_lexicon

ROOT = Path(__file__).resolve().parents[3]
SENSOR = TextSensor(default_lexicon())
SOURCE = msgspec.convert(tomllib.loads(Path(sensor.__file__).with_name("cues_es.toml").read_text("utf-8")), CueFile)
LEAST = 0.3
"""Strength from which a cue counts here, as a refusal does in a detector."""


def shown(text: str) -> dict[str, float]:
    return {cue.name: cue.strength for cue in SENSOR.read(text).cues if cue.strength >= LEAST}


@pytest.mark.parametrize(
    ("text", "cue"),
    [
        ("¿Cuántos años tienes?", "age_probe"),
        ("en q colegio estudias", "location_probe"),
        ("estas solo en casa?", "supervision_probe"),
        ("tienes novio?", "relationship_probe"),
        ("eres muy madura para tu edad", "flattery"),
        ("puedes confiar en mí", "false_trust"),
        ("solo tú y yo", "exclusivity"),
        ("creo que te amo", "fast_intimacy"),
        ("te compro un regalo", "gift_offer"),
        ("si me agregas te doy monedas", "game_currency"),
        ("no le digas a tu mamá", "secrecy"),
        ("este es nuestro secreto", "secrecy"),
        ("¿eres de la policía?", "self_protection"),
        ("tus amigos no te entienden", "isolation"),
        ("agrégame en snap", "app_migration"),
        ("pásame tu número", "contact_exchange"),
        ("si me quieres lo haces", "compliance_test"),
        ("¿eres tímida?", "boundary_testing"),
        ("mándame una foto tuya", "picture_ask"),
        ("yo ya te mandé la mía", "bait_picture"),
        ("prende la cámara", "video_call_ask"),
        ("te voy a pasar a buscar, yo voy con coche", "meeting_plan"),
        ("se lo voy a mandar a todos tus amigos", "threat_to_expose"),
        ("si me bloqueas será peor", "refusal_blocking"),
        ("paga 50 euros o lo subo", "payment_demand"),
        ("eso no es suficiente, manda más. no es suficiente", "repeat_demand"),
        ("te voy a arruinar la vida", "ruin_framing"),
        ("te doy 10 minutos o lo subo", "countdown"),
        ("no quiero", "refusal"),
        ("ayúdenme por favor", "asks_for_help"),
        ("me pidió fotos y no para de escribirme", "discloses"),
        ("tengo mucho miedo", "scared"),
        ("tengo 12 años", "self_declared_age"),
        ("quiero matarme", "self_harm"),
        ("sé dónde vives", "threat_to_life"),
        ("mi padrastro me pega", "danger_disclosed"),
    ],
)
def test_each_cue_is_found_in_plain_words(text: str, cue: str) -> None:
    assert cue in shown(text)


def test_every_cue_has_phrases_in_spanish() -> None:
    """Each that is in English, and each that is learned without an English phrase."""
    spanish = {entry.name for entry in SOURCE.cue}
    assert {entry.name for entry in default_lexicon().cues} | set(REASONS) <= spanish


@pytest.mark.parametrize(
    "text",
    [
        "¿me pasas la foto de la tarea?",
        "devuélvemelo o se lo digo a mamá",
        "me voy a morir de risa",
        "es tu turno, tira el dado",
        "soy el mejor en este juego",
        "te voy a destruir en la próxima partida",
        "cierra con llave cuando salgas",
        "tus amigos llegaron al cine",
    ],
)
def test_ordinary_lines_show_nothing_strong(text: str) -> None:
    assert all(strength < 0.5 for strength in shown(text).values())


@pytest.mark.parametrize(
    ("plain", "softer"),
    [
        ("se lo voy a mandar a todos tus amigos", "un tipo me dijo que se lo va a mandar: se lo voy a mandar a todos tus amigos"),
        ("te voy a arruinar la vida", "en mi novela el villano dice que te voy a arruinar la vida"),
        ("no le digas a tu hermana", "no le digas a tu hermana de la fiesta sorpresa"),
        ("mándame una foto", "mándame una foto del perro"),
    ],
)
def test_words_told_a_story_and_a_surprise_weigh_less(plain: str, softer: str) -> None:
    assert max(shown(plain).values()) > max(cue.strength for cue in SENSOR.read(softer).cues)


def test_a_disguised_english_word_is_english_first() -> None:
    """ "allll" is "all" and not Spanish "al", "seeee" is "see" and not "se"."""
    assert "threat_to_expose" in shown("i will send this to allll your friends")
    assert "threat_to_expose" in shown("s3 l0 v0y a m4nd4r a t0d0s tus amigos")
    assert "secrecy" in shown("no le digas a tu mamaaaa")


def test_files_that_contradict_each_other_are_refused() -> None:
    files = [CueFile("en", {}, modifier=(ModifierEntry("says", factor, before=True, phrases=("he said",)),)) for factor in (0.1, 0.9)]
    assert len(Lexicon(files[0], files[0]).phrases) == 2
    with pytest.raises(ValueError, match="different things in two files"):
        Lexicon(*files)


def recall(rows: list[Row], half: int) -> float:
    """Of lines of every second family, the share whose own cue is found."""
    families: dict[tuple[str, ...], list[str]] = {}
    for row in rows:
        known = families.setdefault(row.cues, [])
        if row.group not in known:
            known.append(row.group)
    own = [row for row in rows if row.cues and families[row.cues].index(row.group) % 2 == half]
    return sum(row.cues[0] in shown(row.text) for row in own) / len(own)


def test_recall_and_false_alarms_on_authored_lines() -> None:
    """Measured: .78 on families that phrases were written from, .14 on the others (English phrases: .13); 67 of 600 harmless lines.

    The second number is what phrases are worth on what nobody thought of; learned cues and several messages are for the rest.
    """
    rows = [row for row in read_lines(ROOT / "training") if row.language == "es"]
    assert recall(rows, 0) >= 0.75
    assert recall(rows, 1) >= 0.12
    harmless = [row for row in rows if not row.cues]
    alarms = Counter(bool(set(shown(row.text)) - ABOUT_AUTHOR - {"self_declared_age"}) for row in harmless)
    assert alarms[True] <= 0.13 * len(harmless)
