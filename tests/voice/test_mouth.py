"""The mouth that timed phones make: it closes, bites, opens, rounds, anticipates and rests."""

from __future__ import annotations

import numpy as np
import pytest

from avatar_rt.arkit import ARKIT_INDEX, ARKIT_MIRROR
from avatar_rt.arrays import F32, F64, I16
from avatar_rt.audio import Audio
from avatar_rt.drivers.speech_mouth import mouth_weights
from avatar_rt.drivers.speech_prosody import Prosody
from avatar_rt.drivers.speech_track import SpeechTrack, TrackDriver
from avatar_rt.drivers.visemes import ARPABET, Phone
from tests.voice.sounds import tone

STEP = 0.01


def said(phones: str, each: float = 0.1) -> tuple[list[Phone], F64, F32]:
    """Phones of equal length between silences → phones, times, weights."""
    names = ["SIL", *phones.split(), "SIL"]
    ends = np.cumsum([0.4, *[each] * (len(names) - 2), 0.4])
    starts = [0.0, *ends[:-1]]
    timed = [Phone(a, b, n) for a, b, n in zip(starts, ends, names, strict=True)]
    times = np.arange(0, ends[-1], STEP)
    return timed, times, mouth_weights(timed, times, np.ones(len(times)))


def of(weights: F32, name: str) -> F32:
    return weights[:, ARKIT_INDEX[name]]


def during(times: F64, phone: Phone) -> slice:
    return slice(*np.searchsorted(times, (phone.start, phone.end)))


@pytest.mark.parametrize("vowels", ["AA {} AA", "UW {} UW", "IY {} IY", "AE {} OW"])
@pytest.mark.parametrize("each", [0.03, 0.05, 0.12])
@pytest.mark.parametrize("lips", ["P", "B", "M"])
def test_lips_meet_whatever_is_around(lips: str, each: float, vowels: str) -> None:
    phones, times, weights = said(vowels.format(lips), each)
    within = during(times, phones[2])
    jaw, close = of(weights, "jawOpen")[within], of(weights, "mouthClose")[within]
    assert jaw.max() < 0.08
    assert close == pytest.approx(jaw, abs=0.01)
    assert of(weights, "mouthPressLeft")[within].min() > 0.2
    for opener in ("mouthFunnel", "mouthLowerDownLeft", "mouthUpperUpRight", "tongueOut"):
        assert of(weights, opener)[within].max() < 0.02


def test_lips_part_between_two_closures() -> None:
    phones, times, weights = said("P AH P", 0.06)
    assert of(weights, "mouthPressLeft")[during(times, phones[2])].min() < 0.02
    assert of(weights, "jawOpen")[during(times, phones[2])].max() > 0.12


def test_the_lower_lip_is_bitten_and_lips_do_not_close() -> None:
    phones, times, weights = said("AA F AA V IY")
    for k in (2, 4):
        within = during(times, phones[k])
        assert of(weights, "mouthRollLower")[within].min() > 0.5
        assert of(weights, "mouthLowerDownLeft")[within].max() < 0.08
        assert of(weights, "mouthClose")[within].max() < 0.01
        assert of(weights, "jawOpen")[within].max() < 0.1


def test_vowels_have_their_shapes() -> None:
    shape = {}
    for vowel in ("AA", "IY", "UW", "OW", "EH"):
        phones, times, weights = said(f"T {vowel} T", 0.2)
        shape[vowel] = weights[during(times, phones[2])].mean(axis=0)
    jaw = {v: w[ARKIT_INDEX["jawOpen"]] for v, w in shape.items()}
    pucker = {v: w[ARKIT_INDEX["mouthPucker"]] for v, w in shape.items()}
    smile = {v: w[ARKIT_INDEX["mouthSmileLeft"]] for v, w in shape.items()}
    assert jaw["AA"] > 0.32 > jaw["EH"] > jaw["IY"]
    assert pucker["UW"] > pucker["OW"] + 0.05 > 0.25 > pucker["AA"] + 0.15
    assert smile["IY"] == max(smile.values())


def test_rounding_is_seen_before_the_vowel() -> None:
    """A consonant that leaves the lips alone already has the lips of the coming vowel."""
    for consonant in ("T", "S", "K", "N"):
        before = {}
        for vowel in ("UW", "IY"):
            phones, times, weights = said(f"{consonant} {vowel}")
            before[vowel] = of(weights, "mouthPucker")[during(times, phones[1])].mean()
        assert before["UW"] > before["IY"] + 0.12, consonant


def test_the_mouth_moves_smoothly_rests_in_silence_and_is_symmetric() -> None:
    _, times, weights = said("HH AH L OW M AY N EY M IH Z B AA B AE F IH Z W AH N")
    assert np.abs(np.diff(weights, axis=0)).max() < 0.25
    assert weights[(times < 0.12) | (times > times[-1] - 0.12)].max() < 0.03
    assert weights.min() >= 0.0
    assert weights.max() <= 1.0
    assert weights[:, list(ARKIT_MIRROR)] == pytest.approx(weights)


def test_every_phone_moves_the_mouth_in_its_own_range() -> None:
    for phone in ARPABET:
        _, _, weights = said(f"{phone} {phone}")
        assert np.isfinite(weights).all()
        assert (weights.max() > 0.1) == (ARPABET[phone][0].viseme != "sil"), phone


def test_no_phones_and_no_moments() -> None:
    times = np.arange(5) * STEP
    assert mouth_weights([], times, np.ones(5)).max() == 0.0
    assert mouth_weights([Phone(0, 1, "AA")], times[:0], np.ones(0)).shape == (0, 52)


def test_a_louder_voice_opens_the_jaw_further() -> None:
    phones, times, _ = said("T AA T", 0.2)
    low, high = (of(mouth_weights(phones, times, np.full(len(times), g)), "jawOpen").max()
                 for g in (0.6, 1.2))  # fmt: skip
    assert high > 1.5 * low


def speech_like() -> I16:
    """0.5 s silence, 1 s of syllables rising in pitch, 0.5 s silence; quiet noise throughout."""
    noise = np.random.default_rng(3).normal(0, 10, 32_000)
    times = np.arange(16_000) / 16_000
    voice = np.sin(2 * np.pi * (140 * times + 30 * times**2)) * (1 - np.cos(8 * np.pi * times))
    noise[8000:24_000] += 5000 * voice
    return noise.astype(np.int16)


def test_prosody_hears_pauses_and_pitch_and_streams_as_it_reads() -> None:
    whole, streamed = Prosody(), Prosody(memory=True)
    sound = speech_like()
    whole.push(sound)
    for piece in np.array_split(sound, 71):
        streamed.push(piece)
    times = np.arange(0, 2, STEP)
    manner, same = whole.at(times), streamed.at(times)
    assert manner.activity[(times < 0.3) | (times > 1.75)].max() == 0.0
    assert manner.activity[(times > 0.55) & (times < 1.5)].min() > 0.95
    assert manner.lift[(times > 1.2) & (times < 1.4)].mean() > manner.lift[times < 0.9].mean()
    for name in ("activity", "loudness", "stress", "lift"):
        assert getattr(same, name) == pytest.approx(getattr(manner, name), abs=1e-9)


def test_prosody_forgets_in_bounded_memory() -> None:
    prosody = Prosody(memory=True)
    for _ in range(15):
        prosody.push(tone(1.0))
    assert prosody.at(np.array([14.5])).activity[0] > 0.9
    assert prosody.at(np.array([1.0])).activity[0] == 0.0


def test_a_track_plays_from_its_first_read_and_rests_after_its_end() -> None:
    phones = [Phone(0, 0.5, "SIL"), Phone(0.5, 1.5, "AA"), Phone(1.5, 2.0, "SIL")]
    track = SpeechTrack.of_phones(phones, Audio(speech_like(), 16_000))
    again = SpeechTrack.of_phones(phones, Audio(speech_like(), 16_000))
    assert np.array_equal(track.weights, again.weights)
    assert np.array_equal(track.head, again.head)
    with TrackDriver(track) as driver:
        assert driver.read(100.0).arkit.max() < 0.01
        spoken = driver.read(101.0)
        assert spoken.arkit[ARKIT_INDEX["jawOpen"]] > 0.2
        assert spoken.time == 101.0
        assert not driver.ended(101.9)
        assert driver.ended(102.1)
        assert driver.read(102.1).arkit.max() == 0.0
        driver.start(200.0)
        assert driver.read(201.0).arkit == pytest.approx(spoken.arkit)


def test_nods_and_brows_are_light() -> None:
    track = SpeechTrack.of_phones([Phone(0.5, 1.5, "AA")], Audio(speech_like(), 16_000))
    assert 0.003 < np.abs(track.head).max() < 0.06
    assert 0.02 < track.weights[:, ARKIT_INDEX["browInnerUp"]].max() <= 0.31
