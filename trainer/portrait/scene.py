"""The photograph and the whole avatar mesh in it: what colours are taken from, and for what.

The avatar's rig is the fitted head with its hair; one more expression shape, "photo", holds what
the ARKit shapes could not follow, so that the avatar can take exactly the photograph's face.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from avatar_rt.arrays import F32, F64, floats32
from avatar_rt.head.model import HeadModel
from avatar_rt.head.rig import Rig
from avatar_rt.types import Camera, FaceParams
from trainer.portrait.geometry import posed_vertices
from trainer.portrait.hair import HairMesh, vertex_normals
from trainer.portrait.headfit import HeadFit
from trainer.portrait.maps import at_pixels, signed_distance, step
from trainer.portrait.mask import INNER_LIPS, LEFT_EYE, RIGHT_EYE, HeadMasks, View

PHOTO_SHAPE = "photo"
_LIP_RIM, _LID_RIM = 0.9, 0.3
"""Pixels of the photograph by which rims look wider than they are."""


@dataclass(frozen=True, slots=True)
class Scene:
    """V vertices: the head model's first, then the hair's."""

    view: View
    masks: HeadMasks
    model: HeadModel
    rig: Rig
    camera: Camera
    """Of the view, in the avatar's world."""
    params: FaceParams
    """The photograph's face."""
    points: F32
    """(V, 3) float32 metres: the photograph's pose in camera space."""
    pixels: F32
    """(V, 3) float32 pixel x, pixel y, depth of each vertex in the view."""
    normals: F64
    """(V, 3) in camera space."""
    cover: F32
    """(V of the head,) metres of hair over each vertex, negative where there is none."""

    @property
    def head_vertices(self) -> int:
        return len(self.model.template.vertices)

    @property
    def head_faces(self) -> int:
        return len(self.model.template.faces)


def build_scene(
    view: View, masks: HeadMasks, fit: HeadFit, rig: Rig, camera: Camera, hair: HairMesh | None
) -> Scene:
    """rig: fit.rig(), perhaps with its teeth moved. camera: the photo's, for the view's pixels."""
    whole = with_photo_shape(rig, fit.photo_offsets + _opened(view, fit, camera))
    if hair is not None:
        whole = with_hair(whole, hair)
    bare = np.full(len(rig.vertices), -0.05, np.float32)
    params = photo_params(whole, fit.params())
    points = posed_vertices(whole, params) @ camera.viewmat[:3, :3].T + camera.viewmat[:3, 3]
    image = points @ camera.K.T
    pixels = np.concatenate([image[:, :2] / image[:, 2:], points[:, 2:]], 1)
    return Scene(
        view, masks, fit.model, whole, camera, params, floats32(points), floats32(pixels),
        vertex_normals(points, whole.faces), bare if hair is None else hair.cover,
    )  # fmt: skip


def _opened(view: View, fit: HeadFit, camera: Camera) -> F32:
    """(V, 3) metres that part lids and lips a little more, in the photo's shape only.

    A Gaussian smaller than a pixel is drawn as wide as one; in a small photograph those of the
    rims would close what they surround.
    """
    lids = np.any([view.polygon(outline) for outline in (LEFT_EYE, RIGHT_EYE)], axis=0)
    lips = view.polygon(INNER_LIPS)
    inside = signed_distance(lids | lips)
    smooth = floats32(cv2.GaussianBlur(inside, (0, 0), max(1.0, 0.7 * view.unit)))
    slope = np.stack([cv2.Sobel(smooth, cv2.CV_32F, *d, scale=0.125) for d in ((1, 0), (0, 1))], -1)
    pixels = view.pixels[:, :2]
    outward = -at_pixels(floats32(slope), pixels)
    outward /= np.maximum(np.linalg.norm(outward, axis=1, keepdims=True), 0.3)
    near = 1 - step(np.abs(at_pixels(smooth, pixels)) / view.unit, 1.0, 3.0)
    regions = fit.model.regions
    rims = np.maximum(_LIP_RIM * regions["lips"], _LID_RIM * regions["eyelids"])
    metres = view.pixels[:, 2] / camera.K[0, 0] * view.unit * near * rims
    shift = np.pad(outward, ((0, 0), (0, 1))) * metres[:, None]
    return floats32(shift @ camera.viewmat[:3, :3])


def photo_params(rig: Rig, params: FaceParams) -> FaceParams:
    """`params` with the photo's own shape fully on."""
    coefficients = params.arkit @ rig.arkit_to_expression
    coefficients[rig.expression_names.index(PHOTO_SHAPE)] = 1.0
    return params.with_changes(expression=floats32(coefficients))


def with_photo_shape(rig: Rig, offsets: F32) -> Rig:
    """`rig` with one more expression, which no ARKit weight drives. offsets: (V, 3) metres."""
    return replace(
        rig,
        expression_basis=np.concatenate([rig.expression_basis, floats32(offsets)[None]]),
        expression_names=(*rig.expression_names, PHOTO_SHAPE),
        arkit_to_expression=np.pad(rig.arkit_to_expression, ((0, 0), (0, 1))),
    )


def with_hair(rig: Rig, hair: HairMesh) -> Rig:
    """`rig` with the hair's vertices and triangles after its own."""
    more = len(hair.vertices)

    def padded(basis: F32) -> F32:
        return np.pad(basis, ((0, 0), (0, more), (0, 0)))

    return replace(
        rig,
        vertices=np.concatenate([rig.vertices, hair.vertices]),
        faces=np.concatenate([rig.faces, hair.faces + len(rig.vertices)]),
        expression_basis=padded(rig.expression_basis),
        weights=np.concatenate([rig.weights, hair.weights]),
        pose_correctives=padded(rig.pose_correctives),
    )
