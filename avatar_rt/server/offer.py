"""Is this a session description that we can answer? Asked before aiortc is let near it.

aiortc's parser trusts its input and fails with whatever Python error comes first; here each fault
gets a sentence, and the sizes of what aiortc will do for it (sections, candidates) get a limit.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from aiortc.sdp import MediaDescription, SessionDescription

from avatar_rt.errors import ParameterError
from avatar_rt.server.control import read_object
from avatar_rt.server.limits import Limits

_ATTRIBUTE = re.compile(r"[!-~]+ *(:.*)?")
_FINGERPRINT = re.compile(r"(sha-256|sha-384|sha-512) ([0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2})+)")
_DIGEST_BYTES = {"sha-256": 32, "sha-384": 48, "sha-512": 64}
_RECEIVING = ("recvonly", "sendrecv")
_MIN_UFRAG, _MIN_PASSWORD = 4, 22  # RFC 8839 §5.4


@dataclass(frozen=True, slots=True)
class Offer:
    """A description that can be answered."""

    sdp: str
    wants_sound: bool
    shuns_loopback: bool
    """Firefox reaches this machine by any of its addresses but 127.0.0.1."""


def parse_offer(body: bytes, limits: Limits) -> Offer:
    """The body of POST /api/offer → the offer in it.

    Raises ParameterError, whose text can be shown, for anything that cannot be answered.
    """
    message = read_object(body, "the offer")
    if message.get("type") != "offer":
        raise ParameterError("'type' must be \"offer\"")
    sdp = message.get("sdp")
    if not isinstance(sdp, str):
        raise ParameterError("'sdp' must be a string")
    description = check_sdp(sdp, limits)
    hears = [m for m in description.media if m.kind == "audio" and m.direction in _RECEIVING]
    return Offer(
        sdp,
        wants_sound=bool(hears) and hears[0] is _first(description, "audio"),
        shuns_loopback=(description.origin or "").startswith("mozilla"),
    )


def check_sdp(sdp: str, limits: Limits) -> SessionDescription:
    """The parsed description.

    Raises ParameterError, naming the line or section, for an offer that we cannot answer.
    """
    lines = sdp.splitlines()
    _check_lines(lines)
    sections = [k for k, line in enumerate(lines) if line.startswith("m=")]
    if not sections:
        raise ParameterError("SDP: no media section (m=); the offer must ask for video")
    if len(sections) > limits.media_sections:
        raise ParameterError(f"SDP: more than {limits.media_sections} media sections")
    candidates = sum(line.startswith("a=candidate:") for line in lines)
    if candidates > limits.candidates:
        raise ParameterError(f"SDP: {candidates} candidates; at most {limits.candidates}")
    try:
        description = SessionDescription.parse(sdp)
    except Exception as error:  # its parser raises whatever it stumbles over
        raise ParameterError(f"SDP: cannot be read ({_in_words(error)})") from error
    _check_sections(description)
    return description


def _first(description: SessionDescription, kind: str) -> MediaDescription | None:
    return next((media for media in description.media if media.kind == kind), None)


def _check_lines(lines: list[str]) -> None:
    if not lines or lines[0] != "v=0":
        raise ParameterError("SDP: the first line must be v=0")
    for number, line in enumerate(lines, 1):
        if len(line) < 2 or line[1] != "=" or not line[0].islower():
            raise ParameterError(f"SDP: line {number} is not of the form x=value")
        if not line.isprintable():
            raise ParameterError(f"SDP: line {number} holds a character that cannot be printed")
        if line[0] == "a" and not _ATTRIBUTE.fullmatch(line[2:]):
            raise ParameterError(f"SDP: line {number} is not a readable attribute")


def _in_words(error: Exception) -> str:
    if isinstance(error, AssertionError):
        return "a media section or candidate is malformed"
    if isinstance(error, StopIteration):
        return "fmtp names a payload type that has no rtpmap"
    return f"{type(error).__name__}: {str(error)[:80]}"


def _check_sections(description: SessionDescription) -> None:
    mids = [media.rtp.muxId for media in description.media]
    if not all(mids) or len(set(mids)) != len(mids):
        raise ParameterError("SDP: each media section needs a mid of its own")
    _check_bundles(description, set(mids))
    picture = _first(description, "video")
    if picture is None or picture.direction not in _RECEIVING:
        raise ParameterError("SDP: the first video section must be one that receives")
    for media in description.media:
        _check_transport(media, _place(media))
        if media.kind == "application":
            if media.profile == "DTLS/SCTP" or media.sctp_port is None:
                raise ParameterError(f"{_place(media)}: sctp-port is missing")
        else:
            _check_media(media, _place(media))


def _check_bundles(description: SessionDescription, mids: set[str]) -> None:
    """Sections that share a transport must be there, or aiortc leaves some without any."""
    for group in description.group:
        if group.semantic != "BUNDLE":
            continue
        unknown = [str(mid) for mid in group.items if mid not in mids]
        if unknown:
            raise ParameterError(f"SDP: BUNDLE names section {unknown[0][:20]}, which is not there")
        if len(set(group.items)) != len(group.items):
            raise ParameterError("SDP: BUNDLE names a section twice")


def _place(media: MediaDescription) -> str:
    return f"SDP: section {media.rtp.muxId[:20]} ({media.kind[:20]})"


def _check_transport(media: MediaDescription, where: str) -> None:
    if media.kind not in ("audio", "video", "application"):
        raise ParameterError(f"{where}: only audio, video and application are known")
    ufrag, password = (
        (media.ice.usernameFragment, media.ice.password) if media.ice else (None, None)
    )
    if len(ufrag or "") < _MIN_UFRAG or len(password or "") < _MIN_PASSWORD:
        raise ParameterError(f"{where}: ice-ufrag or ice-pwd is missing or too short")
    if media.dtls is None or not media.dtls.fingerprints:
        raise ParameterError(f"{where}: the fingerprint or the setup attribute is missing")
    for fingerprint in media.dtls.fingerprints:
        match = _FINGERPRINT.fullmatch(f"{fingerprint.algorithm.lower()} {fingerprint.value}")
        if not match or len(match[2]) != 3 * _DIGEST_BYTES[match[1]] - 1:
            raise ParameterError(f"{where}: the fingerprint is not a SHA-2 digest")


def _check_media(media: MediaDescription, where: str) -> None:
    if not media.rtcp_mux:
        raise ParameterError(f"{where}: rtcp-mux is missing")
    if media.direction is None:
        raise ParameterError(f"{where}: it says neither sendrecv, sendonly nor recvonly")
    if not media.rtp.codecs:
        raise ParameterError(f"{where}: no codec (rtpmap) is offered")
    if any(codec.clockRate <= 0 for codec in media.rtp.codecs):
        raise ParameterError(f"{where}: a codec's clock rate is not positive")
