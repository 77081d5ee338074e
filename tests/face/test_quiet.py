"""MediaPipe's chatter stays out of the user's terminal; what matters gets through."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from avatar_rt.face.quiet import held_stderr


def test_only_chatter_is_dropped(capfd: pytest.CaptureFixture[str]) -> None:
    lines = [
        "W0000 00:00:1795262495.451832   10243 inference_feedback_manager.cc:114] Feedback",
        "INFO: Created TensorFlow Lite XNNPACK delegate for CPU.",
        "E0000 00:00:1795262495.451832   10243 graph.cc:1] what went wrong",
        "another thread's word",
        "WARNING: All log messages before absl::InitializeLog() is called are written to STDERR",
    ]
    with held_stderr():
        os.write(2, "\n".join(lines).encode() + b"\n")
    assert capfd.readouterr().err == f"{lines[2]}\n{lines[3]}\n"


def test_what_was_held_is_given_back_when_the_block_fails(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(ValueError, match="broken"), held_stderr():
        os.write(2, b"last words\n")
        raise ValueError("broken")
    os.write(2, b"and on\n")
    assert capfd.readouterr().err == "last words\nand on\n"


def test_looking_for_a_face_prints_nothing() -> None:
    program = (
        "import skimage.data\n"
        "from avatar_rt.face import face_landmarks, person_mask\n"
        "image = skimage.data.astronaut()\n"
        "assert face_landmarks(image) is not None\n"
        "assert person_mask(image).any()\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
