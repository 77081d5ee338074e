"""Finds a face in a picture, its 478 points, and the person around it."""

from avatar_rt.face.detect import Face, detect_faces
from avatar_rt.face.engines import task_file
from avatar_rt.face.landmarks import Landmarks, face_landmarks
from avatar_rt.face.mask import person_mask
from avatar_rt.face.tracker import FaceTracker

__all__ = [
    "Face",
    "FaceTracker",
    "Landmarks",
    "detect_faces",
    "face_landmarks",
    "person_mask",
    "task_file",
]
