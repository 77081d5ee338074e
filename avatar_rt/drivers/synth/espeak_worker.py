"""Speaks one text through libespeak-ng and exits: the program that avatar-rt runs as a child.

The library keeps its state in globals and may end its process on bad data, so each text gets a
process of its own. Only the standard library is imported: it starts in 30 ms.

stdin: one JSON object {"libraries": [path, …], "text": str, "voice": str, "words_per_minute": int}.
Without "text" it only looks which of the libraries is espeak-ng.
stdout: one line of JSON, then 16-bit mono PCM. The line holds "library" and "version" of the first
that is, and {"rate": Hz, "phones": [[start seconds, IPA], …], "samples": N}; or "error".
"""

from __future__ import annotations

import ctypes
import json
import sys
from typing import Any

# From speak_lib.h, espeak-ng's public header.
_RETRIEVAL = 1
_PHONEME_EVENTS_IN_IPA = 0x0001 | 0x0002
_DONT_EXIT = 0x8000
_CHARS_UTF8 = 1
_EVENT_END_OF_LIST, _EVENT_PHONEME = 0, 7
_PARAMETER_RATE = 1
_POSITION_CHARACTER = 1


class _Id(ctypes.Union):
    _fields_ = [
        ("number", ctypes.c_int),
        ("name", ctypes.c_char_p),
        ("string", ctypes.c_char * 8),
    ]


class _Event(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),  # milliseconds
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Id),
    ]


class _Voice(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p),
        ("languages", ctypes.c_char_p),
        ("identifier", ctypes.c_char_p),
        ("gender", ctypes.c_ubyte),
        ("age", ctypes.c_ubyte),
        ("variant", ctypes.c_ubyte),
        ("xx1", ctypes.c_ubyte),
        ("score", ctypes.c_int),
        ("spare", ctypes.c_void_p),
    ]


_CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


def load(paths: list[str]) -> tuple[ctypes.CDLL, str, str]:
    """The first of `paths` that is espeak-ng: the library, its path and version.

    Raises RuntimeError with what was wrong with each.
    """
    wrong = []
    for path in paths:
        try:
            library = ctypes.CDLL(path)
            library.espeak_ng_GetStatusCodeMessage  # noqa: B018 - the older espeak has it not
            library.espeak_Info.restype = ctypes.c_char_p
            return library, path, library.espeak_Info(None).decode("ascii", "replace")
        except (OSError, AttributeError) as error:
            wrong.append(f"{path}: {error}")
    raise RuntimeError("; ".join(wrong))


def speak(library: ctypes.CDLL, request: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    """Rate, phones and number of samples, and the PCM. Raises RuntimeError with what the library
    said where it refuses."""
    rate = library.espeak_Initialize(_RETRIEVAL, 0, None, _PHONEME_EVENTS_IN_IPA | _DONT_EXIT)
    if rate <= 0:
        raise RuntimeError("its data files cannot be found")
    name = request["voice"].encode()
    language = _Voice(languages=name)
    if (
        library.espeak_SetVoiceByName(name) != 0
        and library.espeak_SetVoiceByProperties(ctypes.byref(language)) != 0
    ):
        raise RuntimeError(f"it has no voice '{request['voice']}'")
    library.espeak_SetParameter(_PARAMETER_RATE, request["words_per_minute"], 0)

    pcm = bytearray()
    phones: list[tuple[float, str]] = []

    def receive(samples: Any, count: int, events: Any) -> int:
        if samples and count > 0:
            pcm.extend(ctypes.string_at(samples, 2 * count))
        k = 0
        while events[k].type != _EVENT_END_OF_LIST:
            if events[k].type == _EVENT_PHONEME:
                ipa = events[k].id.string.decode("utf-8", "ignore")
                phones.append((events[k].audio_position / 1000, ipa))
            k += 1
        return 0

    callback = _CALLBACK(receive)
    library.espeak_SetSynthCallback(callback)
    text = request["text"].encode()
    failed = library.espeak_Synth(
        text, len(text) + 1, 0, _POSITION_CHARACTER, 0, _CHARS_UTF8, None, None
    )
    library.espeak_Synchronize()
    if failed:
        raise RuntimeError(f"it refused the text (error {failed})")
    return {"rate": rate, "phones": phones, "samples": len(pcm) // 2}, bytes(pcm)


def main() -> None:
    request = json.loads(sys.stdin.buffer.read())
    pcm = b""
    try:
        library, path, version = load(request["libraries"])
        reply: dict[str, Any] = {"library": path, "version": version}
        if "text" in request:
            spoken, pcm = speak(library, request)
            reply.update(spoken)
    except RuntimeError as error:
        reply = {"error": str(error)}
    sys.stdout.buffer.write(json.dumps(reply).encode() + b"\n" + pcm)


if __name__ == "__main__":
    main()
