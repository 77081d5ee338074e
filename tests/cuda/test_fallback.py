"""Where CUDA does not work, or not any more: the picture stays, and somebody says why."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from avatar_rt import _core
from avatar_rt.avatar import Avatar
from avatar_rt.cli.main import main
from avatar_rt.clock import monotonic
from avatar_rt.device import CUDA
from avatar_rt.errors import BackendError
from avatar_rt.outputs.encoder import VideoSettings
from avatar_rt.outputs.track import VideoTrack
from avatar_rt.pipeline import Pipeline
from avatar_rt.render import Renderer
from avatar_rt.server.scene import Scene
from avatar_rt.types import Camera, FaceParams
from tests.cuda.devices import needs_emulator
from tests.factory import small_avatar

pytestmark = needs_emulator

Emulate = Callable[..., None]
FACES = [FaceParams.from_arkit({"jawOpen": 0.2 * k}) for k in range(5)]
WHY_NOT = [
    ({"driver": "old"}, "driver is too old"),
    ({"driver": "none"}, "no NVIDIA driver"),
    ({"devices": "0"}, "no device"),
]


@pytest.fixture
def emulate(monkeypatch: pytest.MonkeyPatch) -> Emulate:
    """emulate(fail_after=3): the device is like that from now on; None takes it back."""

    def change(**how: str | int | None) -> None:
        for name, value in how.items():
            variable = f"AVATAR_RT_EMULATED_{name.upper()}"
            if value is None:
                monkeypatch.delenv(variable)
            else:
                monkeypatch.setenv(variable, str(value))

    return change


@pytest.fixture(scope="module")
def egg() -> Avatar:
    return small_avatar()


@pytest.fixture(scope="module")
def cpu(egg: Avatar) -> Renderer:
    return Renderer(egg, backend="cpu")


def view(renderer: Renderer, yaw: float = 0.2) -> Camera:
    return renderer.camera(yaw, 0, 64, 48)


def same(renderer: Renderer, other: Renderer, face: FaceParams = FACES[3]) -> bool:
    """Whether both draw the same bits."""
    one, two = (r.render(face, view(r)).pixels for r in (renderer, other))
    return np.array_equal(one, two)


def drawn_by(*renderers: Renderer) -> list[str]:
    """The backend of each, as it is at this moment."""
    return [renderer.backend for renderer in renderers]


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]


def test_cuda_is_taken_where_it_works(egg: Avatar) -> None:
    for renderer in (Renderer(egg), Renderer(egg, backend="cuda")):
        assert (renderer.backend, renderer.backend_reason) == ("cuda", None)
    renderer = Renderer(egg, backend="cpu")
    assert drawn_by(renderer) == ["cpu"]
    assert renderer.backend_reason == "the processor was asked for"


@pytest.mark.parametrize(("how", "words"), WHY_NOT)
def test_why_there_is_none(
    egg: Avatar, cpu: Renderer, emulate: Emulate, how: dict[str, str], words: str
) -> None:
    emulate(**how)
    assert words in _core.cuda_status()
    assert _core.cuda_devices() == []
    renderer = Renderer(egg)
    assert drawn_by(renderer) == ["cpu"]
    assert words in (renderer.backend_reason or "")
    assert same(renderer, cpu)
    with pytest.raises(BackendError, match=f"backend 'cuda' cannot draw avatars: .*{words}"):
        Renderer(egg, backend="cuda")


def test_no_memory_for_an_avatar(
    egg: Avatar, cpu: Renderer, emulate: Emulate, caplog: pytest.LogCaptureFixture
) -> None:
    emulate(memory=50_000)
    renderer = Renderer(egg)
    assert drawn_by(renderer) == ["cpu"]
    assert "out of memory" in (renderer.backend_reason or "")
    assert [w for w in warnings(caplog) if "out of memory" in w] == warnings(caplog) != []
    assert same(renderer, cpu)
    with pytest.raises(BackendError, match=r"out of memory.*take backend='cpu' or 'auto'"):
        Renderer(egg, backend="cuda")
    emulate(memory=None)
    assert Renderer(egg).backend == "cuda", "others may have let go of theirs"


def test_no_memory_for_a_picture(egg: Avatar, cpu: Renderer, emulate: Emulate) -> None:
    whole = _core.cuda_devices()[0]
    renderer = Renderer(egg)
    taken = whole.memory_free - _core.cuda_devices()[0].memory_free
    emulate(memory=whole.memory_total - whole.memory_free + taken + 1_000)
    assert same(renderer, cpu)
    assert drawn_by(renderer) == ["cpu"]
    assert "out of memory" in (renderer.backend_reason or "")
    emulate(memory=None)
    assert Renderer(egg).backend == "cuda", "others may have enough"


@pytest.mark.parametrize("after", [0, 1, 2])
def test_a_failure_in_mid_stream_costs_no_picture(
    egg: Avatar, cpu: Renderer, emulate: Emulate, caplog: pytest.LogCaptureFixture, after: int
) -> None:
    renderer = Renderer(egg)
    renderer.haste = cpu.haste = 2
    renderer.render(FACES[0], view(renderer))
    assert drawn_by(renderer) == ["cuda"]
    emulate(fail_after=after)
    drawn: list[str] = []
    for face in FACES:
        picture = renderer.render(face, view(renderer), quality="fast").pixels
        drawn += drawn_by(renderer)
        if drawn[-1] == "cpu":
            truth = cpu.render(face, view(cpu), quality="fast").pixels
            np.testing.assert_array_equal(picture, truth)
    assert drawn[-1] == "cpu" and drawn.count("cuda") <= after
    assert renderer.haste == 2
    assert "it failed while it drew: CUDA: " in (renderer.backend_reason or "")
    assert len(warnings(caplog)) == 1
    assert "the processor draws from now on" in warnings(caplog)[0]
    cpu.haste = 0


def test_nobody_is_sent_to_a_device_that_failed(egg: Avatar, emulate: Emulate) -> None:
    renderer = Renderer(egg)
    emulate(fail_after=0)
    renderer.render(FACES[0], view(renderer))
    emulate(fail_after=None)  # a real one does not recover within a process
    later = Renderer(egg)
    assert drawn_by(later) == ["cpu"]
    assert "failed earlier in this process: CUDA: " in (later.backend_reason or "")
    CUDA.forget()
    assert Renderer(egg).backend == "cuda"


def test_a_device_that_there_is_not(egg: Avatar, cpu: Renderer) -> None:
    renderer = Renderer(egg, device=7)
    assert drawn_by(renderer) == ["cpu"]
    assert "cudaErrorInvalidDevice" in (renderer.backend_reason or "")
    assert same(renderer, cpu)
    with pytest.raises(BackendError, match="cudaErrorInvalidDevice"):
        Renderer(egg, backend="cuda", device=7)


def test_batches_vertices_and_gaussians_fall_back(
    egg: Avatar, cpu: Renderer, emulate: Emulate
) -> None:
    views = [view(cpu, yaw) for yaw in (0.0, 0.4)]
    batch, vertices, gaussians = (Renderer(egg) for _ in range(3))
    emulate(fail_after=0)
    expected = cpu.render_batch(FACES[1], views, format="i420")
    for got, truth in zip(
        batch.render_batch(FACES[1], views, format="i420"), expected, strict=True
    ):
        np.testing.assert_array_equal(got.pixels, truth.pixels)
    np.testing.assert_array_equal(vertices.vertices(FACES[1]), cpu.vertices(FACES[1]))
    for found, known in zip(gaussians.gaussians(FACES[1]), cpu.gaussians(FACES[1]), strict=True):
        np.testing.assert_array_equal(found, known)
    assert drawn_by(batch, vertices, gaussians) == ["cpu"] * 3


def test_twins_fall_back_too(
    egg: Avatar, cpu: Renderer, emulate: Emulate, caplog: pytest.LogCaptureFixture
) -> None:
    renderer = Renderer(egg)
    twin = renderer.twin()
    emulate(fail_after=0)
    assert same(renderer, cpu)
    after = renderer.twin()
    assert drawn_by(renderer, twin, after) == ["cpu", "cuda", "cpu"]
    assert same(twin, cpu) and same(after, cpu)
    assert drawn_by(twin) == ["cpu"]
    assert len(warnings(caplog)) == 1


def test_a_twin_of_one_that_does_not_know_yet(egg: Avatar, cpu: Renderer, emulate: Emulate) -> None:
    unaware, other = Renderer(egg), Renderer(egg)
    asked = Renderer(egg, backend="cuda")
    emulate(fail_after=0)
    other.render(FACES[0], view(other))
    twin = unaware.twin()
    assert drawn_by(unaware, twin) == ["cuda", "cpu"]
    assert "CUDA: " in (twin.backend_reason or "")
    assert same(twin, cpu) and same(unaware, cpu)
    with pytest.raises(BackendError, match="backend 'cuda' cannot draw this avatar"):
        asked.twin()


def test_who_asks_for_cuda_is_told(
    egg: Avatar, emulate: Emulate, caplog: pytest.LogCaptureFixture
) -> None:
    renderer = Renderer(egg, backend="cuda")
    emulate(fail_after=0)
    for _ in range(2):
        with pytest.raises(BackendError, match=r"backend 'cuda' failed: CUDA: .*take backend='cpu"):
            renderer.render(FACES[0], view(renderer))
    assert drawn_by(renderer) == ["cuda"]
    assert warnings(caplog) == [], "nobody took over"
    emulate(fail_after=None)
    assert renderer.render(FACES[0], view(renderer)).pixels.any()


def test_a_picture_that_stays_on_a_device_that_fails(
    egg: Avatar, cpu: Renderer, emulate: Emulate
) -> None:
    renderer = Renderer(egg)
    frame = renderer.render_on_device(FACES[0], view(renderer))
    emulate(fail_after=0)
    with pytest.raises(BackendError, match="no CUDA device draws this avatar: it failed while"):
        renderer.render_on_device(FACES[0], view(renderer))
    for lost in (frame.numpy, frame.__dlpack__):
        with pytest.raises(BackendError, match="the picture was lost with its device"):
            lost()
    assert same(renderer, cpu)
    with pytest.raises(BackendError, match="no CUDA device"):
        renderer.device_seconds(FACES[0], view(renderer), quality="fast", frames=2)


def test_a_pipeline_goes_on(egg: Avatar, emulate: Emulate) -> None:
    pipeline = Pipeline(Renderer(egg))
    cameras = [view(pipeline.renderer)] * 2
    frames = []
    for k in range(6):
        if k == 3:
            emulate(fail_after=0)
        frames += [pipeline.frame(k / 30, camera, "i420", (1, 1, 1)) for camera in cameras]
    assert drawn_by(pipeline.renderer) == ["cpu"]
    assert pipeline.failure is None, "the driver is not to blame"
    assert all(frame.pixels.any() for frame in frames)
    change = np.abs(frames[6].pixels.astype(int) - frames[5].pixels.astype(int))
    assert change.mean() < 1, "one does not see who drew it"
    pipeline.close()


async def test_a_stream_goes_on(
    egg: Avatar, emulate: Emulate, caplog: pytest.LogCaptureFixture
) -> None:
    loop = asyncio.get_running_loop()
    scene = Scene(Renderer(egg), VideoSettings(64, 64, 60), (1, 1, 1), monotonic(), loop)
    track = VideoTrack()
    try:
        scene.own_view("h264", scene.camera()).show(track)
        async with asyncio.timeout(30):
            first = [await track.recv() for _ in range(5)]
            assert drawn_by(scene.renderer) == ["cuda"]
            emulate(fail_after=0)
            then = [await track.recv() for _ in range(20)]
        assert drawn_by(scene.renderer) == ["cpu"]
        assert scene.failure is None
        assert len({packet.pts for packet in (*first, *then)}) == 25
        assert len(caplog.records) == len(warnings(caplog)) == 1, "and no picture was given up"
    finally:
        track.stop()
        await loop.run_in_executor(None, scene.close)


def doctor(capsys: pytest.CaptureFixture[str]) -> tuple[dict[str, str], dict[str, object]]:
    """What it says of CUDA: the finding, and the facts for programs."""
    main(["doctor", "--json"])
    report = json.loads(capsys.readouterr().out)
    found = next(f for f in report["findings"] if f["name"] == "CUDA")
    return found, report["cuda"]


def test_doctor_names_devices(capsys: pytest.CaptureFixture[str]) -> None:
    found, facts = doctor(capsys)
    assert found["level"] == "ok"
    assert found["found"].startswith("0: emulated, compute capability 9.0, ")
    assert found["found"].endswith(" GiB free")
    assert facts["status"] == "available"
    assert facts["devices"] == [{
        "number": 0, "name": "emulated", "capability": [9, 0],
        "memory_free": _core.cuda_devices()[0].memory_free,
        "memory_total": _core.cuda_devices()[0].memory_total,
    }]  # fmt: skip


@pytest.mark.parametrize(("how", "words"), [*WHY_NOT, ({"memory": 1_000}, "out of memory")])
def test_doctor_says_why_not(
    capsys: pytest.CaptureFixture[str], emulate: Emulate, how: dict[str, str], words: str
) -> None:
    emulate(**how)
    found, facts = doctor(capsys)
    assert found["level"] == "optional"
    assert words in found["found"]
    assert "the processor renders" in found["advice"]
    assert ("newer driver" in found["advice"]) == ("driver" in how)
    assert (facts["devices"] == []) == ("memory" not in how)


def test_commands_take_a_backend(
    egg: Avatar, tmp_path: Path, emulate: Emulate, capsys: pytest.CaptureFixture[str]
) -> None:
    egg.save(tmp_path / "egg.avatar")
    picture = str(tmp_path / "egg.png")
    command = ["render", str(tmp_path / "egg.avatar"), "--size", "64", "--json", "-o", picture]
    drawn = {}
    for backend in ("cpu", "cuda"):
        assert main([*command, "--backend", backend]) == 0
        assert json.loads(capsys.readouterr().out)["backend"] == backend
        drawn[backend] = cv2.imread(picture).astype(int)
    assert np.abs(drawn["cpu"] - drawn["cuda"]).max() <= 2
    emulate(fail_after=0)
    assert main([*command, "--backend", "cuda"]) == 2
    assert "backend 'cuda'" in json.loads(capsys.readouterr().out)["error"]
    assert main(command) == 0
    assert json.loads(capsys.readouterr().out)["backend"] == "cpu"


def test_bench_of_a_device(capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--gaussians", "300", "--size", "32", "--frames", "2", "--threads", "1"]
    assert main(["bench", "--json", "--no-baselines", "--quality", "fast", *flags]) == 0
    results = json.loads(capsys.readouterr().out)["results"]
    assert [(r["backend"], r["device"], r["threads"]) for r in results] == [
        ("cpu", None, 1), ("cuda", "emulated", 0),
    ]  # fmt: skip
    assert results[0]["device_ms"] is None
    assert results[1]["device_ms"] >= 0
    assert results[1]["psnr_db"] > 40
    assert main(["bench", "--no-baselines", "--backend", "cuda", "--quality", "fast", *flags]) == 0
    table = capsys.readouterr().out
    assert "emulated" in table and "device" in table and " cuda " in table
