"""Searches and terms in comparable form. The words are invented."""

from __future__ import annotations

import pytest

from nightlight.senses.text.readings import LONGEST_RUN, TermForms, skeleton

READER = TermForms()


def test_a_term_is_its_words_and_their_skeletons() -> None:
    assert READER.term("  Vex, LOOMAR\u200b drin!") == (("vex", "loomar", "drin"), ("vex", "iomar", "drin"))
    assert skeleton("loomar") == "iomar"
    assert READER.term("... !?") == ((), ())


@pytest.mark.parametrize("word", ["z0rbl3k", "zorb1ek", "zorb|ek", "zoorrblek", "z*orb*lek", "z\U0001f600orblek", "z\u043erbl\u0435k"])
def test_disguises_share_a_skeleton(word: str) -> None:
    loose = READER.query(word).loose
    assert skeleton("zorblek") in loose.words


def test_numbers_are_no_disguise() -> None:
    read = READER.query("best of 2014 mp3")
    assert read.loose.words[2] == "2014"
    assert not any(read.loose.disguised[:3])


def test_a_plain_search_has_no_disguise_in_it() -> None:
    read = READER.query("how to bail water out of a boat")
    assert not any(read.loose.disguised)
    assert read.plain == (("how", "to", "bail", "water", "out", "of", "a", "boat"),)


def test_what_is_spaced_out_or_run_together_is_a_piece() -> None:
    assert skeleton("zorblek") in READER.query("a z o r b l e k b").run_together
    assert skeleton("zorblek") in READER.query("see zor-blek!!").run_together
    assert skeleton("zorblek") in READER.query("z.o.r.b.l.e.k").run_together
    assert READER.query("free miptoquandle").joined == ("miptoquandle",)
    assert READER.query("free miptoquandle").run_together == (), "a plain word is compared as it is"


def test_the_sense_of_text_undoes_what_it_knows() -> None:
    assert ("keep", "this", "secret") in READER.query("keep th1s s3cr3t").plain


def test_it_prints_nothing_of_what_it_read() -> None:
    read = READER.query("zorblek z0rblek")
    assert "zorblek" not in repr(read) + str(read) + repr(read.loose) + f"{read!r:>5}"
    assert list(read.__rich_repr__()) == []


@pytest.mark.parametrize("text", ["", " ", "\ud800", "a " * 250, "1@!|" * 125, "\ufdfa" * 500, "z" * 500, "\U0001f381" * 500])
def test_hostile_searches_stay_bounded(text: str) -> None:
    read = READER.query(text)
    assert len(read.run_together) <= 250 * LONGEST_RUN
    assert len(read.plain) <= 3
