"""MediaPipe's graphs as plain functions of a picture: built on first use, once per process.

The models lie in the wheel of mediapipe 0.10.21 (face_detection_short_range, face_landmark_with_
attention, selfie_segmentation); face_landmarker.task is the user's own, found by `task_file`.
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from avatar_rt.arkit import ARKIT_INDEX
from avatar_rt.arrays import F32, U8, floats32
from avatar_rt.config import cache_dir
from avatar_rt.errors import MissingDependencyError
from avatar_rt.face.quiet import held_stderr

MESH_SIZE = 192
"""Side of the crop that the mesh model looks at, pixels."""
MASK_SIZE = 256
"""Side of the crop that the person model looks at, pixels."""
POINTS = 478

_MESH_GRAPH = """
input_stream: "image"
input_stream: "roi"
input_side_packet: "with_attention"
output_stream: "landmarks"
node {
  calculator: "FaceLandmarkCpu"
  input_stream: "IMAGE:image"
  input_stream: "ROI:roi"
  input_side_packet: "WITH_ATTENTION:with_attention"
  output_stream: "LANDMARKS:landmarks"
}
"""


@functools.cache
def mediapipe() -> Any:
    """The module, imported on first use. Raises MissingDependencyError where it cannot be."""
    try:
        with held_stderr():
            import mediapipe as mp  # noqa: PLC0415 - half a second, and only where faces are sought
    except ImportError as error:
        raise MissingDependencyError(
            f"mediapipe cannot be imported ({error}); `avatar-rt doctor` says what is missing"
        ) from error
    return mp


class Engine:
    """One graph behind a lock.

    Graphs log as they start, in threads of their own, and once more when they first find a face:
    so each is built and first run with stderr held, and runs so until it has found something.
    """

    def __init__(self, build: Callable[[], Any], first_run: Callable[[Any], Any]) -> None:
        self._lock = threading.Lock()
        self._quiet = False
        with held_stderr():
            self._graph = build()
            first_run(self._graph)

    def _run(self, call: Callable[[Any], Any], found: Callable[[Any], bool]) -> Any:
        with self._lock:
            if self._quiet:
                return call(self._graph)
            with held_stderr():
                answer = call(self._graph)
            self._quiet = found(answer)
            return answer


class Detector(Engine):
    """Faces within about six times the picture's size: what the short-range model sees."""

    def __init__(self) -> None:
        solution = mediapipe().solutions.face_detection.FaceDetection
        super().__init__(
            lambda: solution(min_detection_confidence=0.35, model_selection=0),
            lambda graph: graph.process(_blank(128)),
        )

    def __call__(self, image: U8) -> F32:
        """(H, W, 3) uint8 → (N, 5) float32: x0, y0, x1, y1 in pixels and the score in [0, 1]."""
        answer = self._run(lambda graph: graph.process(image), lambda a: bool(a.detections))
        found = answer.detections or []
        height, width = image.shape[:2]
        rows = []
        for detection in found:
            box = detection.location_data.relative_bounding_box
            x, y = box.xmin * width, box.ymin * height
            rows.append(
                [x, y, x + box.width * width, y + box.height * height, detection.score[0]],
            )
        return floats32(np.reshape(rows, (-1, 5)))


class Mesh(Engine):
    """The 478 points of the face that fills two thirds of a crop."""

    def __init__(self) -> None:
        mediapipe()
        from google.protobuf import text_format  # noqa: PLC0415
        from mediapipe.framework import calculator_pb2  # noqa: PLC0415
        from mediapipe.framework.formats import rect_pb2  # noqa: PLC0415
        from mediapipe.python.solution_base import SolutionBase  # noqa: PLC0415

        graph = text_format.Parse(_MESH_GRAPH, calculator_pb2.CalculatorGraphConfig())
        sides = {"with_attention": True}
        self._all = rect_pb2.NormalizedRect(x_center=0.5, y_center=0.5, width=1, height=1)
        super().__init__(
            lambda: SolutionBase(graph_config=graph, side_inputs=sides, outputs=["landmarks"]),
            lambda graph: graph.process({"image": _blank(MESH_SIZE), "roi": self._all}),
        )

    def __call__(self, crop: U8) -> F32 | None:
        """(S, S, 3) uint8 → (478, 3) float32 in the crop's pixels, or None without a face."""
        inputs = {"image": crop, "roi": self._all}
        found = self._run(
            lambda graph: graph.process(inputs).landmarks, lambda points: points is not None
        )
        if found is None:
            return None
        size = crop.shape[1]
        return floats32([[p.x * size, p.y * size, p.z * size] for p in found.landmark])


class PersonMask(Engine):
    """How much each pixel of a crop belongs to a person."""

    def __init__(self) -> None:
        solution = mediapipe().solutions.selfie_segmentation.SelfieSegmentation
        super().__init__(
            lambda: solution(model_selection=0), lambda graph: graph.process(_blank(MASK_SIZE))
        )

    def __call__(self, crop: U8) -> F32:
        """(S, S, 3) uint8 → (S, S) float32 in [0, 1]."""
        answer = self._run(lambda graph: graph.process(crop), lambda _: True)
        return floats32(np.clip(answer.segmentation_mask, 0, 1))


class TaskLandmarker(Engine):
    """Google's face_landmarker.task on single pictures or, with `video`, on a stream."""

    def __init__(self, path: Path, *, video: bool) -> None:
        mp = mediapipe()
        vision = mp.tasks.vision
        self._video, self._image, self._srgb = video, mp.Image, mp.ImageFormat.SRGB
        mode = vision.RunningMode.VIDEO if video else vision.RunningMode.IMAGE
        try:
            options = vision.FaceLandmarkerOptions(
                base_options=mp.tasks.BaseOptions(model_asset_buffer=path.read_bytes()),
                running_mode=mode,
                output_face_blendshapes=True,
            )
            super().__init__(
                lambda: vision.FaceLandmarker.create_from_options(options),
                lambda task: self._look(task, _blank(256), -1),
            )
        except (OSError, RuntimeError, ValueError) as error:
            raise MissingDependencyError(
                f"{path} cannot be used as MediaPipe's face_landmarker.task: "
                f"{str(error).splitlines()[0]}; give another by AVATAR_RT_FACE_LANDMARKER"
            ) from error

    def _look(self, task: Any, image: U8, milliseconds: int) -> Any:
        picture = self._image(image_format=self._srgb, data=image)
        if self._video:
            return task.detect_for_video(picture, milliseconds + 1)
        return task.detect(picture)

    def __call__(self, image: U8, milliseconds: int = 0) -> tuple[F32, F32] | None:
        """(H, W, 3) uint8 → points (478, 3) float32 pixels and ARKit weights (52,) float32 of the
        first face; None without one. In a stream `milliseconds`, from 0, must grow."""
        found = self._run(
            lambda task: self._look(task, image, milliseconds), lambda a: bool(a.face_landmarks)
        )
        if not found.face_landmarks:
            return None
        height, width = image.shape[:2]
        points = [[p.x * width, p.y * height, p.z * width] for p in found.face_landmarks[0]]
        weights = np.zeros(len(ARKIT_INDEX), np.float32)
        for category in found.face_blendshapes[0]:
            if category.category_name in ARKIT_INDEX:
                weights[ARKIT_INDEX[category.category_name]] = category.score
        return floats32(points), weights

    def close(self) -> None:
        """Give the model's memory and threads back."""
        with self._lock:
            self._graph.close()


def _blank(size: int) -> U8:
    return np.zeros((size, size, 3), np.uint8)


detector = functools.cache(Detector)
mesh = functools.cache(Mesh)
person = functools.cache(PersonMask)


@functools.cache
def task_for_pictures(path: Path) -> TaskLandmarker:
    """The task in its single-picture mode, loaded once."""
    return TaskLandmarker(path, video=False)


def task_file() -> Path | None:
    """The user's face_landmarker.task: AVATAR_RT_FACE_LANDMARKER, else in the cache folder.

    Raises MissingDependencyError where the variable names a file that is not there.
    """
    named = os.environ.get("AVATAR_RT_FACE_LANDMARKER")
    if named:
        path = Path(named)
        if not path.is_file():
            raise MissingDependencyError(
                f"AVATAR_RT_FACE_LANDMARKER names {path}, which is no file"
            )
        return path
    path = cache_dir() / "face_landmarker.task"
    return path if path.is_file() else None
