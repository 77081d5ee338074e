"""From the sounds of speech to the shapes of a mouth: phones in, visemes out.

Fourteen visemes, a common choice (Oculus' set with "nn" folded into "DD": both hide the tongue).
A phone may be ARPAbet (pocketsphinx, flite) or IPA (espeak-ng); any IPA letter is understood by
where and how it is made, so that a language nobody planned for still moves the right lips.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple


class Phone(NamedTuple):
    """A speech sound and when it is heard, in seconds from the beginning."""

    start: float
    end: float
    name: str


VISEMES = (
    *("sil", "PP", "FF", "TH", "DD", "kk", "CH"),
    *("SS", "RR", "aa", "E", "I", "O", "U"),
)
VISEME_INDEX = {name: k for k, name in enumerate(VISEMES)}


@dataclass(frozen=True, slots=True)
class Sound:
    """One mouth shape of a phone; a diphthong has two."""

    viseme: str
    """One of VISEMES."""
    share: float = 1.0
    """The part of the phone's duration that this shape takes."""
    opening: float = 1.0
    """How far the jaw opens, relative to the viseme's own opening."""


_SILENCE = (Sound("sil"),)

_ARPABET_CONSONANTS = {
    "PP": "P B M",
    "FF": "F V",
    "TH": "TH DH",
    "DD": "T D N L DX NX EL EN",
    "kk": "K G NG HH HV Q",
    "CH": "CH JH SH ZH",
    "SS": "S Z",
    "RR": "R",
    "U": "W WH",
    "I": "Y",
    "sil": "SIL PAU +SPN+ +NSN+ SP",
}
_ARPABET_VOWELS: dict[str, tuple[Sound, ...]] = {
    "AA": (Sound("aa", 1, 1.0),),
    "AE": (Sound("aa", 1, 0.95),),
    "AH": (Sound("aa", 1, 0.7),),
    "AX": (Sound("aa", 1, 0.45),),
    "AW": (Sound("aa", 0.6, 0.95), Sound("U", 0.4)),
    "AY": (Sound("aa", 0.6, 0.95), Sound("I", 0.4)),
    "EH": (Sound("E", 1, 1.1),),
    "EY": (Sound("E", 0.6, 0.9), Sound("I", 0.4)),
    "ER": (Sound("RR", 1, 1.1),),
    "AXR": (Sound("RR", 1, 1.0),),
    "IH": (Sound("I", 1, 1.15),),
    "IX": (Sound("I", 1, 1.1),),
    "IY": (Sound("I", 1, 0.9),),
    "AO": (Sound("O", 1, 1.1),),
    "OW": (Sound("O", 0.6, 0.9), Sound("U", 0.4)),
    "OY": (Sound("O", 0.6, 1.0), Sound("I", 0.4)),
    "UH": (Sound("U", 1, 1.15),),
    "UW": (Sound("U", 1, 0.9),),
}
ARPABET: dict[str, tuple[Sound, ...]] = {
    **{phone: (Sound(v),) for v, phones in _ARPABET_CONSONANTS.items() for phone in phones.split()},
    **_ARPABET_VOWELS,
}

# IPA consonants by place of articulation, which is what lips and jaw show of them.
_IPA_CONSONANTS = {
    "PP": "pbmʙɓʘ",
    "FF": "fvɱʋⱱɸβ",
    "TH": "θðǀ",
    "DD": "tdnlrɾɬɮɫʈɖɳɭɽɗɺǁǃ",
    "SS": "sz",
    "CH": "ʃʒɕʑʂʐǂɧ",
    "RR": "ɹɻ",
    "kk": "cɟkɡgŋɴqɢxɣχʁʀħʕʜʢhɦʔʡçʝɲʎʟɰʄɠʛ",
    "I": "j",
    "U": "wʍɥ",
}
# IPA vowels by height and rounding: viseme, jaw opening relative to it.
_IPA_VOWELS = {
    ("I", 0.9): "iɨɯ",
    ("I", 1.15): "ɪᵻ",
    ("U", 0.9): "uʉy",
    ("U", 1.15): "ʊʏᵿ",
    ("E", 0.85): "eɘɤ",
    ("E", 1.1): "ɛ",
    ("O", 0.9): "oøɵ",
    ("O", 1.1): "ɔœɞ",
    ("O", 1.2): "ɒɶ",
    ("RR", 1.1): "ɜɝɚ",
    ("aa", 0.45): "ə",
    ("aa", 0.7): "ʌɐ",
    ("aa", 0.95): "æ",
    ("aa", 1.0): "aɑ",
}
IPA: dict[str, Sound] = {
    **{letter: Sound(v) for v, letters in _IPA_CONSONANTS.items() for letter in letters},
    **{x: Sound(v, 1.0, o) for (v, o), letters in _IPA_VOWELS.items() for x in letters},
}
_VOWELS = frozenset("".join(_IPA_VOWELS.values()))


@lru_cache(maxsize=4096)
def sounds_of(phone: str) -> tuple[Sound, ...]:
    """The mouth shapes of a phone, one or two, whose shares add up to 1.

    `phone` is ARPAbet in either case, with or without a stress digit ("AY1", "pau"), or IPA with
    any stress, length or other marks ("ˈaɪ", "tʃ", "ɜː"). What is neither is taken for silence
    when it has no letter in it, else for a plain tongue sound ("DD").
    ARPAbet wins where a lower-case name is both; IPA capitals do not exist.
    """
    name = phone.rstrip("0123456789")
    if name.upper() in ARPABET and (name.isupper() or len(name) > 1 or name not in IPA):
        return ARPABET[name.upper()]
    letters = [c for c in unicodedata.normalize("NFD", phone) if c in IPA]
    if not letters:
        spelled = any(unicodedata.category(c) in ("Ll", "Lu", "Lo") for c in phone)
        return (Sound("DD"),) if spelled else _SILENCE
    vowels = [c for c in letters if c in _VOWELS]
    if not vowels:
        # An affricate looks like the fricative that it ends in.
        return (IPA[letters[-1]],)
    if len(vowels) == 1:
        return (IPA[vowels[0]],)
    first, last = IPA[vowels[0]], IPA[vowels[-1]]
    return (Sound(first.viseme, 0.6, first.opening), Sound(last.viseme, 0.4, last.opening))


def viseme_of(phone: str) -> str:
    """The viseme that a phone begins with, one of VISEMES: what accuracy is counted in."""
    return sounds_of(phone)[0].viseme
