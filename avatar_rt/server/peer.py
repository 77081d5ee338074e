"""One WebRTC connection as the server needs it: fitted senders, a codec, reachable addresses."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from typing import Any

from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCDataChannel,
    RTCPeerConnection,
    RTCRtpSender,
    RTCSessionDescription,
)
from aiortc.exceptions import OperationError

from avatar_rt.errors import ParameterError
from avatar_rt.outputs.encoder import VideoCodec, VideoSettings, h264_level
from avatar_rt.outputs.rtp import (
    PlayoutDelayMap,
    fit_receiver,
    fit_sender,
    offer_playout_delay,
    state_h264_level,
)
from avatar_rt.outputs.track import VideoTrack, VoiceTrack
from avatar_rt.server.offer import Offer

LOOPBACK = "127.0.0.1"
_CODECS: dict[str, VideoCodec] = {"video/h264": "h264", "video/vp8": "vp8"}
_MIN_STATED_LEVEL = 42


class Peer:
    """A connection that sends one picture and one voice, and takes camera, microphone, messages."""

    def __init__(self, settings: VideoSettings, *, loopback_only: bool) -> None:
        """loopback_only: binds to 127.0.0.1 alone, wherever the far end can reach that."""
        offer_playout_delay()
        self.video, self.voice = VideoTrack(), VoiceTrack()
        self._settings, self._loopback_only = settings, loopback_only
        self._connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._delay: PlayoutDelayMap | None = None

    def on_state(self, changed: Callable[[str], None]) -> None:
        """Calls `changed` with each new connection state."""
        pc = self._connection
        pc.on("connectionstatechange", lambda: changed(pc.connectionState))

    def on_track(self, came: Callable[[MediaStreamTrack], None]) -> None:
        """Calls `came` with each track that the far end may send."""
        self._connection.on("track", came)

    def on_channel(self, came: Callable[[RTCDataChannel], None]) -> None:
        """Calls `came` with each channel that the far end opens."""
        self._connection.on("datachannel", came)

    async def answer(self, offer: Offer) -> tuple[str, VideoCodec]:
        """Negotiates; the answer's SDP and the codec that pictures shall be in.

        Raises ParameterError, whose text can be shown, for an offer that cannot be answered.
        """
        pc = self._connection
        picture = pc.addTransceiver(self.video, "sendonly")
        picture.setCodecPreferences(_preferred())
        self._delay = fit_sender(picture.sender, self.video.request_keyframe)
        self.video.sent_by(picture.sender)
        if offer.wants_sound:
            sound = pc.addTransceiver(self.voice, "sendonly")
            # browsers delay pictures to match the sound of the same stream; the voice is sent
            # ahead instead, so it goes in a stream of its own
            sound.sender._stream_id = str(uuid.uuid4())
        try:
            await pc.setRemoteDescription(RTCSessionDescription(offer.sdp, "offer"))
            state_h264_level(picture, self._level())
            for transceiver in pc.getTransceivers():
                if transceiver.kind == "video" and transceiver is not picture:
                    fit_receiver(transceiver.receiver)
            self._choose_addresses(loopback_only=self._loopback_only and not offer.shuns_loopback)
            await pc.setLocalDescription(await pc.createAnswer())
        except OperationError as error:
            wanted = "H.264 (packetization-mode 1) or VP8, and Opus"
            raise ParameterError(f"SDP: no common codec; this server sends {wanted}") from error
        except Exception as error:
            # aiortc trusts descriptions, and fails with whatever Python error comes first
            raise ParameterError(f"SDP: cannot be answered ({_in_words(error)})") from error
        codec = _CODECS[picture._codecs[0].mimeType.lower()]
        return pc.localDescription.sdp, codec

    def hold_pictures(self, milliseconds: int) -> None:
        """How long the far end shall keep each picture before it is shown."""
        if self._delay is not None:
            self._delay.ask_for(milliseconds, milliseconds)

    @property
    def connected(self) -> bool:
        """Whether the call stands."""
        return self._connection.connectionState == "connected"

    async def close(self) -> None:
        """Hangs up."""
        self.video.stop()
        self.voice.stop()
        await self._connection.close()

    def _level(self) -> int:
        s = self._settings
        return max(h264_level(s.width, s.height, s.fps), _MIN_STATED_LEVEL)

    def _choose_addresses(self, *, loopback_only: bool) -> None:
        """aioice leaves loopback out, without which a machine that is offline cannot see itself."""
        pc = self._connection
        transports = {t.receiver.transport for t in pc.getTransceivers()}
        if pc.sctp is not None:
            transports.add(pc.sctp.transport)
        for connection in {transport.transport._connection for transport in transports}:
            gather_from(connection, loopback_only=loopback_only)


def gather_from(connection: Any, *, loopback_only: bool) -> None:
    """Makes an aioice connection that has not gathered yet use loopback, or loopback too."""
    gather = connection.get_component_candidates

    async def with_loopback(component: int, addresses: Iterable[str], timeout: int = 5) -> Any:
        chosen = [LOOPBACK] if loopback_only else [LOOPBACK, *addresses]
        return await gather(component=component, addresses=chosen, timeout=timeout)

    connection.get_component_candidates = with_loopback


def _preferred() -> list[Any]:
    """H.264 first, then VP8, with retransmission."""
    order = ["video/h264", "video/vp8", "video/rtx"]
    known = RTCRtpSender.getCapabilities("video").codecs
    return sorted(
        (codec for codec in known if codec.mimeType.lower() in order),
        key=lambda codec: order.index(codec.mimeType.lower()),
    )


def _in_words(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error)[:120]}"
