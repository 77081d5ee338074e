"""Finds where MediaPipe's 478 face points lie on the built-in head, and writes the file it ships.

    python -m trainer.portrait.embed_landmarks

The head is rendered from many sides, MediaPipe looks at the pictures, its points are triangulated
and dropped onto the nearest skin. Lips come from pictures with an open mouth, where upper and lower
can be told apart; irises lie on the eyeballs. The result is made symmetric.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from avatar_rt import _core
from avatar_rt.arrays import F64, I32, U8, Bool, floats32, floats64, ints32
from avatar_rt.head import HeadModel, Rig, load_builtin
from avatar_rt.head.animate import posed_vertices
from avatar_rt.head.closest import nearest_on_mesh, on_surface
from avatar_rt.head.landmarks import FILE, LANDMARKS, topology
from avatar_rt.types import Camera, FaceParams

SIZE = 640
SAMPLES = 2
YAWS = np.radians([-36, -27, -18, -9, 0, 9, 18, 27, 36])
PITCHES = np.radians([-16, -6, 4, 14])
OPEN_MOUTH = {"jawOpen": 0.35, "mouthFunnel": 0.25}
IRISES = {"left_eye": range(473, 478), "right_eye": range(468, 473)}
IRIS_RADIUS = 0.0058
SKIN, LIPS, MOUTH, TEETH, BROWS, WHITE, IRIS, PUPIL = (
    np.array(c)
    for c in ((0.80, 0.62, 0.53), (0.66, 0.33, 0.31), (0.16, 0.05, 0.05), (0.92, 0.9, 0.84),
              (0.28, 0.2, 0.16), (0.93, 0.92, 0.9), (0.3, 0.22, 0.14), (0.03, 0.03, 0.03))
)  # fmt: skip


@dataclass(frozen=True)
class View:
    """What MediaPipe saw from one camera."""

    camera: Camera
    points: F64
    """(478, 2) pixels."""


def paint(head: HeadModel) -> F64:
    """(V, 3) plain colours by region, eyes left white."""
    regions = head.regions
    colours = np.tile(SKIN, (len(head.template.vertices), 1))
    teeth = regions["upper_teeth"] + regions["lower_teeth"]
    eyes = regions["left_eye"] + regions["right_eye"]
    for mask, colour in (
        (regions["lips"], LIPS), (0.6 * regions["brows"], BROWS),
        (regions["mouth_interior"], MOUTH), (teeth, TEETH), (regions["tongue"], LIPS),
        (eyes, WHITE),
    ):  # fmt: skip
        colours += mask[:, None] * (colour - colours)
    return floats64(colours)


def render(rig: Rig, vertices: F64, colours: F64, eyes: dict[str, Bool], camera: Camera) -> U8:
    """(H, W, 3) uint8: a shaded picture, smoothed by sampling each pixel 2×2 times."""
    fine = camera.resized(camera.width * SAMPLES, camera.height * SAMPLES)
    seen = vertices @ fine.viewmat[:3, :3].T + fine.viewmat[:3, 3]
    pixels = seen @ fine.K.T
    points = floats32(np.column_stack([pixels[:, :2] / pixels[:, 2:], seen[:, 2]]))
    triangle, weights, _ = _core.rasterize_mesh(points, rig.faces, fine.width, fine.height, 0)
    hit = triangle >= 0
    faces, w = rig.faces[triangle[hit]], weights[hit].astype(float)

    corner = vertices[rig.faces]
    flat = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    normals = np.zeros_like(vertices)
    for k in range(3):
        np.add.at(normals, rig.faces[:, k], flat)
    normal = np.einsum("nk,nkd->nd", w, normals[faces])
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)
    colour = np.einsum("nk,nkd->nd", w, colours[faces])
    for mask in eyes.values():
        centre = vertices[mask].mean(0)
        on_eye = mask[faces[:, 0]]
        place = np.einsum("nk,nkd->nd", w[on_eye], vertices[faces[on_eye]]) - centre
        off_axis = np.where(place[:, 2] > 0, np.hypot(place[:, 0], place[:, 1]), 1.0)
        colour[on_eye] = np.where(off_axis[:, None] < IRIS_RADIUS, IRIS, colour[on_eye])
        colour[on_eye] = np.where(off_axis[:, None] < IRIS_RADIUS * 0.4, PUPIL, colour[on_eye])
    light = -fine.viewmat[2, :3] + [0.25, 0.6, 0.0]
    shade = 0.45 + 0.55 * np.clip(normal @ (light / np.linalg.norm(light)), 0, 1)
    image = np.full((fine.height, fine.width, 3), 0.55)
    image[hit] = colour * shade[:, None]
    image = image.reshape(camera.height, SAMPLES, camera.width, SAMPLES, 3).mean((1, 3))
    return np.asarray(np.clip(image * 255 + 0.5, 0, 255), np.uint8)


def look(head: HeadModel, vertices: F64) -> list[View]:
    """MediaPipe's points from every camera from which it finds the face."""
    os.environ.setdefault("GLOG_minloglevel", "3")
    from mediapipe.python.solutions.face_mesh import FaceMesh  # noqa: PLC0415  (slow to import)

    colours = paint(head)
    eyes = {name: head.regions[name] > 0.5 for name in IRISES}
    views = []
    with FaceMesh(static_image_mode=True, refine_landmarks=True, max_num_faces=1) as mesh:
        for pitch in PITCHES:
            for yaw in YAWS:
                camera = Camera.orbit(
                    yaw, pitch, distance=0.9, focal=3.0 * SIZE, width=SIZE, height=SIZE,
                    target=(0.0, -0.03, -0.03),
                )  # fmt: skip
                found = mesh.process(render(head.template, vertices, colours, eyes, camera))
                if found.multi_face_landmarks:
                    marks = found.multi_face_landmarks[0].landmark
                    views.append(View(camera, np.array([[m.x * SIZE, m.y * SIZE] for m in marks])))
    return views


def triangulate(views: list[View], rounds: int = 6) -> tuple[F64, F64]:
    """(478, 3) points nearest to all rays and (views, 478) distances from them in metres; rays that
    miss by more than a millimetre or two count less each round (Cauchy weights)."""
    origins, rays = [], []
    for view in views:
        rotation, shift = view.camera.viewmat[:3, :3], view.camera.viewmat[:3, 3]
        ray = np.linalg.solve(view.camera.K, np.column_stack([view.points, np.ones(LANDMARKS)]).T).T
        ray = ray @ rotation
        rays.append(ray / np.linalg.norm(ray, axis=1, keepdims=True))
        origins.append(-rotation.T @ shift)
    direction, origin = np.stack(rays), np.stack(origins)
    across = np.eye(3) - direction[..., :, None] * direction[..., None, :]
    moment = np.einsum("vnij,vj->vni", across, origin)
    weight = np.ones(direction.shape[:2])
    for _ in range(rounds):
        left = np.einsum("vn,vnij->nij", weight, across)
        points = np.linalg.solve(left, np.einsum("vn,vni->ni", weight, moment)[..., None])[..., 0]
        miss = np.linalg.norm(np.einsum("vnij,vnj->vni", across, points - origin[:, None]), axis=2)
        weight = 1.0 / (1.0 + (miss / 0.0015) ** 2)
    return floats64(points), floats64(miss)


def open_mouth(head: HeadModel) -> F64:
    """(V, 3) the head with OPEN_MOUTH: the expression basis and, by its weights, the jaw."""
    rig = head.template
    return posed_vertices(rig, rig.pose(FaceParams.from_arkit(OPEN_MOUTH)))


def lip_points() -> I32:
    """The landmarks on the lips' lines, from MediaPipe's own list of connections."""
    from mediapipe.python.solutions.face_mesh import FACEMESH_LIPS  # noqa: PLC0415

    return ints32(sorted({index for pair in FACEMESH_LIPS for index in pair}))


def mirror_pairs(points: F64) -> I32:
    """(478,) the landmark on the other side of each, by position on a symmetric head.

    Pairs are one to one (the assignment with the least total distance).
    """
    from scipy.optimize import linear_sum_assignment  # noqa: PLC0415  (make extra)

    flipped = points * [-1.0, 1.0, 1.0]
    cost = np.linalg.norm(points[None] - flipped[:, None], axis=2) ** 2
    return ints32(linear_sum_assignment(cost)[1])


def embed(head: HeadModel) -> tuple[I32, F64, dict[str, float]]:
    """Triangles, barycentric coordinates, and how well it went (all in millimetres)."""
    rig = head.template
    neutral, opened = floats64(rig.vertices), open_mouth(head)
    views, open_views = look(head, neutral), look(head, opened)
    points, miss = triangulate(views)
    open_points, _ = triangulate(open_views)
    pairs = mirror_pairs(points)
    points = (points + points[pairs] * [-1, 1, 1]) / 2
    open_points = (open_points + open_points[pairs] * [-1, 1, 1]) / 2

    skin = np.flatnonzero((head.regions["skin"] > 0.5)[rig.faces].all(1))
    triangle, weights, distance = nearest_on_mesh(points, neutral, ints32(rig.faces[skin]))
    triangle = ints32(skin[triangle])
    lips = lip_points()
    mouth = np.flatnonzero((head.regions["skin"] > 0.05)[rig.faces].all(1))
    found, weights[lips], distance[lips] = nearest_on_mesh(
        open_points[lips], opened, ints32(rig.faces[mouth])
    )
    triangle[lips] = mouth[found]
    for eye, marks in IRISES.items():
        ball = np.flatnonzero((head.regions[eye] > 0.5)[rig.faces].all(1))
        index = np.array(marks)
        found, weights[index], distance[index] = nearest_on_mesh(
            points[index], neutral, ints32(rig.faces[ball])
        )
        triangle[index] = ball[found]

    placed = on_surface(neutral, rig.faces, triangle, weights)
    placed_open = on_surface(opened, rig.faces, triangle, weights)
    inner = [(13, 14), (312, 317), (82, 87), (311, 402), (81, 178)]
    residuals = {
        "views": float(len(views)),
        "views_open": float(len(open_views)),
        "cameras": float(len(YAWS) * len(PITCHES)),
        "triangulation_median": 1e3 * float(np.median(miss)),
        "triangulation_p95": 1e3 * float(np.percentile(miss, 95)),
        "to_surface_median": 1e3 * float(np.median(distance)),
        "to_surface_p95": 1e3 * float(np.percentile(distance, 95)),
        "to_surface_max": 1e3 * float(distance.max()),
        "inner_lips_closed": 1e3 * float(np.mean([np.linalg.norm(placed[a] - placed[b])
                                                  for a, b in inner])),
        "inner_lips_open": 1e3 * float(np.mean([np.linalg.norm(placed_open[a] - placed_open[b])
                                                for a, b in inner])),
        "asymmetry_max": 1e3 * float(np.abs(placed - placed[pairs] * [-1, 1, 1]).max()),
        "eye_distance": 1e3 * float(np.linalg.norm(rig.joints[-1] - rig.joints[-2])),
    }  # fmt: skip
    return triangle, weights, residuals


def main() -> None:
    parser = argparse.ArgumentParser(description="embed MediaPipe's points on the built-in head")
    parser.add_argument("-o", "--output", type=Path, default=None, help="default: the shipped file")
    arguments = parser.parse_args()
    head = load_builtin()
    triangle, weights, residuals = embed(head)
    import avatar_rt.head  # noqa: PLC0415

    output = arguments.output or Path(avatar_rt.head.__file__).parent / "data" / FILE
    output.parent.mkdir(parents=True, exist_ok=True)
    temporary = output.with_suffix(".tmp.npz")
    np.savez(
        temporary,
        faces=triangle,
        barycentric=weights.astype(np.float32),
        topology=np.array(topology(head.template.faces)),
        source_hash=np.array(head.source_hash),
    )
    temporary.replace(output)
    for name, value in residuals.items():
        print(f"{name:22s} {value:8.3f}")


if __name__ == "__main__":
    main()
