"""Everything that can be wrong with an offer, one named fault each, made from a good one."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

Fault = Callable[[str], str]


def _drop(pattern: str) -> Fault:
    return lambda sdp: re.sub(rf"^{pattern}.*\r\n", "", sdp, flags=re.M)


def _swap(pattern: str, by: str, count: int = 0) -> Fault:
    return lambda sdp: re.sub(pattern, by, sdp, count=count, flags=re.M)


def _sections(sdp: str) -> tuple[str, list[str]]:
    head, *sections = re.split(r"(?=^m=)", sdp, flags=re.M)
    return head, sections


def _many_sections(sdp: str) -> str:
    head, sections = _sections(sdp)
    copies = [re.sub(r"^a=mid:.*$", f"a=mid:x{k}", sections[0], flags=re.M) for k in range(40)]
    return head + "".join(copies)


def _only(kind: str) -> Fault:
    def only(sdp: str) -> str:
        head, sections = _sections(sdp)
        return head + "".join(s for s in sections if s.startswith(f"m={kind}"))

    return only


SDP_FAULTS: dict[str, Fault] = {
    "empty": lambda _: "",
    "prose": lambda _: "Hello, may I see the avatar?",
    "only a version": lambda _: "v=0\r\n",
    "another version": _swap("^v=0", "v=1"),
    "no media": lambda sdp: _sections(sdp)[0],
    "binary rubbish": lambda _: "v=0\r\n" + "".join(map(chr, range(1, 200))),
    "a null byte": _swap("^s=-", "s=\0"),
    "cut in the middle of a line": lambda sdp: sdp[: sdp.index("a=fingerprint") + 20],
    "cut after a third": lambda sdp: sdp[: len(sdp) // 3],
    "no ice-ufrag": _drop("a=ice-ufrag"),
    "no ice-pwd": _drop("a=ice-pwd"),
    "a short ice-pwd": _swap("^a=ice-pwd:.*$", "a=ice-pwd:short\r"),
    "no fingerprint": _drop("a=fingerprint"),
    "no setup": _drop("a=setup"),
    "unknown setup": _swap("^a=setup:.*$", "a=setup:everybody\r"),
    "fingerprint of the wrong length": _swap("^(a=fingerprint:sha-256 ..).*$", r"\1:AA\r"),
    "fingerprint that is no hex": _swap("^a=fingerprint:sha-256 .*$", "a=fingerprint:sha-256 ZZ\r"),
    "fingerprint by MD5": _swap("^a=fingerprint:sha-\\d+ ", "a=fingerprint:md5 "),
    "fingerprint of one word": _swap("^a=fingerprint:.*$", "a=fingerprint:sha-256\r"),
    "no rtcp-mux": _drop("a=rtcp-mux"),
    "no mid": _drop("a=mid"),
    "mids all alike": _swap("^a=mid:.*$", "a=mid:0\r"),
    "no codecs": _drop("a=(rtpmap|fmtp|rtcp-fb)"),
    "codecs nobody has": _swap("(VP8|H264|opus|G722|PCMU|PCMA)/", "Smoke/"),
    "rtpmap without a rate": _swap("^(a=rtpmap:\\d+ \\w+)/.*$", r"\1\r"),
    "rtpmap with a worded rate": _swap("/90000", "/fast"),
    "rtpmap with a negative rate": _swap("/90000", "/-90000"),
    "fmtp for nothing": _swap("^a=fmtp:\\d+", "a=fmtp:9999"),
    "payload types that are words": _swap("^(m=video \\d+ \\S+) .*$", r"\1 one two\r"),
    "payload types out of range": _swap("^(m=video \\d+ \\S+) .*$", r"\1 97 300\r"),
    "payload types of RTCP": _swap("^(m=video \\d+ \\S+) .*$", r"\1 72\r"),
    "a port that is a word": _swap("^m=video \\d+", "m=video nine"),
    "an unknown kind of media": _swap("^m=audio", "m=smell"),
    "sound only": _only("audio"),
    "data only": _only("application"),
    "forty sections": _many_sections,
    "a thousand candidates": _swap(
        "^(a=mid:0\r\n)",
        r"\1" + "a=candidate:1 1 udp 2122260223 192.0.2.1 9999 typ host\r\n" * 1000,
    ),
    "a candidate without a port": _swap("^(a=mid:0\r\n)", r"\1a=candidate:1 1 udp 1 192.0.2.1\r\n"),
    "a bundle of sections that are not there": _swap("^a=group:BUNDLE", "a=group:BUNDLE 9"),
    "a bundle with a section twice": _swap("^a=group:BUNDLE", "a=group:BUNDLE 0"),
    "an extmap of one word": _swap("^(a=mid:0\r\n)", r"\1a=extmap:1\r\n"),
    "an extmap numbered by a word": _swap("^(a=mid:0\r\n)", r"\1a=extmap:one urn:x\r\n"),
    "an ssrc that is a word": _swap("^(a=mid:0\r\n)", r"\1a=ssrc:one cname:x\r\n"),
    "an ssrc without a name": _swap("^(a=mid:0\r\n)", r"\1a=ssrc:1\r\n"),
    "a line without a value": _swap("^s=-", "session"),
    "video that we should receive first": _swap("^a=recvonly", "a=sendonly"),
    "no direction": _drop("a=(recvonly|sendonly|sendrecv|inactive)"),
    "no sctp-port": _drop("a=sctp-port"),
    "an sctp-port that is a word": _swap("^a=sctp-port:.*$", "a=sctp-port:door\r"),
    "longer than any offer": lambda sdp: sdp + "a=x:" + "y" * 200_000 + "\r\n",
}


def json_faults(sdp: str) -> dict[str, bytes]:
    """Bodies that hold no offer, by what is wrong with them; `sdp` itself is good."""
    good = json.dumps({"type": "offer", "sdp": sdp})
    return {
        "nothing": b"",
        "an open brace": b"{",
        "cut in the middle": good[: len(good) // 2].encode(),
        "not UTF-8": b'{"type": "offer", "sdp": "\xff\xfe"}',
        "null": b"null",
        "a list": b"[1, 2]",
        "a string": b'"offer"',
        "a number": b"12",
        "two objects": f"{good}{good}".encode(),
        "a comma too many": b'{"type": "offer",}',
        "single quotes": b"{'type': 'offer'}",
        "not a number": b'{"type": "offer", "sdp": NaN}',
        "no type": json.dumps({"sdp": sdp}).encode(),
        "an answer": json.dumps({"type": "answer", "sdp": sdp}).encode(),
        "a type that is a list": json.dumps({"type": ["offer"], "sdp": sdp}).encode(),
        "no sdp": b'{"type": "offer"}',
        "sdp that is an object": b'{"type": "offer", "sdp": {"v": 0}}',
        "sdp that is null": b'{"type": "offer", "sdp": null}',
        "a hundred thousand brackets": b"[" * 99_999,
        "a number of 90,000 digits": b'{"type": ' + b"9" * 90_000 + b"}",
        "larger than any offer": b'{"type": "offer", "sdp": "' + b"v" * 200_000 + b'"}',
    }
