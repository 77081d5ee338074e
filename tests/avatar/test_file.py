"""Avatar.save and Avatar.load: what goes in comes out, bit for bit the second time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from avatar_rt.arrays import floats32
from avatar_rt.avatar import Avatar, Landmarks
from avatar_rt.errors import InputError, ParameterError
from avatar_rt.render import Renderer
from avatar_rt.types import FaceParams
from tests.factory import small_avatar


def with_harmonics(avatar: Avatar, count: int) -> Avatar:
    """The avatar with colours as spherical harmonics."""
    rng = np.random.default_rng(0)
    n = len(avatar.gaussians.triangles)
    colors = floats32(rng.normal(size=(n, count, 3)) * 0.1)
    colors[:, 0] = (avatar.gaussians.colors - 0.5) / 0.2820948
    return replace(avatar, gaussians=replace(avatar.gaussians, colors=colors))


def with_landmarks(avatar: Avatar) -> Avatar:
    faces = np.arange(478, dtype=np.int32) % len(avatar.rig.faces)
    faces[100] = -1
    barycentric = np.tile(floats32([0.5, 0.25, 0.25]), (478, 1))
    return replace(avatar, landmarks=Landmarks(faces, barycentric))


VARIANTS = {
    "affine": small_avatar(),
    "similarity": small_avatar(1, frame="similarity"),
    "harmonics": with_harmonics(small_avatar(2), 9),
    "landmarks": with_landmarks(small_avatar(3)),
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_second_round_trip_is_bit_identical(variant: str, tmp_path: Path) -> None:
    first, second = tmp_path / "a.avatar", tmp_path / "b.avatar"
    VARIANTS[variant].save(first)
    Avatar.load(first).save(second)
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("variant", VARIANTS)
def test_picture_survives_the_file(variant: str, tmp_path: Path) -> None:
    avatar = VARIANTS[variant]
    avatar.save(tmp_path / "a.avatar")
    loaded = Avatar.load(tmp_path / "a.avatar")
    face = FaceParams.from_arkit({"jawOpen": 0.5, "mouthSmileLeft": 1, "eyeLookUpRight": 0.7})
    before, after = (
        Renderer(one).render(face, format="float32").pixels.astype(float)
        for one in (avatar, loaded)
    )
    assert before[..., 3].max() > 0.9
    psnr = 10 * np.log10(1 / np.square(before - after).mean())
    assert psnr >= 60


def test_everything_comes_back(tmp_path: Path) -> None:
    avatar = VARIANTS["landmarks"]
    avatar.save(tmp_path / "a.avatar")
    loaded = Avatar.load(tmp_path / "a.avatar")
    assert loaded.rig.expression_names == avatar.rig.expression_names
    assert loaded.rig.joint_names == avatar.rig.joint_names
    exact = ("vertices", "faces", "joints", "parents", "arkit_to_expression", "arkit_to_joints")
    for name in exact:
        assert np.array_equal(getattr(loaded.rig, name), getattr(avatar.rig, name)), name
    assert loaded.landmarks is not None and avatar.landmarks is not None
    assert np.array_equal(loaded.landmarks.faces, avatar.landmarks.faces)
    assert np.array_equal(loaded.gaussians.offsets, avatar.gaussians.offsets)
    assert loaded.metadata["camera"] == avatar.metadata["camera"]
    assert loaded.rig.expression_basis.flags.c_contiguous
    assert loaded.rig.faces.dtype == np.int32


def test_header_is_completed_and_marks_the_avatar_as_synthetic(tmp_path: Path) -> None:
    bare = replace(small_avatar(), metadata={"name": "me", "provenance": {"synthetic": False}})
    bare.save(tmp_path / "a.avatar")
    metadata = Avatar.load(tmp_path / "a.avatar").metadata
    assert metadata["provenance"]["synthetic"] is True
    assert metadata["provenance"]["tool"].startswith("avatar-rt")
    assert metadata["head_model"]["licence"] == "unknown"
    assert "camera" not in metadata


def test_own_entries_are_kept(tmp_path: Path) -> None:
    avatar = small_avatar()
    avatar.metadata["studio"] = {"take": 3, "note": "Grüße"}
    avatar.save(tmp_path / "a.avatar")
    assert Avatar.load(tmp_path / "a.avatar").metadata["studio"] == {"take": 3, "note": "Grüße"}


def test_a_failed_save_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.avatar"
    good = small_avatar()
    good.save(path)
    before = path.read_bytes()
    quats = good.gaussians.quats.copy()
    quats[7] *= 0.5
    bad = replace(good, gaussians=replace(good.gaussians, quats=quats))
    with pytest.raises(ParameterError, match=r"gaussians\.quats: row 7 is not of unit length"):
        bad.save(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.avatar"]


@pytest.mark.parametrize(
    ("metadata", "field"),
    [
        ({"frame": "affine"}, "frame"),
        ({"name": 3}, "name"),
        ({"camera": {"distance": 1.0, "focal": 2.2, "target": [0, 0]}}, "camera.target"),
        ({"camera": {"distance": float("nan"), "focal": 1, "target": [0, 0, 0]}}, "distance"),
        ({"fast_psnr_db": "many"}, "fast_psnr_db"),
        ({"fast_haste": 4}, "fast_haste"),
        ({"fast_haste": [1]}, "fast_haste"),
        ({"fast_haste": 1.0}, "fast_haste"),
        ({"fast_haste": True}, "fast_haste"),
        ({"studio": {1, 2}}, "metadata"),
        ({"studio": "x" * 600_000}, "metadata"),
    ],
)
def test_metadata_that_no_file_may_hold(
    metadata: dict[str, object], field: str, tmp_path: Path
) -> None:
    avatar = replace(small_avatar(), metadata=metadata)
    with pytest.raises(ParameterError, match=field):
        avatar.save(tmp_path / "a.avatar")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be written"):
        small_avatar().save(tmp_path / "no" / "a.avatar")
    with pytest.raises(InputError, match="is a folder"):
        small_avatar().save(tmp_path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        Avatar.load(tmp_path / "a.avatar")
