"""Calls with a real WebRTC peer: what is asked for is what arrives, and nothing stays behind."""

from __future__ import annotations

import asyncio
import shutil
import threading

import av
import numpy as np
import pytest
from aiortc import VideoStreamTrack

from avatar_rt.arrays import U8
from avatar_rt.drivers.base import ClosingDriver, IdleDriver
from avatar_rt.server.peer import Peer
from avatar_rt.types import FaceParams
from tests.server.client import Viewer, until, viewer
from tests.server.conftest import SIZE, Serve


def difference(a: U8, b: U8) -> float:
    """Mean absolute difference of two pictures, in levels."""
    return float(np.abs(a.astype(int) - b.astype(int)).mean())


@pytest.mark.parametrize("codec", ["video/H264", "video/VP8"])
async def test_pictures_arrive_in_either_codec(serve: Serve, codec: str) -> None:
    async with serve() as running, viewer(running, codec) as caller:
        picture = await caller.fresh_picture()
        assert picture.shape == (SIZE, SIZE, 3)
        corner, face = picture[2, 2].astype(int), picture[SIZE // 2, SIZE // 2].astype(int)
        assert np.abs(corner - np.array([207, 214, 222])).max() < 12, "the backdrop"
        assert face[0] > face[2] + 20, "skin"
        await until(lambda: caller.newest("state") is not None)
        state = caller.newest("state")
        assert state is not None and state["video"]["codec"] == codec[6:].replace("H264", "H.264")


async def test_viewers_of_the_shared_camera_share_one_encoder(serve: Serve) -> None:
    async with serve() as running, viewer(running) as first, viewer(running) as second:
        await first.fresh_picture()
        await second.fresh_picture()
        assert len(running.studio.shared.views) == 1
        assert len(running.studio.shared.views[0].fanout.tracks) == 2


async def test_a_moved_camera_is_ones_own_and_can_be_reset(serve: Serve) -> None:
    async with serve() as running, viewer(running) as first, viewer(running) as second:
        straight = await first.fresh_picture()
        first.say(type="camera", yaw=1.2, pitch=0.2, zoom=1.6)
        await until(lambda: len(running.studio.shared.views) == 2)
        await until(lambda: first.picture is not None and difference(first.picture, straight) > 6)
        assert difference(await second.fresh_picture(), straight) < 4, "the other one's stays"
        first.say(type="camera", reset=True)
        await until(lambda: len(running.studio.shared.views) == 1)
        await until(lambda: first.picture is not None and difference(first.picture, straight) < 4)


async def test_a_chosen_driver_moves_only_ones_own_face(serve: Serve) -> None:
    async with serve() as running, viewer(running) as first, viewer(running):
        first.say(type="drive", source="clip")
        await until(lambda: len(running.studio.scenes) == 2)
        seen = [await first.fresh_picture() for _ in range(12)]
        assert max(difference(a, seen[0]) for a in seen) > 0.5
        first.say(type="drive", source="shared")
        await until(lambda: len(running.studio.scenes) == 1)


@pytest.mark.skipif(
    not (shutil.which("espeak-ng") or shutil.which("flite")), reason="no speech engine installed"
)
async def test_a_text_is_heard_and_stops_when_told(serve: Serve) -> None:
    async with serve() as running, viewer(running) as caller:
        await until(lambda: len(caller.sound) > 10)
        assert max(int(np.abs(s).max()) for s in caller.sound) < 50, "silence before"
        caller.say(type="drive", source="text", text="Open wide, says the doctor. " * 8)
        await until(lambda: int(np.abs(caller.sound[-1]).max()) > 2000)
        caller.say(type="stop")
        await until(lambda: max(int(np.abs(s).max()) for s in caller.sound[-15:]) < 50)


async def test_budgets_are_kept_and_said(serve: Serve) -> None:
    async with serve(scenes=1, views=1, sessions=1) as running, viewer(running) as caller:
        await caller.fresh_picture()
        caller.say(type="camera", yaw=0.5, pitch=0, zoom=1)
        await until(lambda: caller.newest("error") is not None)
        error = caller.newest("error")
        assert error is not None and "cameras are taken" in error["error"]
        caller.say(type="drive", source="clip")
        await until(lambda: "scenes are taken" in (caller.newest("error") or {}).get("error", ""))
        late = Viewer(running)
        late.connection.addTransceiver("video", "recvonly")
        await late.connection.setLocalDescription(await late.connection.createOffer())
        status, answer = await late.offer(late.connection.localDescription.sdp)
        assert status == 503 and "viewers" in answer["error"]
        await late.close()
        await caller.fresh_picture()


async def test_bad_messages_are_answered_and_harm_nothing(serve: Serve) -> None:
    async with serve() as running, viewer(running) as caller:
        for text in ("", "{", "[]", '{"type": "drive", "source": "../etc/passwd"}', "x" * 9999):
            caller.messages.clear()
            caller.channel.send(text)
            await until(lambda: caller.newest("error") is not None)
        caller.say(type="ping", t=1.5)
        await until(lambda: caller.newest("pong") is not None)
        pong = caller.newest("pong")
        assert pong is not None and pong["t"] == 1.5
        await caller.fresh_picture()


async def test_lost_pictures_are_asked_for_again(serve: Serve) -> None:
    async with serve() as running, viewer(running) as caller:
        await caller.fresh_picture()
        view = running.studio.shared.views[0]
        keyframes = view.keyframes
        receiver = caller.connection.getReceivers()[0]
        ssrc = receiver.getSynchronizationSources()[0].source
        await asyncio.sleep(0.3)
        await receiver._send_rtcp_pli(ssrc)
        await until(lambda: view.keyframes > keyframes)


async def test_figures_tell_when_a_picture_was_made(serve: Serve) -> None:
    async with serve() as running, viewer(running) as caller:
        await until(lambda: (caller.newest("stats") or {}).get("rtp_origin") is not None)
        await until(lambda: (caller.newest("stats") or {})["sent"] > 0)
        figures = caller.newest("stats")
        assert figures is not None
        assert figures["rendered"]["fps"] > 0 and figures["encoded"]["ms"] > 0
        assert 0 <= figures["rtp_origin"] < 2**32


async def test_closing_the_server_ends_its_calls(serve: Serve) -> None:
    async with serve() as running:
        caller = Viewer(running)
        await caller.call()
        caller.say(type="drive", source="clip")
        await until(lambda: len(running.studio.scenes) == 2)
        studio = running.studio
    assert not studio.sessions
    await until(lambda: caller.connection.connectionState == "closed")
    await caller.close()


async def test_nothing_stays_behind_when_calls_end(serve: Serve) -> None:
    threads = threading.active_count()
    async with serve() as running:
        for _ in range(3):
            async with viewer(running) as caller:
                await caller.fresh_picture()
                caller.say(type="drive", source="idle")
                await until(lambda: len(running.studio.scenes) == 2)
            await until(lambda: not running.studio.sessions)
            await until(lambda: len(running.studio.scenes) == 1)
            await until(lambda: not running.studio.shared.views)
    names = [t.name for t in threading.enumerate() if not t.name.startswith("asyncio_")]
    assert not [n for n in names if n in ("encoder", "voice", "frames")], names
    assert threading.active_count() <= threads + 8, "only the loop's own workers may be new"


async def test_a_call_that_cannot_hang_up_leaves_nothing_behind_either(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with serve() as running, viewer(running) as caller:
        caller.say(type="drive", source="idle")
        await until(lambda: len(running.studio.scenes) == 2)
        session = running.studio.sessions[caller.session]
        hang_up = Peer.close

        async def half(peer: Peer) -> None:
            await hang_up(peer)
            raise AttributeError("'NoneType' object has no attribute 'transport'")

        monkeypatch.setattr(Peer, "close", half)
        await session.close()
        assert not running.studio.sessions and len(running.studio.scenes) == 1
        assert not running.studio.shared.views and "did not hang up" in caplog.text


async def test_an_unforeseen_fault_in_an_offer_ends_its_session(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: object) -> None:
        raise ZeroDivisionError("nobody thought of this")

    async with serve() as running:
        caller = Viewer(running)
        caller.connection.addTransceiver("video", "recvonly")
        await caller.connection.setLocalDescription(await caller.connection.createOffer())
        monkeypatch.setattr(Peer, "answer", broken)
        body = {"type": "offer", "sdp": caller.connection.localDescription.sdp}
        async with running.http.post(f"{running.url}api/offer", json=body) as response:
            assert response.status == 500
        assert not running.studio.sessions and "nobody thought of this" in caplog.text
        await caller.close()


class Wall(VideoStreamTrack):
    """A camera that looks at a wall."""

    async def recv(self) -> av.VideoFrame:
        frame = av.VideoFrame.from_ndarray(np.full((120, 160, 3), 150, np.uint8), format="rgb24")
        frame.pts, frame.time_base = await self.next_timestamp()
        return frame


async def test_a_webcam_that_sees_no_face_is_told_of(serve: Serve) -> None:
    async with serve() as running, viewer(running, camera=Wall()) as caller:
        await until(lambda: (caller.newest("stats") or {"webcam": 0})["webcam"] is None)
        caller.say(type="drive", source="webcam")
        await until(lambda: (caller.newest("stats") or {})["webcam"] == "no face seen", 90)
        said = [m["webcam"] for m in caller.messages if m["type"] == "stats" and m["webcam"]]
        assert said[0] == "starting" and "following" not in said
        caller.say(type="drive", source="shared")
        await until(lambda: (caller.newest("stats") or {})["webcam"] is None)


class Broken(ClosingDriver):
    """A driver with a fault that nobody thought of."""

    def read(self, now: float) -> FaceParams:
        raise ZeroDivisionError(f"at {now}")


async def test_a_driver_with_an_unforeseen_fault_leaves_an_idle_avatar(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    async with serve() as running, viewer(running) as caller:
        await caller.fresh_picture()
        await running.studio.shared.drive(Broken())
        await until(lambda: isinstance(running.studio.shared.driver, IdleDriver))
        await caller.fresh_picture()
    assert "ZeroDivisionError" in caplog.text
