"""Who is in the photograph: the face that the avatar will be of, and the view around its head."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from avatar_rt.arrays import F32, F64, U8, floats32, floats64
from avatar_rt.errors import PhotoError
from avatar_rt.face import Face, Landmarks, detect_faces, face_landmarks, person_mask
from avatar_rt.types import Camera
from trainer.portrait.headfit import HeadFit
from trainer.portrait.mask import CHIN, FOREHEAD, View
from trainer.portrait.photo import Photo
from trainer.portrait.upright import MOST_ROLL, STEADY, find_turn, stance

SMALLEST_FACE = 48
"""Pixels from brow to chin, below which eyes and lips cannot be told from noise."""
SMALL_FACE = 100
LARGEST_FACE = 420
"""Pixels of a face beyond which Gaussians cannot follow: a larger photograph is reduced."""
VIEW_FACE = 220
"""Pixels of a face in the view: a smaller one is enlarged, which smooths masks and outlines."""
_TURNED, _TOO_TURNED = 28.0, 43.0
"""Degrees of yaw, as landmarks show it (a third too little), at which to warn, and at which one
half of the face is not there to be seen."""
_LOST = 1.5 * STEADY
"""Unsteadiness beyond which the points are of a face that is not there."""
_LEFT_CHEEK, _RIGHT_CHEEK = 454, 234


@dataclass(frozen=True, slots=True)
class Subject:
    """A photograph with one face chosen in it."""

    image: U8
    """(H, W, 3) uint8, the whole photograph, perhaps reduced."""
    landmarks: Landmarks
    face: Face
    focal: float | None
    """Pixels of `image`, where the camera wrote it down."""
    notes: tuple[str, ...]


def find_subject(photo: Photo) -> Subject:
    """Chooses the largest face of a photograph, which is turned upright where it is not.

    Raises PhotoError where there is none, or where it is too small or turned too far.
    """
    photo, faces = _upright(photo)
    notes = list(photo.notes)
    if not faces:
        raise PhotoError(
            f"{photo.source}: no face found; give a portrait that shows the face from the front"
        )
    if len(faces) > 1:
        notes.append(f"{len(faces)} faces in the photograph: the largest is taken")
    face = faces[0]
    if face.size < SMALLEST_FACE:
        raise PhotoError(
            f"{photo.source}: the face is {face.size:.0f} pixels large; it needs {SMALLEST_FACE}, "
            "and looks good from about 200"
        )
    if face.size < SMALL_FACE:
        notes.append(f"the face is only {face.size:.0f} pixels large: the avatar will be soft")
    image, scale = photo.pixels, min(1.0, LARGEST_FACE / face.size)
    if scale < 1:
        size = (round(image.shape[1] * scale), round(image.shape[0] * scale))
        image = np.ascontiguousarray(
            cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8
        )
        face = replace(face, box=floats32(face.box * scale))
    landmarks = face_landmarks(image, face)
    if landmarks is None:
        raise PhotoError(
            f"{photo.source}: something like a face was found, but no eyes and mouth in it; "
            "is it hidden, very dark, or in profile?"
        )
    notes += _turn_notes(photo.source, landmarks.points)
    focal = None if photo.focal is None else photo.focal * scale
    return Subject(image, landmarks, face, focal, tuple(notes))


def _upright(photo: Photo) -> tuple[Photo, list[Face]]:
    """The photograph the right way up, and its faces."""
    faces = detect_faces(photo.pixels)
    seen = stance(photo.pixels, faces)
    if seen.upright:
        return photo, faces
    turn = find_turn(photo.pixels)
    if turn is None:
        return photo, faces
    if turn.unsteadiness > _LOST:
        raise PhotoError(
            f"{photo.source}: something like a face was found, but not which way up it is; "
            "give a portrait that shows the whole face from the front, upright"
        )
    if turn.degrees == 0 or turn.unsteadiness > STEADY:
        return photo, faces
    way = "" if turn.degrees == 180 else " to the left" if turn.degrees > 0 else " to the right"
    note = f"the photograph was not upright: it was turned by {abs(turn.degrees)}°{way}"
    pixels = turn.apply(photo.pixels)
    turned = replace(photo, pixels=pixels, notes=(*photo.notes, note))
    faces = detect_faces(pixels)
    after = stance(pixels, faces)
    if after.unsteadiness > _LOST or abs(after.roll) > 1.2 * MOST_ROLL:
        raise PhotoError(f"{photo.source}: the face is not upright; turn the photograph, and retry")
    return turned, faces


def _turn_notes(name: str, points: F32) -> list[str]:
    across = points[_LEFT_CHEEK] - points[_RIGHT_CHEEK]
    yaw = float(np.degrees(np.arctan2(-across[2], np.hypot(across[0], across[1]))))
    if abs(yaw) > _TOO_TURNED:
        raise PhotoError(
            f"{name}: the face is turned by about {abs(yaw):.0f}°; one half of it cannot be seen. "
            "Give a photograph from the front"
        )
    if abs(yaw) > _TURNED:
        return [f"the face is turned by about {abs(yaw):.0f}°: its far side is guessed"]
    return []


@dataclass(frozen=True, slots=True)
class Window:
    """The rectangle of the photograph that a view shows, and how much it is enlarged."""

    x: int
    y: int
    width: int
    height: int
    scale: float

    def matrix(self) -> F64:
        """(3, 3) float64: pixels of the photograph → pixels of the view."""
        s = self.scale
        return np.array([[s, 0, -s * self.x], [0, s, -s * self.y], [0, 0, 1]], np.float64)

    def cut(self, image: U8 | F32) -> F32:
        """The view's part of a picture (H, W) or (H, W, C) as float32, enlarged."""
        part = image[self.y : self.y + self.height, self.x : self.x + self.width]
        size = (round(self.width * self.scale), round(self.height * self.scale))
        how = cv2.INTER_LANCZOS4 if self.scale > 1 else cv2.INTER_AREA
        return floats32(cv2.resize(part.astype(np.float32), size, interpolation=how))


def view_of(subject: Subject, fit: HeadFit) -> tuple[View, Camera]:
    """The view around the subject's head, and the camera that sees it so."""
    points = subject.landmarks.points[:, :2]
    top, chin = points[FOREHEAD], points[CHIN]
    tall = float(np.linalg.norm(top - chin))
    middle = (top + chin) / 2
    height, width = subject.image.shape[:2]
    x0, x1 = (int(np.clip(middle[0] + d * tall, 0, width)) for d in (-1.55, 1.55))
    y0, y1 = (int(np.clip(middle[1] + d * tall, 0, height)) for d in (-1.75, 1.65))
    scale = float(np.clip(VIEW_FACE / tall, 1.0, 3.0))
    window = Window(x0, y0, x1 - x0, y1 - y0, scale)
    image = np.clip(window.cut(subject.image) / 255, 0, 1)
    person = np.clip(window.cut(person_mask(subject.image, subject.face)), 0, 1)
    # the enlarged picture's size is whole, its scale therefore not quite the window's
    sx, sy = image.shape[1] / window.width, image.shape[0] / window.height
    matrix = np.diag([sx / scale, sy / scale, 1.0]) @ window.matrix()
    pixels = fit.photo_pixels()
    pixels[:, :2] = pixels[:, :2] @ matrix[:2, :2].T + matrix[:2, 2]
    landmarks = floats32(points @ matrix[:2, :2].T + matrix[:2, 2])
    view = View(floats32(image), landmarks, floats32(pixels), floats32(person), scale)
    seen = fit.photo_camera()
    camera = Camera(seen.viewmat, floats64(matrix @ seen.K), image.shape[1], image.shape[0])
    return view, camera
