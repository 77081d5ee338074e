"""From a transcript as people write it to words whose sounds are known.

Pocketsphinx aligns words of its dictionary. Numbers are spelled out, and a word that the
dictionary lacks (a name, mostly) gets a pronunciation by the rules below: crude, but the aligner
needs only to know about how long it is and which lips it takes.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

_ONES = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen"),
    *("eighteen", "nineteen"),
)
_TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_SCALES = ((1_000_000_000, "billion"), (1_000_000, "million"), (1_000, "thousand"))
_SIGNS = {"&": " and ", "%": " percent ", "+": " plus ", "=": " equals ", "@": " at "}
_ABBREVIATIONS = {
    "mr": "mister",
    "mrs": "missus",
    "dr": "doctor",
    "st": "saint",
    "etc": "et cetera",
}

# How English sounds (ARPAbet) are spelled; good enough for names.
_SPELLINGS = {
    "AA": "o",
    "AA R": "ar",
    "AE": "a",
    "AH": "u",
    "AO": "ough augh au aw",
    "AO R": "or",
    "AW": "ou ow",
    "AY": "igh",
    "B": "b bb",
    "CH": "ch tch",
    "D": "d dd",
    "EH": "e",
    "ER": "er ir ur",
    "EY": "eigh ai ay ei",
    "F": "f ff ph",
    "G": "g gg gh",
    "HH": "h",
    "IH": "i",
    "IY": "y ee ea ie ey",
    "JH": "j dge",
    "K": "c k q ck cc kk",
    "K S": "x",
    "K W": "qu",
    "L": "l ll",
    "M": "m mm",
    "N": "n nn kn gn",
    "NG": "ng",
    "OW": "oa oe",
    "OY": "oi oy",
    "P": "p pp",
    "R": "r rr rh wr",
    "S": "s ss",
    "SH": "sh sch",
    "SH AH N": "tion",
    "T": "t tt",
    "TH": "th",
    "UW": "oo ue ui ew",
    "V": "v",
    "W": "w wh",
    "Z": "z zz",
    "ZH AH N": "sion",
}
_SOUND_OF = {s: sound for sound, spellings in _SPELLINGS.items() for s in spellings.split()}
_LONGEST_FIRST = sorted(_SOUND_OF, key=len, reverse=True)


def words_of(transcript: str, known: Callable[[str], bool]) -> list[str]:
    """The words of a transcript in lower-case ASCII, numbers and signs spelled out.

    A word that is not `known` is split at its hyphens and apostrophes where that helps.
    """
    text = unicodedata.normalize("NFKD", transcript.replace("’", "'")).lower()
    for sign, word in _SIGNS.items():
        text = text.replace(sign, word)
    text = re.sub(r"(?<=\d),(?=\d{3}\b)", "", text)
    text = re.sub(r"\d+", lambda found: f" {_number(found[0])} ", text)
    text = text.encode("ascii", "ignore").decode()
    words: list[str] = []
    for token in re.findall(r"[a-z][a-z'-]*", text):
        word = token.strip("'-")
        word = _ABBREVIATIONS.get(word, word)
        words += word.split() if known(word) else [w for w in re.split(r"[-']| ", word) if w]
    return words


def pronounced(word: str) -> str:
    """A guess at the ARPAbet phones of an English word, one or more letters a–z, separated by
    spaces."""
    silent_e = len(word) > 3 and word[-1] == "e" and word[-2] not in "aeiou"
    letters = word[:-1] if silent_e else word
    phones: list[str] = []
    k = 0
    while k < len(letters):
        spelling = next(s for s in _LONGEST_FIRST if letters.startswith(s, k))
        phones.append(_SOUND_OF[spelling])
        k += len(spelling)
    return " ".join(phones)


def _number(digits: str) -> str:
    """A number in words; one of more than nine digits is read digit by digit."""
    if len(digits) > 9 or (digits[0] == "0" and len(digits) > 1):
        return " ".join(_ONES[int(d)] for d in digits)
    return _counted(int(digits))


def _counted(n: int) -> str:
    if n < 20:
        return _ONES[n]
    if n < 100:
        return _TENS[n // 10] + (f" {_ONES[n % 10]}" if n % 10 else "")
    if n < 1000:
        rest = f" and {_counted(n % 100)}" if n % 100 else ""
        return f"{_ONES[n // 100]} hundred{rest}"
    for size, name in _SCALES:
        if n >= size:
            rest = f" {_counted(n % size)}" if n % size else ""
            return f"{_counted(n // size)} {name}{rest}"
    raise AssertionError("every number from 1000 on has a scale")
