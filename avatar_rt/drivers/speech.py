"""Recorded speech → a talking face: the whole recording is listened to once, before it plays."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from avatar_rt.audio import Audio, read_audio
from avatar_rt.drivers.speech_child import Child
from avatar_rt.drivers.speech_prosody import RATE
from avatar_rt.drivers.speech_track import SpeechTrack, TrackDriver
from avatar_rt.drivers.visemes import Phone
from avatar_rt.errors import FileFormatError
from avatar_rt.files import read_bytes

_TRANSCRIPT_BYTES = 200_000


class SpeechDriver(TrackDriver):
    """Plays recorded speech. `audio` is its sound, to be played from the first read() (or start())
    on; `track` holds phones and weights."""

    def __init__(self, track: SpeechTrack, *, aligned: bool = False, note: str = "") -> None:
        """aligned: whether the phones come from a transcript, else they were recognized.
        note: why a transcript that was given was not used; else empty."""
        super().__init__(track)
        self.aligned, self.note = aligned, note

    @classmethod
    def from_wav(
        cls,
        path: str | Path,
        transcript: str | None = None,
        *,
        progress: Callable[[float], None] | None = None,
    ) -> SpeechDriver:
        """Reads a recording (wav, mp3, ogg …) and listens to it, some 15 times faster than it
        plays.

        transcript: the English words that are said; by default those in a .txt of the same name
        beside the recording, if there is one. With it the phones are aligned, else recognized.
        progress: is told the share of the work that is done, 0 to 1.
        Raises FileFormatError for a file that is no sound, InputError for one that cannot be
        opened, DriverError where the listening process dies.
        """
        source = Path(path)
        audio = read_audio(source)
        words = _transcript_beside(source) if transcript is None else transcript
        return cls.from_audio(audio, words, progress=progress)

    @classmethod
    def from_audio(
        cls,
        audio: Audio,
        transcript: str | None = None,
        *,
        progress: Callable[[float], None] | None = None,
    ) -> SpeechDriver:
        """The same for sound that is already in memory."""
        phones, problem = find_phones(audio, transcript, progress or _unheard)
        track = SpeechTrack.of_phones(phones, audio)
        return cls(track, aligned=transcript is not None and not problem, note=problem)


def find_phones(
    audio: Audio, transcript: str | None, progress: Callable[[float], None]
) -> tuple[list[Phone], str]:
    """The phones of a recording, found in a child process, and "" or why the transcript was not
    used. Raises DriverError where the process dies."""
    child = Child("listen")
    given = json.dumps({"transcript": transcript}).encode() + b"\n"
    pcm = audio.resampled(RATE).samples.tobytes()
    sender = threading.Thread(target=_send, args=(child, given + pcm), daemon=True)
    sender.start()
    answer: dict[str, Any] | None = None
    try:
        for line in child.stdout:
            message = json.loads(line)
            if "phones" in message:
                answer = message
            else:
                progress(float(message["progress"]))
        if answer is None:
            raise child.failure()
    finally:
        child.kill()
        sender.join()
        child.release()
    return [Phone(*entry) for entry in answer["phones"]], str(answer["problem"])


def _send(child: Child, data: bytes) -> None:
    # A child that died is noticed by whoever reads from it.
    with contextlib.suppress(OSError, ValueError):
        child.stdin.write(data)
        child.stdin.close()


def _unheard(_share: float) -> None:
    """For callers who do not ask for progress."""


def _transcript_beside(recording: Path) -> str | None:
    script = recording.with_suffix(".txt")
    if not script.is_file():
        return None
    try:
        return read_bytes(script, _TRANSCRIPT_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FileFormatError(script, "text", "the transcript is not UTF-8") from error
