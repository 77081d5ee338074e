"""Reading sound: the right numbers from good files, a clear error or the part that is there from
bad ones, and never another file than the one that was named."""

from __future__ import annotations

import os
import re
from pathlib import Path

import av
import numpy as np
import pytest

from avatar_rt.audio import Audio, StreamResampler, mono16, read_audio
from avatar_rt.errors import FileFormatError, InputError, ParameterError
from tests.voice.sounds import RATE, tone, wav_bytes

PCM = tone().tobytes()
GOOD = wav_bytes(PCM)


def test_a_wav_is_read_sample_for_sample(tmp_path: Path) -> None:
    path = tmp_path / "tone.wav"
    path.write_bytes(GOOD)
    audio = read_audio(path)
    assert audio.rate == RATE
    assert audio.duration == pytest.approx(1.0)
    assert np.abs(audio.samples.astype(int) - tone()).max() <= 1


def test_channels_are_mixed_down() -> None:
    left = tone()
    both = np.stack([left, np.zeros_like(left)], axis=1)
    audio = read_audio(wav_bytes(both.tobytes(), channels=2))
    assert np.corrcoef(audio.samples, left)[0, 1] > 0.999
    assert np.abs(mono16(both).astype(int) - left / 2).max() <= 1


@pytest.mark.parametrize(
    ("suffix", "codec"), [("mp3", "libmp3lame"), ("ogg", "libopus"), ("flac", "flac")]
)
def test_compressed_files_are_read_even_under_another_name(
    tmp_path: Path, suffix: str, codec: str
) -> None:
    path = tmp_path / f"tone.{suffix}"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=RATE)
        assert isinstance(stream, av.AudioStream)
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray(tone()[None], format="s16", layout="mono")
        frame.sample_rate = RATE
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    renamed = path.rename(tmp_path / "renamed.wav")
    audio = read_audio(renamed)
    assert audio.duration == pytest.approx(1.0, abs=0.15)
    assert audio.samples.std() == pytest.approx(tone().std(), rel=0.1)


FLOATS = np.sin(np.arange(RATE) / 20).astype("<f4")
FLOATS[:3] = np.nan, np.inf, -np.inf
PLAYABLE = {
    "float 32 bit with NaN and infinity": (wav_bytes(FLOATS.tobytes(), code=3, bits=32), 1.0),
    "24 bit": (wav_bytes(bytes(3 * RATE), bits=24), 1.0),
    "8 bit": (wav_bytes(b"\x80" * RATE, bits=8), 1.0),
    "A-law": (wav_bytes(b"\x55" * RATE, code=6, bits=8), 1.0),
    "size said to be 4 GB": (wav_bytes(PCM, declared=2**32 - 1), 1.0),
    "size said to be 0": (wav_bytes(PCM, declared=0), 1.0),
    "cut off in the middle": (GOOD[: len(GOOD) // 2], 0.5),
    "odd number of bytes": (GOOD[:-1], 1.0),
}


@pytest.mark.parametrize("kind", PLAYABLE)
def test_unusual_files_are_read(kind: str) -> None:
    data, seconds = PLAYABLE[kind]
    assert read_audio(data).duration == pytest.approx(seconds, abs=0.01)


BROKEN = {
    "empty": b"",
    "one byte": b"R",
    "header cut off": GOOD[:20],
    "no channels": wav_bytes(PCM, channels=0),
    "65,535 channels": wav_bytes(PCM, channels=65_535),
    "0 Hz": wav_bytes(PCM, rate=0),
    "1 Hz": wav_bytes(PCM, rate=1),
    "4 GHz": wav_bytes(PCM, rate=2**32 - 1),
    "no samples": wav_bytes(b""),
    "one byte of sound": wav_bytes(b"\x01"),
    "unknown codec": wav_bytes(PCM, code=0x1234),
    "text": b"These words are no sound.\n" * 50,
    "picture": b"\x89PNG\r\n\x1a\n" + bytes(200),
    "noise": np.random.default_rng(0).bytes(50_000),
    "zeros": bytes(5000),
    "RIFF without a chunk": b"RIFF\x04\x00\x00\x00WAVE",
    "gzip": b"\x1f\x8b\x08" + bytes(100),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_broken_files_are_named_in_a_clear_error(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "bad.wav"
    path.write_bytes(BROKEN[kind])
    with pytest.raises(FileFormatError) as caught:
        read_audio(path)
    assert caught.value.path == path
    assert caught.value.field
    assert len(caught.value.problem) > 10


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.wav"
    os.mkfifo(pipe)
    for path in (pipe, tmp_path, tmp_path / "absent.wav", Path("/dev/zero"), Path("nul\0.wav")):
        with pytest.raises(InputError, match=re.escape(str(path))):
            read_audio(path)


def test_a_playlist_cannot_make_the_decoder_open_another_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret.wav"
    secret.write_bytes(GOOD)
    lists = [
        f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile://{secret}\n#EXT-X-ENDLIST\n",
        f"ffconcat version 1.0\nfile {secret}\n",
    ]
    for text in lists:
        with pytest.raises(FileFormatError):
            read_audio(text.encode())


def test_half_an_hour_is_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("avatar_rt.audio.MAX_SECONDS", 0.5)
    with pytest.raises(FileFormatError, match="duration"):
        read_audio(GOOD)


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000])
def test_resampling_a_stream_is_resampling_the_whole(rate: int) -> None:
    whole = Audio(tone(0.5, rate), rate)
    stream = StreamResampler(rate, RATE)
    sizes = np.random.default_rng(rate).integers(1, 900, 200).cumsum()
    pieces = np.split(whole.samples, sizes[sizes < len(whole.samples)])
    joined = np.concatenate([*map(stream.push, pieces), stream.flush()])
    expected = whole.resampled(RATE)
    assert expected.duration == pytest.approx(whole.duration, abs=1e-4)
    assert np.array_equal(joined[: len(expected.samples)], expected.samples[: len(joined)])
    middle = slice(RATE // 10, RATE // 5)
    assert np.abs(expected.samples[middle].astype(int) - tone(0.5)[middle]).max() < 300


def test_pcm_of_a_wrong_kind_is_refused() -> None:
    for bad in (np.zeros((2, 2, 2), np.int16), np.zeros(4, np.int64), np.zeros((4, 0), np.int16)):
        with pytest.raises(ParameterError):
            mono16(bad)
    for rate in (0, -1, 10**9):
        with pytest.raises(ParameterError):
            StreamResampler(rate, RATE)
