"""Whatever is sent instead of an offer gets a clear answer, and the server goes on serving."""

from __future__ import annotations

import json
import re

from aiortc import RTCConfiguration, RTCPeerConnection

from avatar_rt.server.limits import Limits
from avatar_rt.server.offer import parse_offer
from tests.server.client import until, viewer
from tests.server.conftest import Running, Serve
from tests.server.faults import SDP_FAULTS, json_faults


async def good_sdp() -> str:
    """An offer as a browser's: video, sound, and a channel."""
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    pc.createDataChannel("control")
    for kind in ("video", "audio"):
        pc.addTransceiver(kind, "recvonly")
    await pc.setLocalDescription(await pc.createOffer())
    sdp = pc.localDescription.sdp
    await pc.close()
    return sdp


async def _post(running: Running, body: bytes) -> tuple[int, str]:
    headers = {"Content-Type": "application/json"}
    url = f"{running.url}api/offer"
    async with running.http.post(url, data=body, headers=headers) as response:
        answer = await response.json()
        assert set(answer) == {"error"}, answer
        return response.status, answer["error"]


async def test_the_offer_that_the_faults_are_made_from_is_good() -> None:
    sdp = await good_sdp()
    body = json.dumps({"type": "offer", "sdp": sdp}).encode()
    offer = parse_offer(body, Limits())
    assert offer.wants_sound and not offer.shuns_loopback
    firefox = re.sub("^o=.*$", "o=mozilla...THIS_IS_SDPARTA 1 0 IN IP4 0.0.0.0\\r", sdp, flags=re.M)
    body = json.dumps({"type": "offer", "sdp": firefox}).encode()
    assert parse_offer(body, Limits()).shuns_loopback
    unchanged = [name for name, fault in SDP_FAULTS.items() if fault(sdp) == sdp]
    assert not unchanged, "these faults change nothing"


async def test_malformed_descriptions_are_refused_and_the_server_goes_on(serve: Serve) -> None:
    sdp = await good_sdp()
    assert len(SDP_FAULTS) >= 40
    async with serve() as running, viewer(running) as caller:
        for name, fault in SDP_FAULTS.items():
            body = json.dumps({"type": "offer", "sdp": fault(sdp)}).encode()
            status, error = await _post(running, body)
            assert status == 400, f"{name}: {status} {error}"
            assert 10 < len(error) < 300 and "Traceback" not in error, f"{name}: {error}"
        assert len(running.studio.sessions) == 1, "only the good call is there"
        await caller.fresh_picture()


async def test_malformed_json_is_refused_and_the_server_goes_on(serve: Serve) -> None:
    faults = json_faults(await good_sdp())
    assert len(faults) >= 10
    async with serve() as running, viewer(running) as caller:
        for name, body in faults.items():
            status, error = await _post(running, body)
            assert status == 400, f"{name}: {status} {error}"
            assert 10 < len(error) < 300, f"{name}: {error}"
        await caller.fresh_picture()


async def test_a_call_that_never_connects_is_given_up(serve: Serve) -> None:
    sdp = await good_sdp()
    async with serve(connect_seconds=0.3) as running:
        body = {"type": "offer", "sdp": sdp}
        async with running.http.post(f"{running.url}api/offer", json=body) as response:
            assert response.status == 200
        assert len(running.studio.sessions) == 1
        async with viewer(running) as caller:
            await caller.fresh_picture()
            await until(lambda: set(running.studio.sessions) == {caller.session})
