"""flite: English voices, in a program that tells when each phone ends (-psdur)."""

from __future__ import annotations

import re
import tempfile
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from avatar_rt.audio import read_audio
from avatar_rt.drivers.synth import program
from avatar_rt.drivers.synth.utterance import Utterance
from avatar_rt.drivers.visemes import Phone
from avatar_rt.errors import BackendError, FileFormatError, ParameterError

TIMEOUT_S = 60.0
_PREFERRED = ("slt", "rms", "kal16")


@dataclass(frozen=True, slots=True)
class Flite:
    """flite's program."""

    path: Path
    name: str = "flite"

    @classmethod
    def find(cls) -> Flite | None:
        """The program, or None where there is none, or one of that name that is another."""
        path = program.recognized("flite", "version: flite-")
        return cls(path) if path else None

    def voices(self) -> list[str]:
        """The voices that are built into it."""
        out = program.run([str(self.path), "-lv"], b"", timeout=TIMEOUT_S, name=self.name)
        return out.decode("utf-8", "replace").partition(":")[2].split()

    def speak(self, text: str, voice: str | None) -> Utterance:
        """See Engine.speak; `voice` is one of voices(). Letters of other scripts are dropped, for
        flite knows only English; raises ParameterError where nothing is left."""
        plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
        if not any(c.isalnum() for c in plain):
            raise ParameterError("flite speaks English only; install espeak-ng for other scripts")
        name = self._voice(voice)
        with tempfile.TemporaryDirectory(prefix="avatar-rt-") as folder:
            script, wav = Path(folder) / "text.txt", Path(folder) / "speech.wav"
            script.write_text(plain + "\n", encoding="ascii")
            # By file: a text in the arguments could be taken for an option or a file's name.
            command = ["-voice", name, "-f", str(script), "-o", str(wav), "-psdur"]
            out = program.run([str(self.path), *command], b"", timeout=TIMEOUT_S, name=self.name)
            try:
                audio = read_audio(wav, name="flite's sound")
            except (FileFormatError, OSError) as error:
                raise BackendError(f"flite gave no sound for this text: {error}") from error
        return Utterance(audio, phones_of_psdur(out.decode("ascii", "replace")), "flite")

    def _voice(self, voice: str | None) -> str:
        known = self.voices()
        if voice is not None and voice not in known:
            raise ParameterError(f"flite has no voice '{voice}'; it has {', '.join(known)}")
        preferred = [v for v in _PREFERRED if v in known] or known
        if not preferred:
            raise BackendError("flite has no voices")
        return voice or preferred[0]


def phones_of_psdur(printed: str) -> tuple[Phone, ...]:
    """What flite prints, "pau:0.159 sh:0.307 …" with each sentence's clock at zero → phones."""
    phones: list[Phone] = []
    sentence = last = 0.0
    for name, seconds in re.findall(r"([a-z]+):(\d+\.\d+)", printed):
        if float(seconds) < last - sentence:
            sentence = last
        end = sentence + float(seconds)
        phones.append(Phone(last, end, name))
        last = end
    return tuple(phones)
