"""A viewer without a browser: aiortc at the other end of the line."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import av
import numpy as np
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCPeerConnection,
    RTCRtpReceiver,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError

from avatar_rt.arrays import I16, U8
from avatar_rt.server.peer import gather_from
from tests.server.conftest import Running

PATIENCE_S = 30.0


class Viewer:
    """One call to a server."""

    def __init__(self, running: Running) -> None:
        self.running = running
        self.connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.session = ""
        self.messages: list[dict[str, Any]] = []
        self.pictures = 0
        self.picture: U8 | None = None
        """(H, W, 3) uint8, the newest."""
        self.sound: list[I16] = []
        self.channel = self.connection.createDataChannel("control")
        self.channel.on("message", lambda text: self.messages.append(json.loads(text)))
        self._tasks: list[asyncio.Task[None]] = []

    async def call(
        self,
        codec: str = "video/H264",
        *,
        camera: MediaStreamTrack | None = None,
        microphone: MediaStreamTrack | None = None,
    ) -> None:
        """Calls, and waits until the line stands."""
        pc = self.connection
        video = pc.addTransceiver("video", "recvonly")
        known = RTCRtpReceiver.getCapabilities("video").codecs  # type: ignore[union-attr]
        video.setCodecPreferences([c for c in known if c.mimeType == codec])
        pc.addTransceiver("audio", "recvonly")
        for track in (camera, microphone):
            if track is not None:
                pc.addTransceiver(track, "sendonly")
        pc.on("track", lambda track: self._tasks.append(asyncio.ensure_future(self._take(track))))
        for connection in {
            t.receiver.transport.transport._connection for t in pc.getTransceivers()
        }:
            gather_from(connection, loopback_only=True)
        assert pc.sctp is not None
        gather_from(pc.sctp.transport.transport._connection, loopback_only=True)
        await pc.setLocalDescription(await pc.createOffer())
        status, answer = await self.offer(pc.localDescription.sdp)
        assert status == 200, answer
        self.session = answer["session"]
        await pc.setRemoteDescription(RTCSessionDescription(answer["sdp"], "answer"))
        await until(lambda: self.channel.readyState == "open")

    async def offer(self, sdp: str) -> tuple[int, dict[str, Any]]:
        """Posts an offer: status and answer."""
        body = {"type": "offer", "sdp": sdp}
        async with self.running.http.post(f"{self.running.url}api/offer", json=body) as response:
            return response.status, await response.json()

    def say(self, **message: Any) -> None:
        """Sends a control message."""
        self.channel.send(json.dumps(message))

    def newest(self, kind: str) -> dict[str, Any] | None:
        """The last message of a type."""
        return next((m for m in reversed(self.messages) if m["type"] == kind), None)

    async def fresh_picture(self) -> U8:
        """A picture that was decoded from now on, but for those already on their way."""
        before = self.pictures
        await until(lambda: self.pictures >= before + 4)
        assert self.picture is not None
        return self.picture

    async def _take(self, track: MediaStreamTrack) -> None:
        while True:
            try:
                frame = await track.recv()
            except MediaStreamError:
                return
            if isinstance(frame, av.VideoFrame):
                self.picture = frame.to_ndarray(format="rgb24").astype(np.uint8)
                self.pictures += 1
            elif isinstance(frame, av.AudioFrame):
                self.sound.append(frame.to_ndarray().reshape(-1).astype(np.int16))

    async def close(self) -> None:
        """Hangs up."""
        await self.connection.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def until(true: Any, seconds: float = PATIENCE_S) -> None:
    """Waits until `true()`; fails with a word on what was waited for."""
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.02)


@asynccontextmanager
async def viewer(running: Running, codec: str = "video/H264", **up: Any) -> AsyncIterator[Viewer]:
    """A viewer whose line stands."""
    caller = Viewer(running)
    try:
        await caller.call(codec, **up)
        yield caller
    finally:
        await caller.close()
