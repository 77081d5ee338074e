"""FLAME's arrays as a HeadModel: moved to our origin, and given what a FLAME file lacks.

Regions, MediaPipe's points and the ARKit map are carried over from the built-in head, which is laid
over FLAME's own mean; nothing of anybody's masks or embeddings is used.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np

from avatar_rt.arkit import ARKIT_NAMES
from avatar_rt.arrays import F32, F64, I32, Bool, floats32, floats64, ints32
from avatar_rt.config import cache_dir
from avatar_rt.errors import InputError
from avatar_rt.head.arkit_fit import ArkitFit, arkit_targets, fit_arkit
from avatar_rt.head.builtin import load_builtin
from avatar_rt.head.closest import nearest_on_mesh, on_surface
from avatar_rt.head.flame.read import FlameArrays, read_flame
from avatar_rt.head.model import HeadModel
from avatar_rt.head.rig import Rig
from avatar_rt.head.store import FORMAT, load_head, save_head
from avatar_rt.head.transfer import Overlay, eyeballs, overlay, place_points

JOINTS = ("root", "neck", "jaw", "left_eye", "right_eye")
LEFT_EYE = slice(3931, 4477)
RIGHT_EYE = slice(4477, 5023)
NAME = "flame"
LICENCE = "FLAME model licence of its file (2023 Open: CC-BY-4.0)"
LANDMARKS = 478
IRISES = {"right_eye": slice(468, 473), "left_eye": slice(473, 478)}
CARRIED = ("face", "scalp", "ears", "neck", "lips", "eyelids", "nose", "brows")
ABSENT = ("upper_teeth", "lower_teeth", "tongue", "gums", "mouth_interior")


def load_flame(path: str | Path, *, fit: bool = True) -> HeadModel:
    """FLAME 2020 or 2023 from the official .pkl or from .npz: 5023 vertices, five joints.

    fit=True carries regions, MediaPipe's points and the ARKit map over from the built-in head; it
    needs the make extra, takes some seconds, and is cached. fit=False reads the file only: the
    ARKit map is then zero, landmarks are absent, and only the eyeballs have regions.

    Raises FileFormatError, naming the array or the refused global, for a wrong, truncated or
    hostile file; InputError where it cannot be read; MissingDependencyError where fit needs what is
    not installed.
    """
    arrays = read_flame(path)
    bare = bare_flame(arrays)
    if not fit:
        return bare
    source = load_builtin()
    key = hashlib.sha256(f"{FORMAT} {arrays.source_hash} {source.source_hash} {_own()}".encode())
    cached = cache_dir() / f"flame-{key.hexdigest()[:24]}.npz"
    if cached.exists():
        try:
            return load_head(cached)
        except InputError:
            cached.unlink(missing_ok=True)
    over = overlay(source, bare)
    head = with_map(_dressed(bare, source, over), _fit(bare, source, over))
    with suppress(InputError):  # a cache that cannot be written costs time, not the head
        save_head(head, cached)
    return head


def flame_arkit_fit(path: str | Path) -> ArkitFit:
    """The ARKit → FLAME map of a file, with its error per shape (ArkitFit.error)."""
    bare, source = bare_flame(read_flame(path)), load_builtin()
    return _fit(bare, source, overlay(source, bare))


def bare_flame(arrays: FlameArrays) -> HeadModel:
    """The arrays as a HeadModel with its origin between the eyes, and nothing carried over."""
    joints = arrays.joint_regressor @ arrays.template
    origin = joints[3:5].mean(0)
    vertices = floats32(arrays.template - origin)
    expressions = len(arrays.expressions)
    uv, uv_faces = _cylinder(floats64(vertices), arrays.faces)
    rig = Rig(
        vertices=vertices,
        faces=arrays.faces,
        expression_basis=floats32(arrays.expressions),
        expression_names=tuple(f"expression{k:03d}" for k in range(expressions)),
        arkit_to_expression=np.zeros((len(ARKIT_NAMES), expressions), np.float32),
        arkit_to_joints=np.zeros((len(ARKIT_NAMES), len(JOINTS), 3), np.float32),
        joint_names=JOINTS,
        joints=floats32(joints - origin),
        parents=arrays.parents,
        weights=floats32(arrays.weights),
        pose_correctives=floats32(arrays.pose_correctives),
    )
    return HeadModel(
        name=NAME,
        licence=LICENCE,
        source_hash=arrays.source_hash,
        template=rig,
        uv=uv,
        uv_faces=uv_faces,
        identity_basis=floats32(arrays.identity),
        identity_names=tuple(f"shape{k:03d}" for k in range(len(arrays.identity))),
        identity_std=np.ones(len(arrays.identity), np.float32),
        joint_regressor=floats32(arrays.joint_regressor),
        regions=_eye_regions(len(vertices)),
        landmark_faces=ints32(np.full(LANDMARKS, -1)),
        landmark_barycentric=np.zeros((LANDMARKS, 3), np.float32),
        mirror=_mirror(floats64(vertices)),
    )


def with_map(head: HeadModel, fit: ArkitFit) -> HeadModel:
    """The head with another ARKit map."""
    rig = replace(
        head.template,
        arkit_to_expression=fit.arkit_to_expression,
        arkit_to_joints=fit.arkit_to_joints,
    )
    return replace(head, template=rig)


def _fit(bare: HeadModel, source: HeadModel, over: Overlay) -> ArkitFit:
    rig = source.template
    eyes = [rig.joint_names.index(name) for name in ("left_eye", "right_eye")]
    return fit_arkit(bare, arkit_targets(source, over, bare), rig.arkit_to_joints[:, eyes])


def _dressed(bare: HeadModel, source: HeadModel, over: Overlay) -> HeadModel:
    """With the source's regions and landmarks."""
    skin = ~eyeballs(bare)
    faces = source.template.faces
    regions = dict(bare.regions)
    regions["skin"] = floats32(skin)
    for name in CARRIED:
        regions[name] = floats32(
            np.clip(over.carry(faces, floats64(source.regions[name])), 0, 1) * skin
        )
    for name in ABSENT:
        regions[name] = np.zeros(len(skin), np.float32)
    triangle, barycentric = _landmarks(bare, source, over)
    return replace(bare, regions=regions, landmark_faces=triangle, landmark_barycentric=barycentric)


def _landmarks(bare: HeadModel, source: HeadModel, over: Overlay) -> tuple[I32, F32]:
    """The source's landmarks, where they lie once it is laid over the target."""
    vertices, faces = floats64(bare.template.vertices), bare.template.faces
    triangle, weights = place_points(
        over, source, bare, source.landmark_faces, floats64(source.landmark_barycentric)
    )
    for name, marks in IRISES.items():
        ball = np.flatnonzero((bare.regions[name] > 0.5)[faces].all(1))
        centre = vertices[bare.regions[name] > 0.5].mean(0)
        # an iris looks the same way on either eyeball, whatever their sizes
        own = source.regions[name] > 0.5
        look = _directions(source, own, marks) @ over.rotation.T
        radius = np.linalg.norm(vertices[bare.regions[name] > 0.5] - centre, axis=1).mean()
        found, weights[marks], _ = nearest_on_mesh(
            centre + radius * look, vertices, ints32(faces[ball])
        )
        triangle[marks] = ball[found]
    absent = source.landmark_faces < 0
    triangle[absent], weights[absent] = -1, 0.0
    return triangle, floats32(weights)


def _directions(source: HeadModel, ball: Bool, marks: slice) -> F64:
    """(n, 3) directions of landmarks seen from their eyeball's centre."""
    vertices = floats64(source.template.vertices)
    place = on_surface(
        vertices,
        source.template.faces,
        source.landmark_faces[marks],
        floats64(source.landmark_barycentric[marks]),
    )
    away = place - vertices[ball].mean(0)
    return floats64(away / np.linalg.norm(away, axis=1, keepdims=True))


def _eye_regions(count: int) -> dict[str, F32]:
    masks = {name: np.zeros(count, np.float32) for name in ("left_eye", "right_eye")}
    masks["left_eye"][LEFT_EYE] = 1.0
    masks["right_eye"][RIGHT_EYE] = 1.0
    return masks


def _mirror(vertices: F64) -> I32:
    """(V,) nearest vertex to each mirrored position; FLAME's mean is symmetric to a millimetre."""
    side = np.zeros(len(vertices))
    side[LEFT_EYE], side[RIGHT_EYE] = 1.0, -1.0
    here = np.column_stack([vertices, side])
    there = here * [-1, 1, 1, -1]
    # by blocks, since all distances at once take 200 MB; scipy's tree is no runtime dependency
    blocks = [
        ((here**2).sum(1) - 2 * block @ here.T).argmin(1) for block in np.array_split(there, 20)
    ]
    return ints32(np.concatenate(blocks))


def _cylinder(vertices: F64, faces: I32) -> tuple[F32, I32]:
    """Texture coordinates by angle about the vertical axis and by height, with the seam at the
    back: corners of triangles that cross it get a second texture vertex beyond the edge."""
    axis = vertices[:, 2].mean()
    u = np.arctan2(vertices[:, 0], vertices[:, 2] - axis) / (2 * np.pi) + 0.5
    v = (vertices[:, 1] - vertices[:, 1].min()) / np.ptp(vertices[:, 1])
    crossing = np.ptp(u[faces], axis=1) > 0.5
    wrapped = np.unique(faces[crossing][u[faces[crossing]] < 0.5])
    twin = np.arange(len(u))
    twin[wrapped] = len(u) + np.arange(len(wrapped))
    uv_faces = faces.copy()
    uv_faces[crossing] = twin[faces[crossing]]
    u = np.concatenate([u, u[wrapped] + 1.0])
    uv = np.column_stack([(u - u.min()) / np.ptp(u), np.concatenate([v, v[wrapped]])])
    return floats32(uv), ints32(uv_faces)


def _own() -> str:
    """A digest of the code that a cached model depends on."""
    total = hashlib.sha256()
    for file in sorted(Path(__file__).parents[1].rglob("*.py")):
        total.update(file.read_bytes())
    return total.hexdigest()
