"""Hair as a volume: what the photograph shows of its outline, and what the skull says of the rest.

A field of metres is built in the photo's camera space and turned into a mesh of its own, so that
fringes overhang, curls stand off, buns sit on top and long hair falls behind the shoulders, none of
which a radial offset of the scalp can do. Three bodies are joined: a shell over the scalp as thick
as the outline is away from the skull; the visible hair, inflated to a rounded slab around its place
in depth; and the back of the head, closed row by row between the hair's left and right outline.
Then everything is carved away that the photo would have shown in front of skin or background.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from avatar_rt import _core
from avatar_rt.arrays import F32, F64, I32, Array, Bool, floats32, floats64, ints32
from avatar_rt.head.model import HeadModel
from avatar_rt.head.rig import Rig
from avatar_rt.types import Camera
from trainer.portrait.maps import step
from trainer.portrait.mask import HeadMasks, View
from trainer.portrait.volume import Grid, smoothed, surface

STEP = 0.0065
"""Metres between grid points: the triangles of the hair are about as large."""
_SLAB = 0.034
"""Metres: half the depth to which visible hair is inflated where it is wide."""
_OUTWARD = 0.0018
"""Metres by which Gaussians reach beyond the surface they lie on."""
_INSIDE = 0.006
"""Metres below the skin at which the hair's own surface is closed and then thrown away."""


@dataclass(frozen=True, slots=True)
class HairMesh:
    """Hair as a part of a rig: rigid with the head, falling with the neck."""

    vertices: F32
    """(H, 3) float32 metres in the avatar's world."""
    faces: I32
    """(G, 3) int32 into vertices."""
    weights: F32
    """(H, J) float32 skinning weights of the rig it belongs to."""
    cover: F32
    """(V,) float32 metres of hair over each vertex of the head, negative where there is none."""


@dataclass(frozen=True, slots=True)
class _Skull:
    """The head without ears and without what lies inside it, in camera space."""

    points: F64
    normals: F64
    growth: F32
    """(P,) metres inside the hairline, negative outside."""
    tree: cKDTree

    def distance(self, where: F32) -> tuple[F32, F32]:
        """(N,) signed distance in metres, positive outside: planes through the three nearest
        vertices, weighted by nearness; and (N,) how far inside the hairline that is."""
        far, near = self.tree.query(where, k=3, workers=-1)
        planes = ((where[:, None] - self.points[near]) * self.normals[near]).sum(-1)
        weight = 1 / (far + 1e-4)
        signed = (planes * weight).sum(1) / weight.sum(1)
        # far away a plane says less than the distance itself
        signed = np.where(far[:, 0] > 0.02, np.sign(signed) * far[:, 0], signed)
        return floats32(signed), floats32((self.growth[near] * weight).sum(1) / weight.sum(1))


def hair_mesh(
    view: View, masks: HeadMasks, model: HeadModel, rig: Rig, camera: Camera
) -> HairMesh | None:
    """Hair for `rig` as `camera` saw it in `view`; None for a head without hair to speak of."""
    if (masks.hair > 0.5).sum() < 0.02 * view.face_height**2:
        return None
    rotation, shift = camera.viewmat[:3, :3], camera.viewmat[:3, 3]
    points = floats64(rig.vertices) @ rotation.T + shift
    outer = _outer(model)
    normals = vertex_normals(points, rig.faces)
    skull = _Skull(
        points[outer],
        normals[outer],
        _inside_hairline(points[outer], model.regions["scalp"][outer]),
        cKDTree(points[outer]),
    )
    shape = _Outline(view, masks, model, rig, points, outer, camera)
    grid = shape.grid()
    where = grid.points()
    hair, core = shape.field(where, skull)
    field = np.maximum(hair, core).reshape(grid.shape)
    field = ndimage.gaussian_filter(field, 1.2)
    vertices, faces = surface(floats32(field), grid)
    vertices = smoothed(vertices, faces, 6)
    inside = skull.distance(vertices)[0] < -0.5 * _INSIDE
    faces = _largest_parts(faces[~inside[faces].all(1)], len(vertices))
    used, local = np.unique(faces, return_inverse=True)
    world = (vertices[used] - shift) @ rotation
    cover = np.full(len(points), -0.05, np.float32)
    skin = outer | (model.regions["ears"] > 0)
    cover[skin], _ = shape.field(floats32(points[skin]), skull)
    return HairMesh(
        floats32(world), local.reshape(-1, 3).astype(np.int32), _weights(world, rig, outer), cover
    )


def vertex_normals(vertices: F64 | F32, faces: I32) -> F64:
    """(V, 3) unit normals, weighted by the area of the triangles around; zero for none."""
    v = floats64(vertices)
    face = np.cross(v[faces[:, 1]] - v[faces[:, 0]], v[faces[:, 2]] - v[faces[:, 0]])
    total = np.zeros_like(v)
    for corner in range(3):
        for axis in range(3):
            total[:, axis] += np.bincount(faces[:, corner], face[:, axis], len(v))
    return floats64(total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-30))


def _outer(model: HeadModel) -> Bool:
    """(V,) vertices of the skin's outside, ears left out."""
    names = ("left_eye", "right_eye", "upper_teeth", "lower_teeth", "tongue", "mouth_interior")
    hidden = np.max([model.regions[n] for n in names], axis=0)
    return np.asarray((hidden < 0.5) & (model.regions["ears"] < 0.4))


def _inside_hairline(points: F64, scalp: F32) -> F32:
    """(P,) metres from each point to the hairline, negative where no hair grows."""
    grows = scalp > 0.5
    if grows.all() or not grows.any():
        return np.where(grows, 0.1, -0.1).astype(np.float32)
    inside, _ = cKDTree(points[~grows]).query(points)
    outside, _ = cKDTree(points[grows]).query(points)
    return floats32(np.where(grows, inside, -outside))


def _largest_parts(faces: I32, count: int) -> I32:
    """The faces of all connected parts of at least a twelfth of all."""
    from scipy.sparse import coo_matrix  # noqa: PLC0415
    from scipy.sparse.csgraph import connected_components  # noqa: PLC0415

    ones = np.ones(len(faces) * 2, np.int8)
    ends = (np.repeat(faces[:, 0], 2), faces[:, 1:].ravel())
    _, part = connected_components(coo_matrix((ones, ends), shape=(count, count)), directed=False)
    sizes = np.bincount(part[faces[:, 0]])
    return ints32(faces[sizes[part[faces[:, 0]]] >= len(faces) / 12])


def _last(rows: Array) -> Array:
    """(R,) index of the last true entry of each row of (R, C), 0 where there is none."""
    return np.asarray(np.where(rows.any(1), rows.shape[1] - 1 - rows[:, ::-1].argmax(1), 0))


def _weights(world: F64, rig: Rig, outer: Bool) -> F32:
    """Skinning weights of the nearest skin, whose jaw's share goes to the head."""
    weights = rig.weights.copy()
    names = list(rig.joint_names)
    if "jaw" in names:
        jaw = names.index("jaw")
        weights[:, rig.parents[jaw]] += weights[:, jaw]
        weights[:, jaw] = 0
    _, near = cKDTree(rig.vertices[outer]).query(world, k=12)
    found = weights[outer][near].mean(1)
    return floats32(found / found.sum(1, keepdims=True))


class _Outline:
    """The photograph's side of the hair: maps over its pixels, in metres."""

    def __init__(
        self, view: View, masks: HeadMasks, model: HeadModel, rig: Rig, points: F64, outer: Bool,
        camera: Camera,
    ) -> None:  # fmt: skip
        self.K = camera.K
        self.height, self.width = view.shape
        region = model.regions
        self.center = points[outer & (region["scalp"] > 0.3)].mean(0)
        self.nape = float(points[outer & (region["scalp"] > 0.5), 1].max())
        self.metre = self.K[0, 0] / self.center[2]
        """Pixels per metre at the head's middle."""
        self.skull_points = points[outer]
        self.hair = masks.hair > 0.5
        head = masks.head > 0.5
        neckless = rig.faces[(region["neck"] < 0.5)[rig.faces].all(1)]
        self.depth, bare = self._drawn(view.pixels, neckless)
        whole_depth, _ = self._drawn(view.pixels, rig.faces)
        self.behind = self._extended(whole_depth)
        self.bare = bare
        self.contour = self._signed(head) / self.metre
        """Metres inside the head's outline, negative outside."""
        self.ears = self._covered_ears(points[region["ears"] > 0.5])
        self.hair_inside = ndimage.distance_transform_edt(self.hair) / self.metre
        self.skin = head & ~self.hair
        self.gap = self._gaps(head)
        self._rows()

    def _drawn(self, pixels: F32, faces: I32) -> tuple[F32, Bool]:
        triangle, _, depth = _core.rasterize_mesh(pixels, faces, self.width, self.height, 0)
        return depth, np.asarray(triangle >= 0)

    def _extended(self, depth: F32) -> F32:
        """Depth continued beyond the mesh by the nearest silhouette's, softened."""
        known = np.isfinite(depth)
        index = ndimage.distance_transform_edt(~known, return_distances=False, return_indices=True)
        filled = depth[tuple(index)]
        soft = cv2.GaussianBlur(floats32(filled), (0, 0), 0.012 * self.metre)
        return floats32(np.where(known, depth, soft))

    @staticmethod
    def _signed(mask: Bool) -> F32:
        inside = ndimage.distance_transform_edt(mask)
        outside = ndimage.distance_transform_edt(~mask)
        return floats32(np.where(mask, inside - 0.5, 0.5 - outside))

    def _gaps(self, head: Bool) -> F32:
        """(360,) metres between the bare head's outline and the hair's, by direction in degrees
        from +x towards +y (down); interpolated where the outline is no hair."""
        cx, cy = self._project(self.center[None])[0]
        angle = np.radians(np.arange(360))
        reach = np.arange(0.0, 0.32, 0.001) * self.metre
        u = cx + np.cos(angle)[:, None] * reach
        v = cy + np.sin(angle)[:, None] * reach
        on_head, on_bare, on_hair = (self._at(m, u, v) for m in (head, self.bare, self.hair))
        outline, bare = _last(on_head), _last(on_bare)
        known = on_hair[np.arange(360), outline] & (np.sin(angle) < 0.75)
        gap = np.clip((outline - bare) * 0.001, 0.0, 0.12)
        if not known.any():
            return np.full(360, 0.004, np.float32)
        filled = np.interp(np.arange(360), np.flatnonzero(known), gap[known], period=360)
        return floats32(ndimage.gaussian_filter1d(filled, 5, mode="wrap"))

    def _covered_ears(self, ears: F64) -> F64:
        """(E, 3) the points of those ears on which the photo shows hair."""
        if not len(ears):
            return ears
        on_hair = self._at(self.hair, *self._project(ears).T)
        left = ears[:, 0] < self.center[0]
        share = np.where(left, on_hair[left].mean(), on_hair[~left].mean())
        return ears[share > 0.5]

    def _over_ears(self, where: F32) -> F32:
        """(N,) metres inside a cover over the ears that hair hides."""
        if not len(self.ears):
            return np.full(len(where), -0.05, np.float32)
        far, _ = cKDTree(self.ears[::4]).query(where, distance_upper_bound=0.06, workers=-1)
        return floats32(0.007 - np.minimum(far, 0.06))

    def _rows(self) -> None:
        """For each picture row: the hair's left and right end and how deep the head goes."""
        rows = np.arange(self.height)
        middle = self._project(self.center[None])[0, 0]
        columns = np.arange(self.width) + 0.5
        left_hair = self.hair & (columns < middle)
        right_hair = self.hair & (columns >= middle)
        # on each side how far the hair reaches, and whether there is any
        self.left = np.where(left_hair.any(1), middle - left_hair.argmax(1), 0.0)
        reach = self.width - right_hair[:, ::-1].argmax(1)
        self.right = np.where(right_hair.any(1), reach - middle, 0.0)
        soft = 0.006 * self.metre
        self.left, self.right = (
            floats32(ndimage.gaussian_filter1d(side.astype(np.float64), soft))
            for side in (self.left, self.right)
        )
        image = self._project(self.skull_points)
        row = np.clip(image[:, 1].astype(int), 0, self.height - 1)
        back = np.full(self.height, -np.inf)
        np.maximum.at(back, row, self.skull_points[:, 2])
        known = np.isfinite(back)
        back = np.interp(rows, rows[known], back[known])
        # a nape is hollow; hair hangs straight from the widest point of the skull
        widest = int(back.argmax()) if known.any() else 0
        tall = max(1.0, 0.16 * self.metre)
        hang = back.max() - 0.022 * np.clip((rows - widest) / tall, 0, 2) ** 1.5
        back = np.where(rows > widest, np.maximum(back, hang), back)
        self.back = floats32(ndimage.gaussian_filter1d(back, 0.01 * self.metre))
        self.middle = middle

    def grid(self) -> Grid:
        """The box that holds head and hair, with a margin in which nothing is."""
        v, u = np.nonzero(self.hair)
        x = (np.array([u.min(), u.max()]) - self.K[0, 2]) / self.metre
        y = (np.array([v.min(), v.max()]) - self.K[1, 2]) / self.metre
        scalp = self.skull_points
        low = np.array([min(x[0], self.center[0] - 0.1), min(y[0], scalp[:, 1].min()), 0])
        high = np.array([max(x[1], self.center[0] + 0.1), max(y[1], self.nape), 0])
        low[2], high[2] = scalp[:, 2].min() - 0.02, scalp[:, 2].max() + 0.06
        return Grid.around(low - np.full(3, 0.03), high + np.full(3, 0.03), STEP)

    def field(self, where: F32, skull: _Skull) -> tuple[F32, F32]:
        """(N,) metres inside the hair, and inside the head under it; negative outside."""
        u, v = self._project(where).T
        z = where[:, 2]
        outside, growth = skull.distance(where)
        hair, inside = self._at(self.hair, u, v), self._at(self.hair_inside, u, v)
        thick = self._thickness(where)
        behind = self._at(self.behind, u, v)
        front = z < self.center[2]
        # the shell thins out at the hairline, seen or known
        grown = np.minimum(thick, 0.002 + np.where(growth > 0, 0.4, 1.0) * growth)
        shell = np.where(hair & front, np.minimum(thick, 0.002 + 0.45 * inside), grown) - outside
        deep = np.minimum(inside, _SLAB)
        slab = np.sqrt(deep * (2 * _SLAB - deep))
        on_head = self._at(self.bare, u, v)
        slab = np.where(on_head, np.minimum(slab, 0.6 * thick + 0.002), slab)
        # beyond the skull's outline hair lies a little behind it, as ears and temples do
        visible = np.where(hair, slab - np.abs(z - behind - np.where(on_head, 0, 0.012)), -0.05)
        field = np.maximum(np.maximum(shell, visible), self._back_of_head(u, v, z))
        field = np.maximum(field, self._over_ears(where))
        contour, skin = self._at(self.contour, u, v), self._at(self.skin, u, v)
        field = np.minimum(field, contour - _OUTWARD)
        field = np.where(skin, np.minimum(field, z - behind - 0.004), field)
        return floats32(np.clip(field, -0.05, 0.05)), floats32(
            np.clip(-outside - _INSIDE, -0.05, 0.05)
        )

    def _thickness(self, where: F32) -> F32:
        """(N,) metres of hair over the skull in the direction of each point."""
        d = where - self.center
        d /= np.maximum(np.linalg.norm(d, axis=1, keepdims=True), 1e-9)
        degrees = np.degrees(np.arctan2(d[:, 1], d[:, 0])) % 360
        seen = np.interp(degrees, np.arange(360), self.gap, period=360)
        usual = float(np.median(self.gap[180:360]))
        across = d[:, 0] ** 2 + d[:, 1] ** 2
        unseen = np.where(d[:, 2] > 0, 0.85 * usual, 0.6 * usual)
        return floats32(np.clip(across * seen + (1 - across) * unseen, 0.002, 0.1))

    def _back_of_head(self, u: F32, v: F32, z: F32) -> F32:
        """(N,) metres inside a half of a superellipse in each row, from ear to ear behind."""
        row = np.clip(v.astype(int), 0, self.height - 1)
        aside = u - self.middle
        half = np.where(aside < 0, self.left[row], self.right[row]) / self.metre
        usual = float(np.median(self.gap[180:360]))
        depth = self.back[row] + 0.7 * usual - self.center[2]
        a = np.abs(aside) / self.metre / np.maximum(half, 1e-4)
        b = np.maximum(z - self.center[2], 0) / np.maximum(depth, 1e-4)
        p = 2.3
        radius = (np.clip(a, 0, 4) ** p + np.clip(b, 0, 4) ** p) ** (1 / p)
        inside = (1 - radius) * np.minimum(half, depth)
        ok = (half > 0.045) & (depth > 0.04) & (z > self.center[2] - 0.01)
        # hair that hardly stands off the skull does not hang behind it either
        short = 0.03 * (1 - float(step(np.array([usual]), 0.010, 0.020)[0]))
        return floats32(np.where(ok, inside - short, -0.05))

    def _project(self, points: F64 | F32) -> F64:
        image = points @ self.K.T
        return floats64(image[:, :2] / image[:, 2:])

    def _at(self, values: F32 | Bool, u: F64 | F32, v: F64 | F32) -> F32:
        """A map's values at pixel positions, nearest; the border continues outside."""
        i = np.clip(v.astype(np.int32), 0, self.height - 1)
        j = np.clip(u.astype(np.int32), 0, self.width - 1)
        return np.asarray(values[i, j])
