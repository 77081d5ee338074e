"""Clock, mailbox, encoders and tracks: what carries pictures and sound from a thread to a peer."""

from __future__ import annotations

import asyncio
import threading
import time

import av
import numpy as np
import pytest
from aiortc import RTCPeerConnection
from aiortc.jitterbuffer import JitterBuffer
from aiortc.mediastreams import MediaStreamError
from aiortc.rtcrtpparameters import RTCRtpHeaderExtensionParameters, RTCRtpParameters
from aiortc.rtp import HeaderExtensions, RtpPacket, unpack_header_extensions

from avatar_rt.arrays import U8
from avatar_rt.audio import Audio
from avatar_rt.clock import Deadlines, sleep_until, ticks
from avatar_rt.errors import ParameterError
from avatar_rt.outputs import rtp
from avatar_rt.outputs.encoder import (
    EncodedFrame,
    VideoCodec,
    VideoEncoder,
    VideoSettings,
    h264_level,
)
from avatar_rt.outputs.mailbox import Mailbox
from avatar_rt.outputs.opus import PACKET_SAMPLES, OpusEncoder
from avatar_rt.outputs.track import Fanout, VideoTrack, VoiceTrack
from avatar_rt.server.meter import Meter
from avatar_rt.server.showcase import showcase
from avatar_rt.server.voice import Utterance


def moving(k: int, size: int = 64) -> U8:
    """A grey I420 picture with a bright square that moves with k."""
    picture = np.full((size * 3 // 2, size), 128, np.uint8)
    picture[:size] = 60
    picture[8:24, k % 40 : k % 40 + 16] = 200
    return picture


def packets(count: int, keyframes: set[int]) -> list[EncodedFrame]:
    encoder = VideoEncoder(VideoSettings(64, 64, 30))
    return [
        frame
        for k in range(count)
        for frame in encoder.encode(moving(k), k * 3000, keyframe=k in keyframes)
    ]


def test_deadlines_never_drift_and_skip_what_was_missed() -> None:
    deadlines = Deadlines(rate=60.0, start=100.0)
    assert [round(deadlines.next(100.0), 6) for _ in range(3)] == [100.0, 100.016667, 100.033333]
    assert deadlines.next(100.030) == pytest.approx(100.05), "on time: the next one"
    assert deadlines.next(100.520) == pytest.approx(100.0 + 31 / 60), "late: the newest one"
    assert deadlines.skipped == 27
    many = Deadlines(rate=59.94, start=0.0)
    for _ in range(100_000):
        last = many.next(0.0)
    assert last == pytest.approx(99_999 / 59.94, abs=1e-6)


def test_sleeping_until_the_past_returns_at_once() -> None:
    before = time.monotonic()
    sleep_until(before - 5)
    assert time.monotonic() - before < 1


def test_ticks_are_exact_for_days() -> None:
    assert ticks(86_400.0) == 86_400 * 90_000
    assert ticks(1 / 60) == 1500


def test_a_mailbox_keeps_the_newest_and_wakes_who_waits() -> None:
    box: Mailbox[int] = Mailbox()
    for k in range(5):
        box.put(k)
    assert box.take() == 4 and box.replaced == 4
    taken: list[int | None] = []
    reader = threading.Thread(target=lambda: taken.extend([box.take(), box.take()]))
    reader.start()
    box.put(7)
    while not taken and box._item is not None:
        time.sleep(0.001)
    box.close()
    reader.join(10)
    assert 7 in taken or taken == [None, None]
    assert not reader.is_alive()


@pytest.mark.parametrize("codec", ["h264", "vp8"])
def test_keyframes_come_when_asked_and_pictures_survive(codec: VideoCodec) -> None:
    encoder = VideoEncoder(VideoSettings(64, 64, 30, codec))
    decoder = av.CodecContext.create({"h264": "h264", "vp8": "libvpx"}[codec], "r")
    assert isinstance(decoder, av.VideoCodecContext)
    keyframes, errors = [], []
    for k in range(60):
        for frame in encoder.encode(moving(k), k * 3000, keyframe=k == 40):
            keyframes += [k] if frame.keyframe else []
            assert frame.packet.pts == k * 3000
            for decoded in decoder.decode(frame.packet):
                luma = decoded.to_ndarray(format="yuv420p")[:64].astype(int)
                errors.append(float(np.abs(luma - moving(k)[:64]).mean()))
    assert keyframes == [0, 40]
    assert len(errors) == 60 and np.mean(errors) < 4


def test_h264_says_what_its_colours_mean() -> None:
    decoder = av.CodecContext.create("h264", "r")
    assert isinstance(decoder, av.VideoCodecContext)
    decoded = [f for p in packets(2, {0}) for f in decoder.decode(p.packet)]
    assert decoded[0].colorspace == 6, "BT.601"
    assert decoded[0].color_range == 1, "studio range"


def test_settings_that_cannot_be_streamed_are_refused() -> None:
    for width, height, fps in ((63, 64, 30), (64, 8, 30), (8192, 64, 30), (64, 64, 0.5)):
        with pytest.raises(ParameterError):
            VideoSettings(width, height, fps)
    with pytest.raises(ParameterError, match="takes"):
        VideoEncoder(VideoSettings(64, 64, 30)).encode(moving(0, 32), 0, keyframe=True)


def test_h264_levels_follow_the_standard() -> None:
    assert h264_level(512, 512, 60) == 31
    assert h264_level(512, 512, 106) == 32
    assert h264_level(512, 512, 150) == 32
    assert h264_level(512, 512, 300) == 42
    assert h264_level(1024, 1024, 60) == 40
    assert h264_level(2048, 2048, 60) == 51
    with pytest.raises(ParameterError):
        h264_level(4096, 4096, 300)


def test_opus_carries_a_tone() -> None:
    encoder, decoder = OpusEncoder(), av.CodecContext.create("libopus", "r")
    assert isinstance(decoder, av.AudioCodecContext)
    time_s = np.arange(PACKET_SAMPLES * 20) / 48_000
    tone = (8000 * np.sin(2 * np.pi * 440 * time_s)).astype(np.int16)
    heard = []
    for k in range(20):
        part = tone[k * PACKET_SAMPLES : (k + 1) * PACKET_SAMPLES]
        for packet in encoder.encode(part, k * PACKET_SAMPLES):
            assert packet.pts == k * PACKET_SAMPLES
            heard += [f.to_ndarray().reshape(-1) for f in decoder.decode(packet)]
    sound = np.concatenate(heard)[PACKET_SAMPLES * 4 :].astype(float)
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))
    channels = 2 if len(sound) > 20 * PACKET_SAMPLES else 1
    assert np.argmax(spectrum) * 48_000 * channels / len(sound) == pytest.approx(440, abs=15)
    with pytest.raises(ParameterError):
        encoder.encode(tone[:100], 0)


async def test_a_track_sends_nothing_before_a_keyframe() -> None:
    asked = []
    fanout = Fanout(lambda: asked.append(1))
    track = VideoTrack()
    track.watch(fanout)
    assert asked == [1] and track.changing
    frames = packets(6, {0, 3})
    fanout.send(frames[1:])
    assert [(await track.recv()).pts for _ in range(3)] == [9000, 12000, 15000]
    assert not track.changing


async def test_a_track_changes_its_source_at_a_keyframe_and_forgets_the_old_one() -> None:
    old, new = Fanout(lambda: None), Fanout(lambda: None)
    track = VideoTrack()
    track.watch(old)
    frames = packets(6, {0, 3})
    old.send(frames[:2])
    track.watch(new)
    new.send(frames[1:3])
    old.send(frames[2:3])
    new.send(frames[3:5])
    old.send(frames[5:])
    assert [(await track.recv()).pts for _ in range(5)] == [0, 3000, 6000, 9000, 12000]
    assert not old.tracks and new.tracks == {track}
    track.watch(old)
    track.watch(new)
    assert not old.tracks and not track.changing, "a change of mind"
    track.stop()
    assert not new.tracks
    with pytest.raises(MediaStreamError):
        await track.recv()


async def test_two_pictures_of_one_moment_get_time_stamps_of_their_own() -> None:
    old, new = Fanout(lambda: None), Fanout(lambda: None)
    track = VideoTrack()
    track.watch(old)
    old.send(packets(2, {0}))
    track.watch(new)
    new.send(packets(3, {0, 1})[1:])
    sent = [await track.recv() for _ in range(4)]
    assert [packet.pts for packet in sent] == [0, 3000, 3001, 6000]
    assert all(packet.time_base == sent[0].time_base for packet in sent)


async def test_a_track_that_nobody_reads_drops_whole_stretches() -> None:
    asked = []
    fanout = Fanout(lambda: asked.append(1))
    track = VideoTrack()
    track.watch(fanout)
    frames = packets(81, {0, 80})
    fanout.send(frames[:80])
    assert len(asked) >= 2 and track.dropped >= 49
    fanout.send(frames[80:])
    assert (await track.recv()).pts == 80 * 3000


async def test_stopping_wakes_who_waits() -> None:
    track = VoiceTrack()
    waiting = asyncio.ensure_future(track.recv())
    await asyncio.sleep(0)
    track.stop()
    with pytest.raises(MediaStreamError):
        await waiting


async def test_senders_are_fitted_with_playout_delay_and_word_of_lost_pictures() -> None:
    rtp.offer_playout_delay()
    rtp.offer_playout_delay()
    pc = RTCPeerConnection()
    lost = []
    sender = pc.addTransceiver("video", "sendonly").sender
    rtp.fit_sender(sender, lambda: lost.append(1))
    sender._send_keyframe()
    assert lost == [1]
    offer = await pc.createOffer()
    assert offer.sdp.count(rtp.PLAYOUT_DELAY) == 1
    await pc.close()


def test_the_playout_delay_travels_in_every_packet() -> None:
    extensions = rtp.PlayoutDelayMap()
    extensions.ask_for(0, 50)
    mid = RTCRtpHeaderExtensionParameters(id=1, uri="urn:ietf:params:rtp-hdrext:sdes:mid")
    delay = RTCRtpHeaderExtensionParameters(id=12, uri=rtp.PLAYOUT_DELAY)
    extensions.configure(RTCRtpParameters(headerExtensions=[mid, delay]))
    packed = extensions.set(HeaderExtensions(mid="0"))
    assert unpack_header_extensions(*packed) == [(1, b"0"), (12, b"\x00\x00\x05")]
    assert rtp.playout_delay_bytes(40, 40_950) == b"\x00\x4f\xff"
    with pytest.raises(ParameterError):
        rtp.playout_delay_bytes(50, 40)


def packet(number: int, time_stamp: int, *, last: bool) -> RtpPacket:
    made = RtpPacket(sequence_number=number, timestamp=time_stamp, marker=int(last))
    made._data = bytes([number % 256])  # type: ignore[attr-defined]
    return made


@pytest.mark.parametrize("kind", [JitterBuffer, rtp.PromptJitterBuffer])
def test_frames_are_released_with_their_last_packet(kind: type[JitterBuffer]) -> None:
    buffer = kind(capacity=16, is_video=True)
    prompt = kind is rtp.PromptJitterBuffer
    assert buffer.add(packet(1, 10, last=False))[1] is None
    whole = buffer.add(packet(2, 10, last=True))[1]
    assert (whole is not None) is prompt
    if whole is not None:
        assert whole.data == b"\x01\x02" and whole.timestamp == 10
    assert buffer.add(packet(4, 20, last=True))[1] is None or not prompt, "3 is missing"
    late = buffer.add(packet(3, 20, last=False))[1]
    assert late is not None


def test_an_utterance_is_silent_before_and_after_and_may_repeat() -> None:
    voice = Audio(np.full(4800, 1000, np.int16), 48_000)
    once = Utterance.of(voice, 10.0)
    assert not once.at(9.9).any() and (once.at(10.0) == 1000).all() and not once.at(10.2).any()
    halfway = once.at(9.99)
    assert not halfway[:480].any() and (halfway[480:] == 1000).all()
    assert once.over(10.2) and not once.over(10.05)
    again = Utterance.of(voice, 10.0, period=1.0)
    assert (again.at(13.0) == 1000).all() and not again.at(12.5).any() and not again.over(99.0)


def test_a_meter_counts_the_last_two_seconds() -> None:
    meter = Meter()
    assert meter.summary(0.0) == {"fps": 0.0, "ms": None}
    for k in range(300):
        meter.add(k / 100, 0.004)
    assert meter.summary(2.99) == {"fps": pytest.approx(100.0), "ms": 4.0}
    assert meter.total == 300
    assert meter.summary(60.0)["fps"] == 0.0


def test_the_showcase_moves_and_ends_where_it_begins() -> None:
    clip = showcase()
    assert np.ptp(clip.arkit, axis=0).max() > 0.9
    assert np.abs(np.diff(clip.arkit, axis=0)).max() < 0.2, "no jumps"
    assert np.abs(clip.arkit[0] - clip.arkit[-1]).max() < 0.2
    assert clip.arkit.min() >= 0 and clip.arkit.max() <= 1
