"""`python -m benchmarks.stream --json`: how fast and how late pictures reach a browser.

Starts the server and a headless Chromium on this machine and measures for some seconds:

    fps_rendered, fps_sent, fps_decoded, fps_displayed   pictures a second at each stage
    latency_ms     from the moment a picture was due (the driver is asked) until it lies decoded in
                   the page, render included: {"median", "p95", "p99"}
    freezes        as the browser counts them
    dropped        moments without a picture (rendering took too long), pictures replaced before
                   they were encoded, and pictures the browser dropped
    av_skew_ms     null: sound against picture is not measured here
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

from tests.browser.chromium import Page, chromium, find_chromium
from tests.factory import small_avatar

_ROOT = Path(__file__).resolve().parents[1]
_WARM_S = 3.0

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


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.stream", description=__doc__.split("\n")[0])
    parser.add_argument("--json", action="store_true", help="one object on stdout")
    parser.add_argument("--avatar", type=Path, help="default: the small avatar of the tests")
    parser.add_argument("--fps", type=float, default=60.0)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--viewers", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--drive", default="clip", help="what moves the face (default: clip)")
    parser.add_argument(
        "--prerendered", action="store_true", help="pictures rendered beforehand, without sound"
    )
    return parser.parse_args(argv)


@asynccontextmanager
async def server(args: argparse.Namespace, avatar: Path) -> AsyncIterator[str]:
    """The server in a process of its own; gives the page's address."""
    module = "benchmarks.prerendered" if args.prerendered else "avatar_rt"
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
    async with (
        server(args, avatar) as url,
        chromium(program) as browser,
        aiohttp.ClientSession() as http,
    ):
        pages: list[Page] = [await browser.page(url) for _ in range(args.viewers)]
        for page in pages:
            await page.until("window.avatarRt?.video.videoWidth > 0 && avatarRt.call.clock.offset")
        await asyncio.sleep(_WARM_S)
        before = await _stats(http, url)
        seen = await pages[0].evaluate(f"{_MEASURE}({args.seconds})")
        return summary(seen, before, await _stats(http, url))


def main(argv: list[str] | None = None) -> int:
    args = parse(argv)
    with tempfile.TemporaryDirectory() as folder:
        avatar = args.avatar
        if avatar is None:
            avatar = Path(folder) / "small.avatar"
            small_avatar().save(avatar)
        figures = asyncio.run(measure(args, avatar))
    print(json.dumps(figures) if args.json else json.dumps(figures, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
