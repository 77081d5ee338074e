"""Finding the phones in recorded or live speech with pocketsphinx and its wheel's own models.

Three ways, all at 16 kHz in steps of 10 ms: recognition of a whole recording by a phone language
model, forced alignment where the words are known (much better), and recognition of a stream.
The models are English; other languages are heard as their nearest English sounds.

Times count as pocketsphinx counts them, from the beginning of each frame's 25.6 ms window. Against
the times of speech engines they are 7 ms early; they are left so, to compare with alignments made
by others, for nobody sees 7 ms.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from typing import Any

import numpy as np
from pocketsphinx import Decoder, get_model_path

from avatar_rt.arrays import F64, I16
from avatar_rt.drivers.speech_words import pronounced, words_of
from avatar_rt.drivers.visemes import Phone, viseme_of

RATE = 16_000
FRAME_S = 0.01
_FRAME = int(RATE * FRAME_S)
_UTTERANCE_S = 15.0
_AGREEMENT = 0.32
"""Share of speech frames in which alignment and recognition show the same viseme, below which the
transcript is not what is said. Measured: right ones 0.58 to 0.83 (espeak-ng's voice from 0.34),
wrong ones 0.11 to 0.31, most of which cannot even be aligned."""
_PADDING_S = 0.2
_HISSES = (3.0, 0.0, 10.0, 30.0)
"""Strengths of hiss, in units of 16-bit sound, that are tried until alignment finds a path: its
second pass sometimes loses it, and is found again with the slightest change of the sound."""

Progress = Callable[[float], None]


def _recognizer() -> Any:
    model = get_model_path("en-us")
    return Decoder(
        hmm=f"{model}/en-us",
        allphone=f"{model}/en-us-phone.lm.bin",
        lm=None,
        dict=None,
        # The phone language model's weight: between 1.5 and 3 accuracy hardly changes.
        lw=2.0,
        beam=1e-20,
        pbeam=1e-20,
        loglevel="FATAL",
    )


def recognize(samples: I16, progress: Progress) -> list[Phone]:
    """The phones of a whole recording, (N,) int16 at 16 kHz, filling it.

    It is worked on in parts cut at its quietest moments; `progress` gets the share that is done.
    """
    decoder = _recognizer()
    phones: list[Phone] = []
    cuts = _cuts(samples)
    for begin, end in itertools.pairwise(cuts):
        decoder.start_utt()
        decoder.process_raw(samples[begin:end].tobytes(), full_utt=True)
        decoder.end_utt()
        phones += _segments(decoder, begin / RATE)
        progress(end / len(samples))
    return _filling(phones, len(samples) / RATE)


def _cuts(samples: I16) -> list[int]:
    """Where to cut a recording into utterances of at most 15 s: the quietest 0.2 s of the last
    third of each."""
    cuts, longest = [0], int(_UTTERANCE_S * RATE)
    window = RATE // 5
    while len(samples) - cuts[-1] > longest:
        begin = cuts[-1] + longest * 2 // 3
        energy = np.cumsum(samples[begin : cuts[-1] + longest].astype(float) ** 2)
        quietest = int(np.argmin(energy[window:] - energy[:-window]))
        cuts.append(begin + quietest + window // 2)
    return [*cuts, len(samples)]


def align(samples: I16, transcript: str, progress: Progress) -> tuple[list[Phone], str]:
    """The phones of a recording whose words are known, and "" or why they are not as in the
    transcript: then they are recognized instead."""
    heard = recognize(samples, lambda share: progress(0.4 * share))
    phones: list[Phone] = []
    for attempt, hiss in enumerate(_HISSES):
        try:
            phones = _aligned(samples, transcript, hiss)
        except RuntimeError:
            continue
        finally:
            progress(1.0 - 0.3 * 0.5**attempt)
        break
    progress(1.0)
    if not phones:
        return heard, "the transcript cannot be aligned with the sound"
    if agreement(phones, heard) < _AGREEMENT:
        return heard, "the transcript is not what is said in the sound"
    return phones, ""


def _aligned(samples: I16, transcript: str, hiss: float) -> list[Phone]:
    """Raises RuntimeError where pocketsphinx finds no path through the sound.

    Synthetic speech begins without a pause and has pauses of pure zeros, neither of which the
    models have ever heard: silence and a faint hiss are added.
    """
    model = get_model_path("en-us")
    decoder: Any = Decoder(
        hmm=f"{model}/en-us",
        dict=f"{model}/cmudict-en-us.dict",
        lm=None,
        bestpath=False,
        loglevel="FATAL",
    )
    words = words_of(transcript, lambda word: decoder.lookup_word(word) is not None)
    if not words:
        return []
    for word in words:
        if decoder.lookup_word(word) is None:
            decoder.add_word(word, pronounced(word), True)
    padded = np.pad(samples, round(_PADDING_S * RATE)).astype(np.float32)
    padded += np.random.default_rng(0).normal(0.0, hiss, len(padded))
    pcm = np.clip(padded.round(), -32768, 32767).astype(np.int16).tobytes()
    decoder.set_align_text(" ".join(words))
    _decode(decoder, pcm)
    decoder.set_alignment()
    _decode(decoder, pcm)
    found = [p for word in decoder.get_alignment() for p in word]
    duration = len(samples) / RATE
    times = np.array([(p.start, p.start + p.duration) for p in found]) * FRAME_S - _PADDING_S
    inside = np.clip(times, 0.0, duration)
    phones = [Phone(a, b, p.name) for (a, b), p in zip(inside.tolist(), found, strict=True)]
    return _filling(phones, duration)


def _decode(decoder: Any, pcm: bytes) -> None:
    decoder.start_utt()
    decoder.process_raw(pcm, full_utt=True)
    decoder.end_utt()


def agreement(phones: list[Phone], others: list[Phone]) -> float:
    """The share of 10 ms frames with the same viseme, among those in which not both are silent;
    1 where there is none."""
    a, b = visemes_per_frame(phones), visemes_per_frame(others)
    pairs = [(x, y) for x, y in zip(a, b, strict=False) if (x, y) != ("sil", "sil")]
    return sum(x == y for x, y in pairs) / len(pairs) if pairs else 1.0


def visemes_per_frame(phones: list[Phone]) -> list[str]:
    """The viseme in each 10 ms, at whose middle it is looked for."""
    frames: list[str] = []
    for phone in phones:
        count = round(phone.end / FRAME_S) - len(frames)
        frames += [viseme_of(phone.name)] * count
    return frames


def _segments(decoder: Any, offset: float) -> list[Phone]:
    found = decoder.seg()
    return [
        Phone(s.start_frame * FRAME_S + offset, (s.end_frame + 1) * FRAME_S + offset, s.word)
        for s in found or ()
        if not re.match(r"</?s>|\(NULL\)", s.word)
    ]


def _filling(phones: list[Phone], duration: float) -> list[Phone]:
    """The phones stretched over what lies between them, silence before the first and after the
    last."""
    if not phones:
        return [Phone(0.0, duration, "SIL")]
    filled = [Phone(0.0, phones[0].start, "SIL"), *phones, Phone(phones[-1].end, duration, "SIL")]
    ends = [*(p.start for p in filled[1:]), duration]
    return [p._replace(end=end) for p, end in zip(filled, ends, strict=True) if end > p.start]


class PhoneStream:
    """Recognizes a stream; what it says about the last 100 ms may still change.

    The decoder searches from the beginning of its utterance, so a new one is begun every few
    seconds, in a pause where there is one. It hears the end of the old one again, so that nothing
    is lost between the two.
    """

    _LONGEST_S, _SOON_S, _PAUSE_S = 12.0, 5.0, 0.3
    _REPLAYED_S, _FROZEN_S = 0.8, 0.3

    def __init__(self) -> None:
        self._decoder = _recognizer()
        self._decoder.start_utt()
        self._began = 0
        self._heard = 0
        self._recent = np.zeros(0, np.int16)
        self._settled: list[Phone] = []

    @property
    def now(self) -> float:
        """Seconds of sound that were pushed."""
        return self._heard / RATE

    def push(self, samples: I16) -> None:
        """(N,) int16 at 16 kHz, following what was pushed before."""
        self._heard += len(samples)
        self._recent = np.concatenate([self._recent, samples])[-int(self._REPLAYED_S * RATE) :]
        if len(samples):
            self._decoder.process_raw(samples.tobytes())

    def skip(self, count: int) -> None:
        """`count` samples are missing here: begins anew after them."""
        self._settled = self.phones()
        self._recent = np.zeros(0, np.int16)
        self._heard += count
        self._restart(self.now)

    def phones(self) -> list[Phone]:
        """The phones of the last second or more, up to nearly now, in order.

        An utterance may be ended by this call.
        """
        current = _segments(self._decoder, self._began / RATE)
        phones = self._joined(current)
        length = self.now - self._began / RATE
        paused = bool(phones) and phones[-1].name == "SIL" and _lasts(phones[-1]) > self._PAUSE_S
        if length > self._LONGEST_S or (length > self._SOON_S and paused):
            self._settled = [p for p in phones if p.end > self.now - 2.0]
            self._restart(self.now - self._FROZEN_S)
        return phones

    def _restart(self, frozen: float) -> None:
        """A new utterance; phones before `frozen` (seconds) stay as they are."""
        self._decoder.end_utt()
        self._decoder.start_utt()
        self._began = self._heard - len(self._recent)
        if len(self._recent):
            self._decoder.process_raw(self._recent.tobytes())
        self._settled = [
            p._replace(end=min(p.end, frozen)) for p in self._settled if p.start < frozen
        ]

    def _joined(self, current: list[Phone]) -> list[Phone]:
        if not self._settled:
            return current
        frozen = self._settled[-1].end
        later = [p._replace(start=max(p.start, frozen)) for p in current if p.end > frozen]
        return self._settled + later


def _lasts(phone: Phone) -> float:
    return phone.end - phone.start


def times_between(after: float, until: float) -> F64:
    """(T,) the multiples of 10 ms in (after, until]."""
    return np.arange(int(after / FRAME_S + 1e-6) + 1, int(until / FRAME_S + 1e-6) + 1) * FRAME_S
