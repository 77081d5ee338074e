"""`python -m benchmarks.stream --json`: how fast and how late pictures reach a browser.

Starts the server and a headless Chromium on this machine and measures for some seconds:

    fps_rendered, fps_sent, fps_decoded, fps_displayed   pictures a second at each stage
    latency_ms     from the moment a picture was due (the driver is asked) until it lies decoded in
                   the page, render included: {"median", "p95", "p99"}
    freezes        as the browser counts them
    dropped        moments without a picture (rendering took too long), pictures replaced before
                   they were encoded, and pictures the browser dropped
    av_skew_ms     median of (sound heard − picture displayed) of a clapper (benchmarks.clapper), in
                   a second call with --skew; positive: the sound is late. null without it
    server_cpu_pct CPU time of the server process, per cent of one core

The page decodes in Chromium, so on a machine with two cores its own work is in these figures too.
Headless Chromium displays at most 60 pictures a second, whatever it decodes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np

from avatar_rt.synthetic import synthetic_head
from tests.browser.chromium import Page, chromium, find_chromium

_ROOT = Path(__file__).resolve().parents[1]
_WARM_S = 3.0
_SETTLE_S = 8.0
"""Chromium's sound buffer starts long and shrinks."""

# Reads every decoded picture's RTP time stamp and the time at which it came out of the decoder.
_MEASURE = """
(async (seconds) => {
  const {call, figures, video} = window.avatarRt;
  const wall = () => performance.timeOrigin + performance.now();
  const inbound = async () => {
    for (const entry of (await call.peer.getStats()).values())
      if (entry.type === 'inbound-rtp' && entry.kind === 'video') return entry;
  };
  const track = call.receiver.track.clone();
  const reader = new MediaStreamTrackProcessor({track, maxBufferSize: 8}).readable.getReader();
  const pictures = [];
  let shown = 0, measuring = true;
  const count = () => { shown += 1; if (measuring) video.requestVideoFrameCallback(count); };
  const before = await inbound(), begin = performance.now();
  video.requestVideoFrameCallback(count);
  setTimeout(() => { measuring = false; }, seconds * 1000);
  while (measuring) {
    const {value, done} = await reader.read();
    if (done) break;
    pictures.push([value.metadata().rtpTimestamp, wall()]);
    value.close();
  }
  const span = (performance.now() - begin) / 1000, after = await inbound();
  track.stop();
  return {
    span, shown, pictures,
    decoded: after.framesDecoded - before.framesDecoded,
    dropped: after.framesDropped - before.framesDropped,
    freezes: after.freezeCount - before.freezeCount,
    moments: pictures.map(([stamp]) => figures.momentOf(stamp)),
  };
})
"""

# Hears when a tone begins and sees when the picture turns white, both on the page's clock.
_SKEW = """
(async (seconds) => {
  const {video} = window.avatarRt;
  video.muted = false;
  const context = new AudioContext({latencyHint: 'interactive'});
  await context.resume();
  const ear = new AnalyserNode(context, {fftSize: 2048});
  const sound = new MediaStream(video.srcObject.getAudioTracks());
  context.createMediaStreamSource(sound).connect(ear);
  ear.connect(new GainNode(context, {gain: 0})).connect(context.destination);
  const canvas = new OffscreenCanvas(1, 1), pen = canvas.getContext('2d');
  const seen = [], heard = [], samples = new Float32Array(ear.fftSize);
  let white = true, loud = true, watching = true;
  const look = (now, frame) => {
    pen.drawImage(video, 0, 0, 1, 1);
    const bright = pen.getImageData(0, 0, 1, 1).data[1] > 128;
    if (bright && !white) seen.push(frame.expectedDisplayTime);
    white = bright;
    if (watching) video.requestVideoFrameCallback(look);
  };
  video.requestVideoFrameCallback(look);
  const end = performance.now() + seconds * 1000;
  while (performance.now() < end) {
    await new Promise((resolve) => setTimeout(resolve, 5));
    ear.getFloatTimeDomainData(samples);
    const stamp = context.getOutputTimestamp();
    const first = samples.findIndex((x) => Math.abs(x) > 0.1);
    const last = samples.findLastIndex((x) => Math.abs(x) > 0.1);
    if (first > 0 && !loud) {
      const at = context.currentTime - (samples.length - first) / context.sampleRate;
      heard.push(stamp.performanceTime + (at - stamp.contextTime) * 1000);
    }
    loud = last > samples.length - 300;
  }
  watching = false;
  await context.close();
  return {seen, heard};
})
"""


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.stream", description=__doc__.split("\n")[0])
    parser.add_argument("--json", action="store_true", help="one object on stdout")
    parser.add_argument("--avatar", type=Path, help="default: a made-up head")
    parser.add_argument("--gaussians", type=int, default=78_000, help="of the made-up head")
    parser.add_argument("--fps", type=float, default=60.0)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--viewers", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--drive", default="clip", help="what moves the face (default: clip)")
    parser.add_argument(
        "--prerendered", action="store_true", help="pictures rendered beforehand, without sound"
    )
    parser.add_argument(
        "--skew", action="store_true", help="measure sound against picture in a second call"
    )
    return parser.parse_args(argv)


@asynccontextmanager
async def server(args: argparse.Namespace, avatar: Path, module: str) -> AsyncIterator[str]:
    """The server in a process of its own; gives the page's address."""
    command = [
        sys.executable, "-m", module, "serve", str(avatar), "--port", "0", "--fps", str(args.fps),
        "--size", str(args.size), "--drive", args.drive,
    ]  # fmt: skip
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, cwd=_ROOT, env=environment
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(60):
            line = (await process.stdout.readline()).decode()
        if "http" not in line:
            raise SystemExit(f"the server did not start: {line}")
        yield next(word for word in line.split() if word.startswith("http"))
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _stats(http: aiohttp.ClientSession, url: str) -> dict[str, Any]:
    async with http.get(f"{url}api/stats") as response:
        stats: dict[str, Any] = await response.json()
        return stats


def _total(stats: dict[str, Any], name: str) -> int:
    return sum(view[name] for view in stats["views"])


def summary(page: dict[str, Any], before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """What the page and the server counted → the figures of this module's docstring."""
    span = after["now"] - before["now"]
    # the server's clock at the page's wall time, taken when both were read in one instant
    to_server = after["now"] - after["wall"]
    late = [
        (wall / 1000 + to_server - moment) * 1000
        for (_, wall), moment in zip(page["pictures"], page["moments"], strict=True)
        if moment is not None
    ]
    median, p95, p99 = np.percentile(late, (50, 95, 99)) if late else (np.nan,) * 3
    gained = {name: _total(after, name) - _total(before, name) for name in after["views"][0]
              if name in ("rendered", "replaced", "skipped")}  # fmt: skip
    return {
        "fps_rendered": round(gained["rendered"] / span, 1),
        "fps_sent": round((after["sent"][0] - before["sent"][0]) / span, 1),
        "fps_decoded": round(page["decoded"] / page["span"], 1),
        "fps_displayed": round(page["shown"] / page["span"], 1),
        "latency_ms": {
            "median": round(float(median), 2),
            "p95": round(float(p95), 2),
            "p99": round(float(p99), 2),
        },
        "freezes": page["freezes"],
        "dropped": gained["skipped"] + gained["replaced"] + page["dropped"],
        "av_skew_ms": None,
        "server_cpu_pct": round((after["cpu_seconds"] - before["cpu_seconds"]) / span * 100, 1),
    }


async def measure(args: argparse.Namespace, avatar: Path) -> dict[str, Any]:
    """Runs server, browser and measurement once."""
    program = find_chromium()
    if program is None:
        raise SystemExit("no Chromium is installed: apt install chromium")
    module = "benchmarks.prerendered" if args.prerendered else "avatar_rt"
    async with (
        server(args, avatar, module) as url,
        chromium(program) as browser,
        aiohttp.ClientSession() as http,
    ):
        pages: list[Page] = [await browser.page(url) for _ in range(args.viewers)]
        for page in pages:
            await page.until("window.avatarRt?.video.videoWidth > 0 && avatarRt.call.clock.offset")
        await pages[0].call("Page.bringToFront")
        await asyncio.sleep(_WARM_S)
        before = await _stats(http, url)
        seen = await pages[0].evaluate(f"{_MEASURE}({args.seconds})")
        return summary(seen, before, await _stats(http, url))


async def skew(args: argparse.Namespace, avatar: Path) -> float | None:
    """Median of (heard − seen) over some claps, milliseconds; None where too few were caught."""
    program = find_chromium()
    assert program is not None, "measure() came before"
    async with (
        server(args, avatar, "benchmarks.clapper") as url,
        chromium(program, ["--autoplay-policy=no-user-gesture-required"]) as browser,
    ):
        page = await browser.page(url)
        await page.until("window.avatarRt?.video.videoWidth > 0")
        await page.evaluate("avatarRt.video.muted = false")
        await asyncio.sleep(_SETTLE_S)
        claps = await page.evaluate(f"{_SKEW}({max(args.seconds, 8.0)})")
    gaps = [
        min((sound - sight for sound in claps["heard"]), key=abs)
        for sight in claps["seen"]
        if claps["heard"]
    ]
    close = [gap for gap in gaps if abs(gap) < 400]
    return round(float(np.median(close)), 1) if len(close) >= 4 else None


def main(argv: list[str] | None = None) -> int:
    args = parse(argv)
    with tempfile.TemporaryDirectory() as folder:
        avatar = args.avatar
        if avatar is None:
            avatar = Path(folder) / "made-up.avatar"
            synthetic_head(args.gaussians).save(avatar)
        figures = asyncio.run(measure(args, avatar))
        if args.skew:
            figures["av_skew_ms"] = asyncio.run(skew(args, avatar))
    print(json.dumps(figures) if args.json else json.dumps(figures, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
