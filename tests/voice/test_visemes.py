"""Every phone of both alphabets has a mouth shape, and the right one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avatar_rt.drivers.speech_words import pronounced, words_of
from avatar_rt.drivers.visemes import ARPABET, IPA, VISEMES, sounds_of, viseme_of


@pytest.mark.parametrize(
    ("arpabet", "ipa"),
    [
        ("P", "p"), ("M", "m̩"), ("F", "f"), ("TH", "θ"), ("DH", "ð"), ("T", "t"), ("L", "ɫ"),
        ("K", "k"), ("NG", "ŋ"), ("CH", "tʃ"), ("JH", "dʒ"), ("SH", "ʃ"), ("S", "s"), ("R", "ɹ"),
        ("W", "w"), ("Y", "j"), ("HH", "h"), ("AA1", "ɑː"), ("AE", "æ"), ("AH0", "ə"), ("EH", "ɛ"),
        ("ER", "ɜː"), ("IY", "ˈiː"), ("IH", "ɪ"), ("AO", "ɔː"), ("UW", "uː"), ("AY", "aɪ"),
        ("AW", "aʊ"), ("EY", "eɪ"), ("OW", "oʊ"), ("OY", "ˌɔɪ"), ("SIL", ""), ("pau", "_"),
    ],
)  # fmt: skip
def test_both_alphabets_agree(arpabet: str, ipa: str) -> None:
    assert [s.viseme for s in sounds_of(arpabet)] == [s.viseme for s in sounds_of(ipa)]


@pytest.mark.parametrize(
    ("ipa", "viseme"),
    [("ɓ", "PP"), ("ʋ", "FF"), ("ɳ", "DD"), ("ʐ", "CH"), ("χ", "kk"), ("ɥ", "U"), ("y", "U"),
     ("ø", "O"), ("ɶ", "O"), ("ɤ", "E"), ("ɯ", "I"), ("ɛ̃", "E"), ("pʰ", "PP"), ("漢", "DD"),
     ("tˢ", "DD"), ("ts", "SS")],
)  # fmt: skip
def test_sounds_that_english_lacks_are_understood_by_their_features(ipa: str, viseme: str) -> None:
    assert viseme_of(ipa) == viseme


@given(st.text(max_size=8))
def test_any_text_is_some_sound(phone: str) -> None:
    sounds = sounds_of(phone)
    assert all(s.viseme in VISEMES for s in sounds)
    assert sum(s.share for s in sounds) == pytest.approx(1.0)


def test_every_viseme_is_reached() -> None:
    assert {s.viseme for sounds in ARPABET.values() for s in sounds} == set(VISEMES)
    assert {s.viseme for s in IPA.values()} == set(VISEMES) - {"sil"}


def test_transcripts_become_words() -> None:
    known = {"don't", "mister", "the", "and", "at", "well", "known", "percent"}.__contains__
    said = "Mr. Smith-Jones, DON’T: 1,205 @ the café & 007 — 50%! well-known"
    assert " ".join(words_of(said, known)) == (
        "mister smith jones don't one thousand two hundred and five at the cafe "
        "and zero zero seven fifty percent well known"
    )
    assert words_of("漢字 … 😀", known) == []


@pytest.mark.parametrize("word", ["zbigniew", "xylophonistically", "a", "the", "qqq", "strength"])
def test_unknown_words_get_sounds_that_exist(word: str) -> None:
    assert pronounced(word)
    assert all(phone in ARPABET for phone in pronounced(word).split())
