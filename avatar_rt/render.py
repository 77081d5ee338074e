"""Renderer: face parameters and a camera in, pixels out."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Literal, Self, get_args

import numpy as np

from avatar_rt import _core
from avatar_rt.arrays import F32, F64, floats64
from avatar_rt.avatar import Avatar
from avatar_rt.device import DeviceFrame, SafeCore
from avatar_rt.errors import ParameterError
from avatar_rt.picture import check_picture, checked_background, stacked
from avatar_rt.types import Backend, Camera, FaceParams, Frame, PixelFormat, Quality

_QUALITIES: tuple[Quality, ...] = get_args(Quality)
_BACKENDS: tuple[Backend, ...] = get_args(Backend)
WHITE = (1.0, 1.0, 1.0)


class Renderer:
    """One avatar, ready to be drawn as often as one likes.

    Use it from one thread at a time, and a twin() of it from another; the GIL is released while it
    draws.
    """

    def __init__(
        self,
        avatar: Avatar,
        *,
        quality: Quality = "exact",
        backend: Backend = "auto",
        threads: int = 0,
        device: int = 0,
    ) -> None:
        """backend: "auto" takes CUDA where it works and goes on with the processor where it does
        not, or does not any more (see `backend_reason`); that is logged as a warning, and no frame
        is lost. device: the number of the CUDA device. threads: the processor's; 0 takes all cores.

        Raises ParameterError for an unknown quality or backend, BackendError for "cuda" where
        this machine or this build lacks it.
        """
        if quality not in _QUALITIES:
            raise ParameterError(f"quality '{quality}' must be one of {', '.join(_QUALITIES)}")
        if backend not in _BACKENDS:
            raise ParameterError(f"backend '{backend}' must be one of {', '.join(_BACKENDS)}")
        if not 0 <= threads <= 1024:
            raise ParameterError(f"threads {threads} must lie within 0 … 1024")
        if device < 0:
            raise ParameterError(f"device {device} must be 0 or more")
        self.avatar = avatar
        self.quality: Quality = quality
        rig, g = avatar.rig, avatar.gaussians

        def made(backend: Literal["cpu", "cuda"]) -> _core.AvatarCore:
            return _core.AvatarCore(
                rig.vertices, rig.faces, rig.expression_basis, rig.joints, rig.parents,
                rig.weights, rig.pose_correctives, g.frame, g.triangles, g.barycentric, g.offsets,
                g.quats, g.scales, g.opacities, g.colors, threads, backend, device,
            )  # fmt: skip

        try:
            self._drawer = SafeCore(made, backend, threads)
        except ValueError as error:
            raise ParameterError(f"the avatar cannot be drawn: {error}") from error
        self.haste = avatar.metadata.get("fast_haste", 0)

    @property
    def backend(self) -> Literal["cpu", "cuda"]:
        """What draws now."""
        return self._drawer.core.backend

    @property
    def backend_reason(self) -> str | None:
        """Why CUDA does not draw; None where it does."""
        return self._drawer.reason

    @property
    def haste(self) -> int:
        """How much quality "fast" leaves out, 0 … _core.HASTES - 1: what the avatar's maker found
        that it stands (avatar_rt.fidelity). Raises ParameterError for another number."""
        return self._drawer.core.haste

    @haste.setter
    def haste(self, haste: int) -> None:
        try:
            self._drawer.core.haste = haste
        except (TypeError, ValueError):
            raise ParameterError(f"haste {haste} must lie within 0 … {_core.HASTES - 1}") from None

    def camera(
        self, yaw: float = 0.0, pitch: float = 0.0, width: int = 512, height: int = 512
    ) -> Camera:
        """A camera on an orbit around the avatar, as its maker prefers to see it.

        Positive yaw (radians) goes to the subject's left, positive pitch up. The field of view
        belongs to the smaller side. Raises ParameterError for a size below one pixel.
        """
        preferred = self.avatar.metadata.get("camera")
        if preferred is None:
            return Camera.orbit(yaw, pitch, width=width, height=height)
        x, y, z = preferred["target"]
        return Camera.orbit(
            yaw, pitch, distance=preferred["distance"],
            focal=preferred["focal"] * min(width, height), width=width, height=height,
            target=(x, y, z),
        )  # fmt: skip

    def render(
        self,
        params: FaceParams,
        camera: Camera | None = None,
        *,
        background: Sequence[float] = WHITE,
        format: PixelFormat = "rgb8",
        quality: Quality | None = None,
    ) -> Frame:
        """The avatar with that face, seen by that camera (default: its preferred one).

        background: (3,) sRGB in [0, 1]; rgba8 and float32 keep it out and give alpha instead.
        Raises ParameterError for parameters that are not finite or of another shape, a size
        beyond 1 … 4096 pixels a side, an odd size with i420 or nv12, or an unknown format.
        """
        shot = self._shot(params, camera, background, format, quality)
        pixels, timings = self._drawer.ask("drawn", self._drawer.core.render, *shot)
        return Frame(pixels, format, timings)

    def render_on_device(
        self,
        params: FaceParams,
        camera: Camera | None = None,
        *,
        background: Sequence[float] = WHITE,
        format: PixelFormat = "rgb8",
        quality: Quality | None = None,
    ) -> DeviceFrame:
        """As `render`, but the picture stays in the CUDA device's memory, and is handed on by
        DLPack. Returns as soon as the drawing is under way.

        Raises ParameterError as `render` does, BackendError where no device draws (`backend` is
        "cpu"), or it fails: the next `render` then goes on as the backend that was asked for says.
        """
        shot = self._shot(params, camera, background, format, quality)
        array = self._drawer.ask_device(self._drawer.core.render_on_device, *shot)
        return DeviceFrame(array, format)

    def device_seconds(
        self, params: FaceParams, camera: Camera, *, quality: Quality, frames: int
    ) -> float:
        """Seconds that an rgb8 picture takes of the CUDA device by its own clock, the mean of
        `frames` in a row. Raises as `render_on_device` does."""
        shot = self._shot(params, camera, WHITE, "rgb8", quality)
        return self._drawer.ask_device(self._drawer.core.device_seconds, *shot, frames)

    def render_batch(
        self,
        params: FaceParams | Sequence[FaceParams],
        cameras: Camera | Sequence[Camera],
        *,
        background: Sequence[float] | Sequence[Sequence[float]] = WHITE,
        format: PixelFormat = "rgb8",
        quality: Quality | None = None,
    ) -> list[Frame]:
        """B pictures in one call: one face seen by many cameras, many faces seen by one camera, or
        as many pairs. What `render` would draw one after the other, bit for bit, and sooner: each
        thread draws whole pictures, and an only face is animated once (Frame.timings of the first
        picture hold that time). The pixels of all frames lie in one array.

        background: (3,) for all pictures or (B, 3), sRGB in [0, 1]. Raises ParameterError as
        `render` does, and for cameras of different sizes or other numbers of faces and cameras.
        """
        faces = [params] if isinstance(params, FaceParams) else list(params)
        views = [cameras] if isinstance(cameras, Camera) else list(cameras)
        if len(faces) != len(views) and 1 not in (len(faces), len(views)):
            raise ParameterError(
                f"{len(faces)} faces and {len(views)} cameras: expected as many, or one of either"
            )
        count = len(views) if len(faces) == 1 else len(faces)
        if count == 0:
            return []
        first = views[0]
        check_picture(first, format)
        for k, view in enumerate(views):
            if (view.width, view.height) != (first.width, first.height):
                raise ParameterError(
                    f"camera {k} has {view.width}x{view.height} pixels and camera 0 "
                    f"{first.width}x{first.height}: those of one batch have one size"
                )
        color = checked_background(background, (3,), (count, 3))
        coefficients, rotations, translations = zip(*map(self._pose, faces), strict=True)
        pixels, timings = self._drawer.ask(
            "drawn", self._drawer.core.render_batch,
            np.stack(coefficients), np.stack(rotations), np.stack(translations),
            stacked("viewmat", [view.viewmat for view in views], 4),
            stacked("K", [view.K for view in views], 3),
            first.width, first.height, color, format, quality or self.quality,
        )  # fmt: skip
        return [Frame(own, format, spent) for own, spent in zip(pixels, timings, strict=True)]

    def twin(self) -> Self:
        """A renderer of the same avatar for another thread. The two share the avatar's arrays in
        the core, so that the second one costs the memory of its pictures only."""
        other = copy.copy(self)
        other._drawer = self._drawer.twin()
        return other

    def vertices(self, params: FaceParams) -> F32:
        """(V, 3) float32 metres: the mesh with that face. Raises ParameterError for such faces as
        `render` refuses."""
        return self._drawer.ask("posed", self._drawer.core.vertices, *self._pose(params))

    def gaussians(self, params: FaceParams) -> tuple[F32, F32]:
        """The Gaussians with that face: means (N, 3) and covariances (N, 6) as xx xy xz yy yz zz,
        float32, metres, in the order of avatar.gaussians. Raises ParameterError for such faces as
        `render` refuses."""
        return self._drawer.ask("posed", self._drawer.core.gaussians, *self._pose(params))

    def _shot(
        self,
        params: FaceParams,
        camera: Camera | None,
        background: Sequence[float],
        format: PixelFormat,
        quality: Quality | None,
    ) -> tuple[F32, F32, F32, F64, F64, int, int, F32, PixelFormat, Quality]:
        """One picture, as the core takes it. Raises ParameterError."""
        camera = self.camera() if camera is None else camera
        check_picture(camera, format)
        color = checked_background(background, (3,))
        return (
            *self._pose(params), floats64(camera.viewmat), floats64(camera.K), camera.width,
            camera.height, color, format, quality or self.quality,
        )  # fmt: skip

    def _pose(self, params: FaceParams) -> tuple[F32, F32, F32]:
        if np.shape(params.arkit) != (52,):
            raise ParameterError(f"arkit weights have shape {np.shape(params.arkit)}, not (52,)")
        try:
            pose = self.avatar.rig.pose(params)
        except ValueError as error:
            raise ParameterError(f"face parameters do not fit the avatar: {error}") from error
        return pose.coefficients, pose.joint_rotations, pose.translation
