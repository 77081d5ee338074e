"""What aiortc 1.16 leaves out of a sender: no jitter buffer at the far end, word of lost pictures.

aiortc makes its senders itself, so each one is fitted here, instance by instance, before it starts;
nothing of aiortc is replaced for the process as a whole, but for one entry in its list of header
extensions that may be negotiated.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from aiortc import RTCRtpReceiver, RTCRtpSender, RTCRtpTransceiver
from aiortc.codecs import HEADER_EXTENSIONS
from aiortc.jitterbuffer import JitterBuffer, JitterFrame
from aiortc.rtcrtpparameters import RTCRtpHeaderExtensionParameters, RTCRtpParameters
from aiortc.rtp import (
    HeaderExtensions,
    HeaderExtensionsMap,
    RtpPacket,
    pack_header_extensions,
    unpack_header_extensions,
)

from avatar_rt.errors import BackendError, ParameterError

PLAYOUT_DELAY = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay"
_STEP_MS, _LARGEST = 10, 0xFFF
_HEADER_MAP = "_RTCRtpSender__rtp_header_extensions_map"
_RTP_TIMESTAMP = "_RTCRtpSender__rtp_timestamp"
_JITTER_BUFFER = "_RTCRtpReceiver__jitter_buffer"


def offer_playout_delay() -> None:
    """Lets aiortc negotiate the playout-delay extension for video. Harmless when called again."""
    known = HEADER_EXTENSIONS["video"]
    if all(extension.uri != PLAYOUT_DELAY for extension in known):
        # answers take the number from the browser's offer; 6 is free for offers of our own
        known.append(RTCRtpHeaderExtensionParameters(id=6, uri=PLAYOUT_DELAY))


def playout_delay_bytes(smallest_ms: int, largest_ms: int) -> bytes:
    """Two 12-bit numbers of 10 ms each, as the extension carries them.

    Raises ParameterError where they are negative, in the wrong order, or too large.
    """
    low, high = smallest_ms // _STEP_MS, largest_ms // _STEP_MS
    if not 0 <= low <= high <= _LARGEST:
        raise ParameterError(f"playout delay {smallest_ms} to {largest_ms} ms is not possible")
    return struct.pack("!L", low << 12 | high)[1:]


class PlayoutDelayMap(HeaderExtensionsMap):
    """aiortc's header extensions, and with them how long the receiver may hold a picture back."""

    def __init__(self) -> None:
        super().__init__()
        self._id = 0
        self._value = playout_delay_bytes(0, 0)

    def ask_for(self, smallest_ms: int, largest_ms: int) -> None:
        """From the next packet on, pictures shall be shown that long after they were sent.

        Raises ParameterError as playout_delay_bytes does.
        """
        self._value = playout_delay_bytes(smallest_ms, largest_ms)

    def configure(self, parameters: RTCRtpParameters) -> None:
        super().configure(parameters)
        for extension in parameters.headerExtensions:
            if extension.uri == PLAYOUT_DELAY:
                self._id = extension.id

    def set(self, values: HeaderExtensions) -> tuple[int, bytes]:
        profile, packed = super().set(values)
        if not self._id:
            return profile, packed
        extensions = unpack_header_extensions(profile, packed)
        return pack_header_extensions([*extensions, (self._id, self._value)])


def fit_sender(sender: RTCRtpSender, on_picture_lost: Callable[[], None]) -> PlayoutDelayMap:
    """Makes a sender that has not started carry the playout delay (at first none) and report PLI
    and FIR; the delay can be set on what is returned.

    Raises BackendError where aiortc is not the version that this was written for.
    """
    if not hasattr(sender, _HEADER_MAP) or not hasattr(sender, "_send_keyframe"):
        raise BackendError("aiortc has changed inside; pip install aiortc==1.16.0")
    extensions = PlayoutDelayMap()
    setattr(sender, _HEADER_MAP, extensions)
    sender._send_keyframe = on_picture_lost  # type: ignore[method-assign]
    return extensions


def last_timestamp(sender: RTCRtpSender) -> int:
    """RTP timestamp of the newest packet that was sent, modulo 2³²; 0 before the first."""
    return int(getattr(sender, _RTP_TIMESTAMP))


def state_h264_level(transceiver: RTCRtpTransceiver, level: int) -> None:
    """Says in the answer which H.264 level (×10) is sent, where the peer allows it to differ.

    To be called between setRemoteDescription and createAnswer. aiortc states 3.1, which at
    512×512 would end at 105 frames a second.
    """
    for codec in transceiver._codecs:
        if codec.mimeType.lower() == "video/h264":
            profile = str(codec.parameters.get("profile-level-id", "42e01f"))
            stated = max(level, int(profile[4:], 16))
            codec.parameters["profile-level-id"] = f"{profile[:4]}{stated:02x}"


class PromptJitterBuffer(JitterBuffer):
    """Releases a video frame with its last packet, not with the first one of the next frame."""

    def _remove_frame(self, sequence_number: int) -> JitterFrame | None:  # noqa: ARG002
        packets: list[RtpPacket] = []
        assert self._origin is not None
        for count in range(self.capacity):
            packet = self._packets[(self._origin + count) % self.capacity]
            if packet is None:
                return None
            if packets and packet.timestamp != packets[0].timestamp:
                break
            packets.append(packet)
            if packet.marker:
                break
        self.remove(len(packets))
        # aiortc hangs the depayloaded bytes onto each packet
        data = b"".join(packet._data for packet in packets)  # type: ignore[attr-defined]
        return JitterFrame(data=data, timestamp=packets[0].timestamp)


def fit_receiver(receiver: RTCRtpReceiver) -> None:
    """Makes a video receiver that has not started hand frames over as soon as they are whole."""
    if not hasattr(receiver, _JITTER_BUFFER):
        raise BackendError("aiortc has changed inside; pip install aiortc==1.16.0")
    setattr(receiver, _JITTER_BUFFER, PromptJitterBuffer(capacity=512, is_video=True))
