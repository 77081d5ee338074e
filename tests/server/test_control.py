"""What a page may say: every command as it should be, and everything else refused in words."""

from __future__ import annotations

import json
import math

import pytest

from avatar_rt.errors import ParameterError
from avatar_rt.server import control
from avatar_rt.server.limits import Limits

LIMITS = Limits()


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ('{"type":"camera","yaw":0.5,"pitch":-0.2,"zoom":1}', control.MoveCamera(0.5, -0.2, 1.0)),
        ('{"type":"camera","yaw":0,"pitch":9,"zoom":99}', control.MoveCamera(0.0, 1.3, 3.0)),
        ('{"type":"camera","reset":true}', control.ResetCamera()),
        ('{"type":"drive","source":"webcam"}', control.Drive("webcam")),
        ('{"type":"drive","source":"text","text":" Hi\\n you "}', control.Drive("text", "Hi you")),
        ('{"type":"drive","source":"clip","text":7}', control.Drive("clip")),
        ('{"type":"stop"}', control.StopTalking()),
        ('{"type":"ping","t":12}', control.Ping(12.0)),
        ('{"type":"sound","on":true,"delay_ms":70}', control.Sound(True, 70.0)),
        ('{"type":"sound","on":false,"delay_ms":-9e9}', control.Sound(False, 0.0)),
        ('{"type":"cancel"}', control.CancelMake()),
        ('{"type":"avatar","which":"mine"}', control.ShowAvatar("mine")),
    ],
)
def test_commands(text: str, command: control.Command) -> None:
    assert control.parse_command(text, LIMITS) == command


def test_turns_wrap() -> None:
    command = control.parse_command('{"type":"camera","yaw":7,"pitch":0,"zoom":1}', LIMITS)
    assert isinstance(command, control.MoveCamera)
    assert command.yaw == pytest.approx(7 - 2 * math.pi)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("nonsense", "not JSON"),
        ("[]", "must be a JSON object, not list"),
        ('"camera"', "must be a JSON object, not str"),
        ("{}", "'type' must be"),
        ('{"type": 3}', "'type' must be"),
        ('{"type": ["camera"]}', "'type' must be"),
        ('{"type": "shutdown"}', "'type' must be"),
        ('{"type":"camera"}', "'yaw' must be a number"),
        ('{"type":"camera","yaw":"left","pitch":0,"zoom":1}', "'yaw' must be a number"),
        ('{"type":"camera","yaw":true,"pitch":0,"zoom":1}', "'yaw' must be a number"),
        ('{"type":"camera","yaw":NaN,"pitch":0,"zoom":1}', "NaN is not a number"),
        ('{"type":"camera","yaw":1e999,"pitch":0,"zoom":1}', "finite"),
        ('{"type":"camera","yaw":0,"pitch":null,"zoom":1}', "'pitch' must be a number"),
        ('{"type":"camera","reset":1}', "'reset' must be true or false"),
        ('{"type":"camera","reset":false}', "'reset' must be true"),
        ('{"type":"sound","on":"yes","delay_ms":1}', "'on' must be true or false"),
        ('{"type":"sound","on":true}', "'delay_ms' must be a number"),
        ('{"type":"drive"}', "'source' must be one of"),
        ('{"type":"drive","source":"/etc/passwd"}', "'source' must be one of"),
        ('{"type":"drive","source":["idle"]}', "'source' must be one of"),
        ('{"type":"drive","source":"text"}', "'text' must be a string"),
        ('{"type":"drive","source":"text","text":" \\u0000\\t "}', "is empty"),
        ('{"type":"ping"}', "'t' must be a number"),
        ('{"type":"avatar","which":"yours"}', "'which' must be"),
        ("[" * 3999, "nested too deeply"),
        ("x" * 4001, "longer than 4000 characters; a text to speak may have at most 600"),
    ],
)
def test_everything_else_is_refused_in_words(text: str, said: str) -> None:
    with pytest.raises(ParameterError, match=said):
        control.parse_command(text, LIMITS)


def test_bytes_and_huge_numbers_are_refused() -> None:
    with pytest.raises(ParameterError, match="not bytes"):
        control.parse_command(b"{}", LIMITS)
    huge = '{"type":"ping","t":' + "9" * 3900 + "}"
    with pytest.raises(ParameterError, match="finite"):
        control.parse_command(huge, LIMITS)


def test_a_text_that_is_too_long_says_how_long_it_may_be() -> None:
    text = json.dumps({"type": "drive", "source": "text", "text": "word " * 200})
    with pytest.raises(ParameterError, match="at most 600"):
        control.parse_command(text, LIMITS)
