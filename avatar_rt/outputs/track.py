"""aiortc tracks that send what was encoded elsewhere: one encoder, any number of viewers.

Everything here runs on the event loop. `Fanout` is the meeting point of an encoder thread and its
tracks; a track may move to another fan-out (another camera, another driver) without a gap, because
it keeps the old one until the new one's first keyframe.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

import av
from aiortc import MediaStreamTrack, RTCRtpSender
from aiortc.mediastreams import MediaStreamError

from avatar_rt.outputs.encoder import EncodedFrame
from avatar_rt.outputs.rtp import last_timestamp

_BACKLOG = 30
"""Packets that may wait in a track; more mean that the event loop stood still, and are dropped."""


class VideoSource(Protocol):
    """What a VideoTrack listens to."""

    def add(self, track: VideoTrack) -> None: ...

    def discard(self, track: VideoTrack) -> None: ...

    def request_keyframe(self) -> None: ...


class _PacketTrack(MediaStreamTrack):
    """A queue of packets between a push and a recv."""

    def __init__(self) -> None:
        super().__init__()
        self._packets: deque[av.Packet[Any]] = deque()
        self._wake: asyncio.Future[None] | None = None
        self.sent = 0
        """Packets handed to the sender."""

    def _put(self, packet: av.Packet[Any]) -> None:
        self._packets.append(packet)
        self._notify()

    def _notify(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    async def recv(self) -> av.Packet[Any]:
        """The next packet. Raises MediaStreamError once the track has stopped."""
        while not self._packets and self.readyState == "live":
            self._wake = asyncio.get_running_loop().create_future()
            await self._wake
        if self.readyState != "live":
            raise MediaStreamError
        self.sent += 1
        return self._packets.popleft()

    def stop(self) -> None:
        super().stop()
        self._packets.clear()
        self._notify()


class VoiceTrack(_PacketTrack):
    """Opus packets."""

    kind = "audio"

    def push(self, packet: av.Packet[Any]) -> None:
        """Queues 20 ms of sound; what nobody fetched in time is dropped."""
        if len(self._packets) >= _BACKLOG:
            self._packets.clear()
        self._put(packet)


class VideoTrack(_PacketTrack):
    """Pictures, each of them decodable: none is sent before a keyframe of its source."""

    kind = "video"

    def __init__(self) -> None:
        super().__init__()
        self._source: VideoSource | None = None
        self._next_source: VideoSource | None = None
        self._needs_keyframe = True
        self._sender: RTCRtpSender | None = None
        self._last_pts: int | None = None
        self._queued_pts: int | None = None
        self.rtp_origin: int | None = None
        """RTP timestamp of pts 0, modulo 2³²: tells a viewer when a picture was made."""
        self.dropped = 0

    def sent_by(self, sender: RTCRtpSender) -> None:
        """Names the sender whose time stamps `rtp_origin` reports."""
        self._sender = sender

    @property
    def changing(self) -> bool:
        """Whether it waits for the first keyframe of another source."""
        return self._next_source is not None

    def watch(self, source: VideoSource) -> None:
        """Shows `source` from its next keyframe on; until then the present one stays."""
        if source is self._next_source:
            return
        if self._next_source is not None:
            self._next_source.discard(self)
            self._next_source = None
        if source is self._source:
            return
        self._next_source = source
        source.add(self)
        source.request_keyframe()

    def request_keyframe(self) -> None:
        """The far end lost a picture."""
        for source in (self._source, self._next_source):
            if source is not None:
                source.request_keyframe()

    def push(self, source: VideoSource, frame: EncodedFrame) -> None:
        """Takes a picture that `source` made."""
        if source is self._next_source and frame.keyframe:
            if self._source is not None:
                self._source.discard(self)
            self._source, self._next_source = source, None
            self._needs_keyframe = False
        if source is not self._source:
            return
        if len(self._packets) >= _BACKLOG:
            self.dropped += len(self._packets)
            self._packets.clear()
            self._needs_keyframe = True
            source.request_keyframe()
        if self._needs_keyframe and not frame.keyframe:
            self.dropped += 1
            return
        self._needs_keyframe = False
        self._put(self._after_the_last(frame.packet))

    def _after_the_last(self, packet: av.Packet[Any]) -> av.Packet[Any]:
        """Two sources make pictures of the same moment, and a receiver takes packets of one time
        stamp for one picture: where the source changes, the later one is moved by a tick."""
        pts = packet.pts or 0
        if self._queued_pts is not None and pts <= self._queued_pts:
            moved: av.Packet[Any] = av.Packet(bytes(packet))
            moved.time_base, pts = packet.time_base, self._queued_pts + 1
            moved.pts, packet = pts, moved
        self._queued_pts = pts
        return packet

    async def recv(self) -> av.Packet[Any]:
        if self._sender is not None and self._last_pts is not None:
            # the sender asks for more only when it has sent the packet before
            self.rtp_origin = (last_timestamp(self._sender) - self._last_pts) % 2**32
        packet = await super().recv()
        self._last_pts = packet.pts
        return packet

    def stop(self) -> None:
        for source in (self._source, self._next_source):
            if source is not None:
                source.discard(self)
        self._source = self._next_source = None
        super().stop()


class Fanout:
    """Hands each picture of one encoder to every track that watches it."""

    def __init__(self, on_keyframe_wanted: Callable[[], None]) -> None:
        self.tracks: set[VideoTrack] = set()
        self._on_keyframe_wanted = on_keyframe_wanted

    def add(self, track: VideoTrack) -> None:
        """A viewer more."""
        self.tracks.add(track)

    def discard(self, track: VideoTrack) -> None:
        """A viewer less."""
        self.tracks.discard(track)

    def request_keyframe(self) -> None:
        """Asks the encoder to make its next picture decodable on its own."""
        self._on_keyframe_wanted()

    def send(self, frames: list[EncodedFrame]) -> None:
        """Called on the event loop with what the encoder has just made."""
        for frame in frames:
            for track in list(self.tracks):
                track.push(self, frame)
