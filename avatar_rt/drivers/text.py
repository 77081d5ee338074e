"""Text → voice and face: an installed speech engine speaks, and tells when each phone is heard."""

from __future__ import annotations

from avatar_rt.drivers.speech import find_phones
from avatar_rt.drivers.speech_track import SpeechTrack, TrackDriver, with_silence
from avatar_rt.drivers.synth.engines import speak

_BEFORE_S, _AFTER_S = 0.15, 0.3


class TextDriver(TrackDriver):
    """Speaks a text. `audio` is its voice, to be played from the first read() (or start()) on."""

    def __init__(self, text: str, voice: str | None = None) -> None:
        """Synthesizes the whole text, in a tenth of a second for a sentence.

        text: at most 2,000 characters. voice: "de", "flite:slt", "espeak-ng:en-gb"; default
        English. Raises ParameterError for a text without words, too long, or an unknown voice,
        MissingDependencyError where neither espeak-ng nor flite is installed, BackendError where
        the engine fails, DriverError where
        its sound cannot be listened to.
        """
        spoken = speak(text, voice)
        self.text = text
        self.engine = spoken.engine
        # An engine that does not tell its phones is listened to, as a recording is.
        heard = spoken.phones or find_phones(spoken.audio, text, lambda _share: None)[0]
        phones, audio = with_silence(heard, spoken.audio, _BEFORE_S, _AFTER_S)
        super().__init__(SpeechTrack.of_phones(phones, audio))
