"""Motion: calm where a tracker trembles, sharp where an eye blinks, soft where sources change."""

from __future__ import annotations

import numpy as np
import pytest

from avatar_rt.arkit import ARKIT_INDEX
from avatar_rt.arrays import F64, floats32, floats64
from avatar_rt.motion import Layer, Motion, blend, limited, mix
from avatar_rt.types import Channels, FaceParams

BLINK, JAW = ARKIT_INDEX["eyeBlinkLeft"], ARKIT_INDEX["jawOpen"]
FRAME = 1 / 150
CAMERA = 1 / 30


def measured(time: float, *, head: float = 0.0, **weights: float) -> FaceParams:
    """What a tracker says: a turn in radians, and ARKit weights."""
    face = FaceParams.from_arkit(weights)
    return face.with_changes(head_pose=floats32([0, head, 0]), time=time, measured=True)


def shown(signal: F64, *, blink: bool) -> F64:
    """What 150 frames a second show of a camera's 30 samples a second, after a second's run-in."""
    motion, out = Motion(0), []
    name = "eyeBlinkLeft" if blink else "jawOpen"
    for k in range(int(len(signal) * CAMERA / FRAME)):
        now = k * FRAME
        sample = min(int(now / CAMERA + 1e-6), len(signal) - 1)
        face = motion.step(now, measured(sample * CAMERA, **{name: float(signal[sample])}))
        out.append(face.arkit[BLINK if blink else JAW])
    return floats64(out)


def test_a_blink_of_four_samples_stays_a_blink() -> None:
    """133 ms, closed in two of four samples: the lid must still close, and open in time."""
    signal = np.zeros(60)
    signal[40:44] = [0.6, 1.0, 1.0, 0.4]
    lid = shown(signal, blink=True)
    assert lid.max() > 0.95
    peak = int(np.argmax(lid)) * FRAME
    assert 41 * CAMERA <= peak <= 43.5 * CAMERA, "no more than 50 ms late"
    assert lid[int((44 + 3) * CAMERA / FRAME) :].max() < 0.1, "open again in 100 ms"


def test_trembling_is_calmed() -> None:
    rng = np.random.default_rng(0)
    motion, heads, raw = Motion(0), [], []
    for k in range(450):
        sample = int(k * FRAME / CAMERA + 1e-6)
        if k % 5 == 0:
            raw.append(float(rng.normal(0, 0.01)))
        heads.append(motion.step(k * FRAME, measured(sample * CAMERA, head=raw[-1])).head_pose[1])
    assert np.std(heads[150:]) < 0.5 * np.std(raw)


def test_a_quick_turn_is_followed_within_a_tenth_of_a_second() -> None:
    motion = Motion(0)
    for k in range(300):
        now = k * FRAME
        turn = 0.5 * float(np.clip((now - 1) / 0.2, 0, 1))
        seen = motion.step(now, measured(now, head=turn)).head_pose[1]
        if 1.0 < now < 1.2:
            lag = turn - seen
            assert lag < 0.5 * 0.1 / 0.2
    assert seen == pytest.approx(0.5, abs=0.01)


def test_steps_of_a_camera_become_motion_between_frames() -> None:
    jaw = shown(np.repeat([0.0, 0.8], 30), blink=False)
    step = np.abs(np.diff(jaw)).max()
    assert step < 0.4, "no frame jumps by half the way"
    assert jaw[-1] == pytest.approx(0.8, abs=0.01)


def test_recorded_faces_are_not_smoothed() -> None:
    motion = Motion(0)
    for k in range(300):
        now = k * FRAME
        weight = 0.5 + 0.5 * np.sin(20 * now)
        face = FaceParams.from_arkit({"jawOpen": weight}).with_changes(time=now)
        seen = motion.step(now, face)
        if now > 1:
            assert seen.arkit[JAW] == pytest.approx(weight, abs=1e-5)


def test_nothing_drives_and_the_face_lives() -> None:
    motion = Motion(4)
    faces = [motion.step(k * FRAME, None) for k in range(1500)]
    blinks = floats64([f.arkit[BLINK] for f in faces])
    assert blinks.max() > 0.9
    assert (blinks < 0.01).mean() > 0.8
    assert np.std([f.head_pose[1] for f in faces]) > 1e-3


def test_a_voice_moves_the_mouth_and_leaves_the_rest_alive() -> None:
    motion, still = Motion(4), Motion(4)
    for k in range(600):
        now = k * FRAME
        voice = FaceParams.from_arkit({"jawOpen": 0.5}).with_changes(
            head_pose=floats32([0.05, 0, 0]), time=now, known=Channels.MOUTH | Channels.BROWS
        )
        face, idle = motion.step(now, voice), still.step(now, None)
        if now > 1:
            assert face.arkit[JAW] == pytest.approx(0.5)
            assert face.arkit[BLINK] == pytest.approx(idle.arkit[BLINK], abs=1e-5)
            nod = face.head_pose - idle.head_pose
            assert np.allclose(nod, [0.05, 0, 0], atol=1e-5), "nods come on top"


def test_a_lost_face_fades_and_does_not_jump() -> None:
    motion, heads, jaws = Motion(0), [], []
    for k in range(600):
        now = k * FRAME
        face = measured(min(now, 2.0), head=0.4, jawOpen=0.7)
        if now > 2:
            face = face.with_changes(known=Channels.NONE, arkit=np.zeros(52, np.float32),
                                     head_pose=np.zeros(3, np.float32))  # fmt: skip
        seen = motion.step(now, face)
        heads.append(seen.head_pose[1])
        jaws.append(seen.arkit[JAW])
    assert heads[290] == pytest.approx(0.4, abs=0.01)
    assert abs(heads[-1]) < 0.05
    assert jaws[-1] < 0.01
    assert np.abs(np.diff(heads)).max() * 150 < 3, "radians a second"
    assert np.abs(np.diff(jaws[150:])).max() < 0.03


def test_a_source_that_speaks_for_nothing_but_repeats_its_last_face_still_fades() -> None:
    motion = Motion(0)
    for k in range(600):
        now = k * FRAME
        face = measured(min(now, 2.0), jawOpen=0.7)
        seen = motion.step(now, face.with_changes(known=Channels.NONE) if now > 2 else face)
    assert seen.arkit[JAW] < 0.01


def test_another_source_is_followed_softly() -> None:
    motion, heads = Motion(0), []
    for k in range(300):
        now = k * FRAME
        if k == 150:
            motion.source_changed(now)
        turn = 0.5 if k < 150 else -0.5
        face = FaceParams(head_pose=floats32([0, turn, 0]), time=now)
        heads.append(float(motion.step(now, face).head_pose[1]))
    assert np.abs(np.diff(heads[100:])).max() < 0.06
    assert heads[-1] == pytest.approx(-0.5, abs=1e-3)


def test_the_same_seed_and_times_give_the_same_motion() -> None:
    def run(seed: int) -> F64:
        motion, rng = Motion(seed), np.random.default_rng(1)
        rows = []
        for k in range(200):
            face = measured(k * CAMERA, head=float(rng.normal(0, 0.1)), jawOpen=float(rng.random()))
            seen = motion.step(k * CAMERA, face if k % 50 < 30 else None)
            rows.append(np.concatenate([seen.arkit, seen.head_pose]))
        return floats64(rows)

    assert np.array_equal(run(3), run(3))
    assert not np.array_equal(run(3), run(4))


def test_time_that_jumps_back_or_far_ahead_does_no_harm() -> None:
    motion = Motion(0)
    for now in (5.0, 5.1, 0.0, 0.1, 1e6, 1e6, 1e6 + 0.1):
        seen = motion.step(now, measured(now, jawOpen=0.5))
        assert np.isfinite(seen.arkit).all()
        assert seen.time == now


def test_limits_bring_back_what_no_face_can_do() -> None:
    wild = FaceParams(
        arkit=np.full(52, 3.0, np.float32),
        head_pose=floats32([0, 9, 0]),
        neck_pose=np.array([np.nan, np.inf, 0], np.float32),
        jaw_pose=floats32([2, 0, 0]),
        eye_pose=np.array([[0, 2, 0], [0, 0, 0.1]], np.float32),
        translation=floats32([5, 0, 0]),
    )
    tame = limited(wild)
    assert tame.arkit.max() == 1
    assert tame.arkit[ARKIT_INDEX["eyeWideLeft"]] == 0, "a shut eye is not wide"
    assert np.degrees(np.linalg.norm(tame.head_pose)) == pytest.approx(75, abs=0.1)
    assert np.isfinite(tame.neck_pose).all()
    assert tame.jaw_pose is not None
    assert tame.eye_pose is not None
    assert np.degrees(tame.jaw_pose[0]) == pytest.approx(30, abs=0.1)
    assert np.degrees(tame.eye_pose[0, 1]) == pytest.approx(40, abs=0.1)
    assert tame.eye_pose[1, 2] == pytest.approx(0.1)
    assert np.linalg.norm(tame.translation) == pytest.approx(0.5)
    mild = FaceParams.from_arkit({"jawOpen": 0.3})
    assert np.array_equal(limited(mild).arkit, mild.arkit)


def test_layers_mix_part_by_part_in_order_of_priority() -> None:
    low = FaceParams.from_arkit({"jawOpen": 0.2, "eyeBlinkLeft": 0.8})
    high = FaceParams.from_arkit({"jawOpen": 0.6})
    mouth, all_parts = np.array([0.5, 0, 0, 0, 0.0]), np.ones(5)
    out = blend([Layer(high, mouth, 5), Layer(low, all_parts, 1)])
    assert out.arkit[JAW] == pytest.approx(0.4)
    assert out.arkit[BLINK] == pytest.approx(0.8)
    turned = FaceParams(eye_pose=np.ones((2, 3), np.float32))
    assert mix(low, turned, 0.4).eye_pose is None, "below half the one before decides"
    half = mix(turned, turned.with_changes(eye_pose=np.zeros((2, 3), np.float32)), 0.25).eye_pose
    assert half is not None
    assert half[0, 0] == pytest.approx(0.75)
