"""Pictures that stay on the device: what they say of themselves, and who frees them."""

from __future__ import annotations

import gc
from typing import Any, get_args

import av
import numpy as np
import pytest

from avatar_rt import _core
from avatar_rt.device import DeviceFrame, DevicePlane
from avatar_rt.errors import BackendError, ParameterError
from avatar_rt.outputs.encoder import VideoSettings
from avatar_rt.outputs.nvenc import DeviceEncoder
from avatar_rt.render import Renderer
from avatar_rt.types import FaceParams, PixelFormat
from tests.cuda.capsules import COPIED, Managed, Versioned, take
from tests.cuda.devices import EMULATED, needs_cuda, needs_emulator
from tests.factory import small_avatar

FORMATS: tuple[PixelFormat, ...] = get_args(PixelFormat)
FACE = FaceParams.from_arkit({"jawOpen": 0.5})


@pytest.fixture(scope="module")
def egg() -> Renderer:
    return Renderer(small_avatar(), backend="cuda")


def shot(egg: Renderer, format: PixelFormat = "nv12") -> DeviceFrame:
    return egg.render_on_device(FACE, egg.camera(0.2, 0, 64, 48), format=format)


def test_the_processor_keeps_none() -> None:
    renderer = Renderer(small_avatar(), backend="cpu")
    with pytest.raises(BackendError, match="no CUDA device draws this avatar: the processor was"):
        shot(renderer)
    with pytest.raises(ParameterError, match="even for nv12"):
        renderer.render_on_device(FACE, renderer.camera(0, 0, 63, 48), format="nv12")


@needs_cuda
@pytest.mark.parametrize("format", FORMATS)
def test_it_is_the_picture_that_render_draws(egg: Renderer, format: PixelFormat) -> None:
    expected = egg.render(FACE, egg.camera(0.2, 0, 64, 48), format=format).pixels
    frame = shot(egg, format)
    assert (frame.shape, frame.format, frame.device) == (expected.shape, format, 0)
    assert frame.__dlpack_device__() == (2, 0)
    for _ in range(2):
        pixels = frame.numpy()
        assert pixels.dtype == expected.dtype
        np.testing.assert_array_equal(pixels, expected)


@needs_cuda
@pytest.mark.parametrize("version", [None, (0, 8), (1, 0), (1, 1), (2, 0)])
@pytest.mark.parametrize("format", ["rgb8", "float32"])
def test_capsules(egg: Renderer, format: PixelFormat, version: tuple[int, int] | None) -> None:
    frame = shot(egg, format)
    taken = take(frame.__dlpack__(max_version=version))
    if version is None or version < (1, 0):
        assert isinstance(taken.managed, Managed)
    else:
        assert isinstance(taken.managed, Versioned)
        assert (taken.managed.major, taken.managed.minor, taken.managed.flags) == (1, 0, 0)
    channels = frame.shape[2]
    assert taken.device == (2, 0)
    assert taken.shape == frame.shape == (48, 64, channels)
    assert taken.strides == (64 * channels, channels, 1)
    assert taken.dtype == (np.uint8 if format == "rgb8" else np.float32)
    if EMULATED:  # whose memory the processor reaches
        np.testing.assert_array_equal(taken.read(), frame.numpy())
    taken.let_go()


@needs_cuda
@pytest.mark.parametrize("stream", [None, 1, 2, -1])
def test_streams_that_there_are_wait(egg: Renderer, stream: int | None) -> None:
    take(shot(egg).__dlpack__(stream=stream)).let_go()


@needs_emulator
def test_it_is_the_named_stream_that_waits(egg: Renderer) -> None:
    frame = shot(egg)
    with pytest.raises(BackendError, match="waiting for a picture"):
        frame.__dlpack__(stream=0x12340)  # of which the runtime knows nothing
    take(frame.__dlpack__(stream=-1)).let_go()


@needs_cuda
@pytest.mark.parametrize(
    ("wish", "kind"),
    [
        ({"stream": 0}, ValueError),
        ({"stream": -2}, ValueError),
        ({"copy": True}, BufferError),
        ({"dl_device": (2, 1)}, BufferError),
        ({"dl_device": (1, 1)}, BufferError),
        ({"dl_device": (1, 0), "copy": False}, BufferError),
    ],
)
def test_wishes_that_are_refused(
    egg: Renderer, wish: dict[str, Any], kind: type[Exception]
) -> None:
    with pytest.raises(kind):
        shot(egg).__dlpack__(**wish)


@needs_cuda
@pytest.mark.parametrize("copy", [None, True])
def test_a_copy_for_the_processor(egg: Renderer, copy: bool | None) -> None:
    frame = shot(egg, "rgba8")
    taken = take(frame.__dlpack__(dl_device=(1, 0), copy=copy, max_version=(1, 0)))
    assert taken.device == (1, 0)
    assert isinstance(taken.managed, Versioned)
    assert taken.managed.flags == COPIED
    np.testing.assert_array_equal(taken.read(), frame.numpy())
    taken.let_go()


class OnProcessor:
    """A plane for consumers that know nothing of devices."""

    def __init__(self, plane: DevicePlane) -> None:
        self._plane = plane

    def __dlpack__(self, *, stream: int | None = None) -> object:
        return self._plane.__dlpack__(stream=stream, dl_device=(1, 0))

    def __dlpack_device__(self) -> tuple[int, int]:
        return 1, 0


@needs_cuda
def test_planes_are_what_pyav_takes(egg: Renderer) -> None:
    frame = shot(egg)
    pixels = frame.numpy()
    luma, chroma = frame.planes()
    assert (luma.shape, chroma.shape) == ((48, 64), (24, 32, 2))
    np.testing.assert_array_equal(luma.numpy(), pixels[:48])
    np.testing.assert_array_equal(chroma.numpy(), pixels[48:].reshape(24, 32, 2))
    addresses = []
    for plane in (frame, luma, chroma):
        taken = take(plane.__dlpack__())
        addresses.append(taken.tensor.data + taken.tensor.byte_offset)
        taken.let_go()
    assert addresses == [addresses[0], addresses[0], addresses[0] + 48 * 64]
    picture = av.VideoFrame.from_dlpack((OnProcessor(luma), OnProcessor(chroma)), format="nv12")
    assert (picture.width, picture.height, picture.format.name) == (64, 48, "nv12")
    np.testing.assert_array_equal(picture.to_ndarray(), pixels)
    np.testing.assert_array_equal(np.from_dlpack(OnProcessor(chroma)), chroma.numpy())


@needs_cuda
def test_other_formats_have_no_planes(egg: Renderer) -> None:
    for format in FORMATS[:3]:
        with pytest.raises(ParameterError, match="render nv12"):
            shot(egg, format).planes()
    luma, _ = egg._drawer.core.render_on_device(
        *egg._shot(FACE, egg.camera(0, 0, 64, 48), (1, 1, 1), "nv12", None)
    ).planes()
    with pytest.raises(ValueError, match="only nv12"):
        luma.planes()


@needs_emulator
def test_pictures_outlive_their_renderer_and_are_freed_once() -> None:
    gc.collect()
    free = _core.cuda_devices()[0].memory_free
    renderer = Renderer(small_avatar(), backend="cuda")
    frame = shot(renderer, "rgba8")
    expected = frame.numpy()
    taken = take(frame.__dlpack__())
    ignored = frame.__dlpack__(max_version=(1, 0))  # a capsule that nobody takes over
    del renderer, frame, ignored
    gc.collect()
    held = free - _core.cuda_devices()[0].memory_free
    assert held > 0
    np.testing.assert_array_equal(taken.read(), expected)
    taken.let_go()
    assert _core.cuda_devices()[0].memory_free == free


@needs_cuda
def test_frames_that_are_kept_stay_as_they_are(egg: Renderer) -> None:
    camera = egg.camera(0, 0, 64, 48)
    faces = [FaceParams.from_arkit({"jawOpen": 0.1 * k}) for k in range(6)]
    kept = [egg.render_on_device(face, camera) for face in faces]
    egg.render(FACE, camera)
    for face, frame in zip(faces, kept, strict=True):
        np.testing.assert_array_equal(frame.numpy(), egg.render(face, camera).pixels)


def test_nvenc_takes_h264_only() -> None:
    with pytest.raises(ParameterError, match="h264 here, not vp8"):
        DeviceEncoder(VideoSettings(64, 48, 30, "vp8"))


def test_nvenc_is_asked_for_a_stream_that_is_looked_at_now() -> None:
    context = DeviceEncoder(VideoSettings(64, 48, 30))._context
    assert context.name == "h264_nvenc"
    assert context.pix_fmt == "cuda"
    assert (context.width, context.height) == (64, 48)
    assert context.options["zerolatency"] == "1"
    assert (context.colorspace, context.color_range) == (6, 1)


@needs_cuda
def test_nvenc_refuses_other_pictures(egg: Renderer) -> None:
    encoder = DeviceEncoder(VideoSettings(64, 48, 30))
    for picture in (shot(egg, "i420"), egg.render_on_device(FACE, egg.camera(0, 0, 64, 64))):
        with pytest.raises(ParameterError, match="NVENC takes nv12 of"):
            encoder.encode(picture, 0, keyframe=False)


@needs_emulator
def test_without_a_driver_nvenc_says_so_and_keeps_nothing() -> None:
    gc.collect()
    free = _core.cuda_devices()[0].memory_free
    renderer = Renderer(small_avatar(), backend="cuda")
    encoder = DeviceEncoder(VideoSettings(64, 48, 30))
    with pytest.raises(BackendError, match="PyAV cannot take a picture on the device"):
        encoder.encode(shot(renderer), 0, keyframe=True)
    del renderer, encoder
    gc.collect()
    assert _core.cuda_devices()[0].memory_free == free
