"""One server in this process and one Chromium for the browser tests of a module."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
import pytest_asyncio
from skimage import data

from avatar_rt.drivers.recording import Recording, save_recording
from avatar_rt.outputs.encoder import VideoSettings
from avatar_rt.server.drives import SharedDrive
from avatar_rt.server.run import serving
from avatar_rt.server.studio import Studio, StudioSettings
from avatar_rt.types import FaceParams
from tests.browser.chromium import Browser, Page, chromium, find_chromium
from tests.factory import small_avatar

SIZE, FPS = 160, 20


def webcam_file(path: Path) -> Path:
    """What the browser takes for a camera: a public-domain portrait, as one Y4M picture."""
    astronaut = data.astronaut()  # type: ignore[no-untyped-call]
    portrait = cv2.resize(astronaut, (480, 480), interpolation=cv2.INTER_AREA)
    picture = cv2.copyMakeBorder(portrait, 0, 0, 80, 80, cv2.BORDER_REPLICATE)
    planes = cv2.cvtColor(picture, cv2.COLOR_RGB2YUV_I420)
    head = b"YUV4MPEG2 W640 H480 F30:1 Ip A1:1 C420jpeg\nFRAME\n"
    path.write_bytes(head + planes.tobytes())
    return path


@dataclass(frozen=True, slots=True)
class Stand:
    """A server whose shared avatar holds its mouth wide open, and a browser."""

    url: str
    studio: Studio
    browser: Browser

    async def page(self) -> Page:
        """A tab in which the picture is live."""
        page = await self.browser.page(self.url)
        await page.until("window.avatarRt?.video.videoWidth > 0")
        await page.until("document.querySelector('#status').dataset.state === 'live'")
        await page.until("avatarRt.video.getVideoPlaybackQuality().totalVideoFrames > 3")
        return page


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def stand(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stand]:
    """The stand of a module's tests; skips where no Chromium is installed."""
    program = find_chromium()
    if program is None:
        pytest.skip("no Chromium installed")
    folder = tmp_path_factory.mktemp("browser")
    clip = folder / "open.npz"
    wide_open = FaceParams.from_arkit({"jawOpen": 1.0, "mouthFunnel": 0.8})
    save_recording(
        Recording.of([wide_open.with_changes(time=t) for t in np.arange(0.0, 2.0, 0.1)]), clip
    )
    settings = StudioSettings(VideoSettings(SIZE, SIZE, FPS), threads=1)
    flags = [
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-video-capture={webcam_file(folder / 'me.y4m')}",
    ]
    async with (
        serving(small_avatar(), SharedDrive.of(str(clip)), settings, "127.0.0.1", 0) as (
            url,
            studio,
        ),
        chromium(program, flags) as browser,
    ):
        yield Stand(url, studio, browser)


@pytest_asyncio.fixture(loop_scope="module")
async def page(stand: Stand) -> AsyncIterator[Page]:
    """A tab in which the picture is live; its call ends with the test."""
    opened = await stand.page()
    yield opened
    await opened.close()
