"""FaceParams, Camera and the rig's translation of parameters into its own terms."""

from __future__ import annotations

import numpy as np
import pytest

from avatar_rt.arkit import ARKIT_INDEX, ARKIT_MIRROR, ARKIT_NAMES, arkit_weights
from avatar_rt.errors import ParameterError
from avatar_rt.types import Camera, FaceParams


def test_arkit_names_are_apples_52() -> None:
    assert len(ARKIT_NAMES) == len(set(ARKIT_NAMES)) == 52
    assert ARKIT_NAMES[ARKIT_MIRROR[ARKIT_INDEX["mouthSmileLeft"]]] == "mouthSmileRight"
    assert ARKIT_NAMES[ARKIT_MIRROR[ARKIT_INDEX["mouthLeft"]]] == "mouthRight"
    assert ARKIT_NAMES[ARKIT_MIRROR[ARKIT_INDEX["jawOpen"]]] == "jawOpen"
    assert [ARKIT_MIRROR[k] for k in ARKIT_MIRROR] == list(range(52))


def test_unknown_weight_is_named() -> None:
    with pytest.raises(ParameterError, match="jawOpne"):
        arkit_weights({"jawOpne": 1.0})
    assert arkit_weights({"jawOpen": 0.5})[ARKIT_INDEX["jawOpen"]] == 0.5


def test_orbit_camera_sees_its_target_in_the_middle() -> None:
    target = (0.01, -0.02, 0.03)
    camera = Camera.orbit(0.4, -0.2, distance=0.8, width=640, height=480, target=target)
    seen = camera.K @ (camera.viewmat @ [*target, 1.0])[:3]
    assert np.allclose(seen / seen[2], [320, 240, 1])
    assert seen[2] == pytest.approx(0.8)


def test_orbit_goes_to_the_subjects_left_and_up() -> None:
    for camera, axis in ((Camera.orbit(0.5), 0), (Camera.orbit(0, 0.5), 1)):
        position = -camera.viewmat[:3, :3].T @ camera.viewmat[:3, 3]
        assert position[axis] > 0.3


@pytest.mark.parametrize("size", [(0, 5), (5, 0), (-1, 3)])
def test_impossible_sizes_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ParameterError, match="image size"):
        Camera.orbit(width=size[0], height=size[1])
    with pytest.raises(ParameterError, match="distance"):
        Camera.orbit(distance=0)


def test_resizing_keeps_the_field_of_view() -> None:
    camera = Camera.orbit(width=512, height=512).resized(1280, 720)
    assert camera.K[0, 0] / 720 == pytest.approx(2.2)
    assert (camera.K[0, 2], camera.K[1, 2]) == (640, 360)


def test_with_changes_leaves_the_original() -> None:
    rest = FaceParams()
    turned = rest.with_changes(head_pose=np.array([0, 0.1, 0], np.float32))
    assert turned.head_pose[1] == pytest.approx(0.1)
    assert rest.head_pose[1] == 0
