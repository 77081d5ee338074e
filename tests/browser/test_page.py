"""The page in a real browser: the picture arrives, and each of its controls changes it."""

from __future__ import annotations

import asyncio
import io
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from avatar_rt.arrays import F64, floats64
from avatar_rt.drivers.recorded import RecordedDriver
from avatar_rt.server import maker
from avatar_rt.server.uplink import WebcamFace
from avatar_rt.types import Channels
from tests.browser.chromium import Page
from tests.browser.conftest import SIZE, Stand

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

PAGE = Path(maker.__file__).parent / "page"
_GRAB = """
(() => {
  const {video} = avatarRt, canvas = document.createElement('canvas');
  canvas.width = video.videoWidth; canvas.height = video.videoHeight;
  const pen = canvas.getContext('2d');
  pen.drawImage(video, 0, 0);
  return Array.from(pen.getImageData(0, 0, canvas.width, canvas.height).data);
})()
"""
MOUTH = (slice(SIZE // 2, SIZE * 4 // 5), slice(SIZE // 3, SIZE * 2 // 3))


async def grab(page: Page) -> F64:
    """The picture that the page shows: (H, W, 3) float64 in levels."""
    values = await page.evaluate(_GRAB)
    return floats64(np.array(values).reshape(SIZE, SIZE, 4)[..., :3])


async def settled(page: Page, frames: int = 8) -> F64:
    """The mean of some pictures from now on."""
    seen = []
    for _ in range(frames):
        count = "avatarRt.video.getVideoPlaybackQuality().totalVideoFrames"
        await page.until(f"{count} > {await page.evaluate(count)}")
        seen.append(await grab(page))
    return floats64(np.mean(seen, axis=0))


def apart(a: F64, b: F64) -> float:
    return float(np.abs(a - b).mean())


async def choose(page: Page, source: str) -> None:
    await page.click(f"input[value={source}]")


async def until_apart(page: Page, before: F64, least: float, part: tuple[slice, slice]) -> F64:
    """Waits until the picture differs from `before` by `least` levels in a part of it."""
    for _ in range(60):
        after = await settled(page, 3)
        if apart(after[part], before[part]) > least:
            return after
    raise AssertionError(f"the picture stays within {least} levels")


ALL = (slice(None), slice(None))


async def test_the_picture_is_live_and_the_console_is_silent(page: Page) -> None:
    picture = await settled(page)
    assert np.abs(picture[3, 3] - [207, 214, 222]).max() < 12, "the backdrop's colour survives"
    skin = picture[SIZE // 2, SIZE // 2]
    assert np.abs(skin - [217, 168, 140]).max() < 25, "and the skin's"
    assert await page.evaluate("document.querySelector('#avatar-name').textContent") == "egg-0"
    await page.until("avatarRt.figures.latest.displayed.fps > 0")
    await page.until("avatarRt.figures.latest.received.ms > 0")
    rows = await page.evaluate(
        "[...document.querySelectorAll('#figures td')].map(cell => cell.textContent)"
    )
    assert all(re.fullmatch(r"\d+(\.\d)?", cell) for cell in rows), rows
    assert page.complaints == []


async def test_screenshots_of_an_open_and_a_resting_mouth_differ(page: Page) -> None:
    await page.emulate(1000, 800)
    box = await page.evaluate(
        "(() => { const r = document.querySelector('#video').getBoundingClientRect();"
        "return [r.x, r.y, r.width, r.height].map(Math.round); })()"
    )

    async def mouth() -> F64:
        await settled(page)
        shot = Image.open(io.BytesIO(await page.screenshot())).convert("RGB")
        x, y, width, height = box
        face = shot.crop((x, y, x + width, y + height)).resize((SIZE, SIZE))
        return floats64(np.array(face))[MOUTH]

    wide, wide_again = await mouth(), await mouth()
    before = await settled(page)
    await choose(page, "idle")
    await until_apart(page, before, 2, MOUTH)
    resting = await mouth()
    assert apart(wide, resting) > 3 * max(apart(wide, wide_again), 0.5)
    assert page.complaints == []


async def test_arrow_keys_turn_the_camera_and_zero_brings_it_back(page: Page) -> None:
    await page.evaluate("document.querySelector('#stage').focus()")
    straight = await settled(page)
    for _ in range(6):
        await page.press("ArrowLeft")
    turned = await until_apart(page, straight, 4, ALL)
    await page.until("document.querySelector('#stream-notes').textContent.includes('your own')")
    assert await page.evaluate("avatarRt.orbit.yaw") == pytest.approx(-6 * np.pi / 24)
    await page.press("0")
    await page.until("document.querySelector('#stream-notes').textContent.includes('share')")
    back = await until_apart(page, turned, 4, ALL)
    assert apart(back, straight) < apart(turned, straight) / 2
    assert page.complaints == []


async def test_drag_wheel_and_buttons_move_the_camera_too(page: Page) -> None:
    x, y = await page.evaluate(
        "(() => { const r = document.querySelector('#stage').getBoundingClientRect();"
        "return [r.x + r.width / 2, r.y + r.height / 2]; })()"
    )
    await page.mouse("mousePressed", x, y, button="left", clickCount=1)
    await page.mouse("mouseMoved", x + 100, y + 20, button="left")
    await page.mouse("mouseReleased", x + 100, y + 20, button="left", clickCount=1)
    assert await page.evaluate("avatarRt.orbit.yaw") == pytest.approx(-0.6, abs=0.05)
    assert await page.evaluate("avatarRt.orbit.pitch") == pytest.approx(0.12, abs=0.05)
    await page.mouse("mouseWheel", x, y, deltaX=0, deltaY=-200)
    await page.until("avatarRt.orbit.zoom > 1.2")
    await page.click("[data-orbit=out]")
    await page.until("avatarRt.orbit.zoom < 1.25")
    await page.click("[data-orbit=reset]")
    assert await page.evaluate("avatarRt.orbit.still")


@pytest.mark.skipif(
    not (shutil.which("espeak-ng") or shutil.which("flite")), reason="no speech engine installed"
)
async def test_a_typed_text_is_heard_and_moves_the_mouth(page: Page) -> None:
    energy = (
        "avatarRt.call.peer.getStats().then(all => [...all.values()].find("
        "s => s.type === 'inbound-rtp' && s.kind === 'audio')?.totalAudioEnergy ?? 0)"
    )
    await page.click("#sound")
    assert await page.evaluate("avatarRt.video.muted") is False
    await choose(page, "text")
    await page.evaluate("document.querySelector('#text').value = 'Open wide, oh yes. '.repeat(12)")
    quiet = await page.evaluate(energy)
    await page.click("#speech .primary")
    await page.until(f"{energy}.then(e => e > {quiet} + 0.001)")
    mouths = [(await settled(page, 1))[MOUTH] for _ in range(25)]
    assert max(apart(a, mouths[0]) for a in mouths) > 1.5, "it opens and closes"
    await page.click("#hush")
    await page.click("#sound")
    assert page.complaints == []


async def _own_driver(stand: Stand, kind: type) -> object:
    """The driver of a viewer's own scene, once it is of a kind."""
    for _ in range(300):
        for scene in stand.studio.scenes[1:]:
            if isinstance(scene.driver, kind):
                return scene.driver
        await asyncio.sleep(0.1)
    raise AssertionError(f"no scene is driven by a {kind.__name__}")


async def test_a_choice_stands_while_the_server_speaks_of_other_things(page: Page) -> None:
    await choose(page, "text")
    await page.click("[data-orbit=left]")
    await page.until("document.querySelector('#stream-notes').textContent.includes('your own')")
    assert await page.evaluate("document.querySelector('input[value=text]').checked")
    assert not await page.evaluate("document.querySelector('#speech').hidden")
    await page.evaluate("document.querySelector('#text').value = ' '")
    await page.click("#speech .primary")
    await page.until("!document.querySelector('#notice').hidden")
    said = await page.evaluate("document.querySelector('#notice').textContent")
    assert "type what shall be said" in said
    assert not await page.evaluate("document.querySelector('#speech').hidden"), "to be mended"


async def test_the_webcam_drives_the_face(stand: Stand, page: Page) -> None:
    said = "document.querySelector('#webcam-state').textContent"
    await choose(page, "webcam")
    await page.until(f"{said}.includes('Getting ready')")
    driver = await _own_driver(stand, WebcamFace)
    assert isinstance(driver, WebcamFace)
    async with asyncio.timeout(90):  # the tracker's process loads its models
        while driver.latest.known is Channels.NONE:
            await asyncio.sleep(0.1)
    assert driver.latest.measured
    await page.until(f"{said} === 'Following your face.'")
    assert not await page.evaluate("document.querySelector('#mirror').hidden")
    await choose(page, "clip")
    await _own_driver(stand, RecordedDriver)
    await page.until("document.querySelector('#mirror').hidden")
    assert await page.evaluate(said) == ""
    assert page.complaints == []


async def test_the_microphone_is_taken_and_given_back(stand: Stand, page: Page) -> None:
    await choose(page, "microphone")
    await page.until("!document.querySelector('#level').hidden")
    await page.until("document.querySelector('#meter').value > 0.001")
    await page.until("document.querySelector('input[value=microphone]').checked")
    await choose(page, "shared")
    await page.until("document.querySelector('#level').hidden")
    async with asyncio.timeout(30):
        while len(stand.studio.scenes) > 1:
            await asyncio.sleep(0.1)
    assert page.complaints == []


@pytest.mark.skipif(not maker.can_make(), reason="the extra 'make' is not installed")
async def test_a_photograph_without_a_face_is_explained(page: Page, tmp_path: Path) -> None:
    photo = tmp_path / "wall.png"
    Image.fromarray(np.full((320, 320, 3), 180, np.uint8)).save(photo)
    await page.choose_file("#photo", photo)
    await page.until("document.querySelector('#consent').open")
    assert await page.evaluate("document.querySelector('#go').disabled"), "no consent, no avatar"
    await page.click("#agree")
    await page.click("#go")
    await page.until("!document.querySelector('#photo-notice').hidden", seconds=120)
    said = await page.evaluate("document.querySelector('#photo-notice').textContent")
    assert said.startswith("No face was found in the photograph"), said
    assert await page.evaluate("document.querySelector('#making').hidden")
    await page.until("document.querySelector('#status').dataset.state === 'live'")
    assert page.complaints == []


async def test_what_is_no_picture_is_refused_before_it_is_sent(page: Page, tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("not a photograph")
    await page.choose_file("#photo", text)
    await page.until("!document.querySelector('#photo-notice').hidden")
    assert not await page.evaluate("document.querySelector('#consent').open")


async def test_a_broken_call_is_taken_up_again(stand: Stand, page: Page) -> None:
    session = await page.evaluate("avatarRt.call.session")
    await stand.studio.sessions[session].close()
    await page.until(f"avatarRt.call.session !== '{session}'")
    await page.until("document.querySelector('#status').dataset.state === 'live'")
    await settled(page, 3)


async def test_every_control_has_a_name(page: Page) -> None:
    tree = await page.call("Accessibility.getFullAXTree")
    wanted = {"button", "radio", "textbox", "checkbox", "group", "img", "status", "toolbar"}
    nameless = [
        node["nodeId"]
        for node in tree["nodes"]
        if not node.get("ignored")
        and node["role"]["value"] in wanted - {"status"}
        and not node.get("name", {}).get("value")
    ]
    assert not nameless
    roles = [node["role"]["value"] for node in tree["nodes"] if not node.get("ignored")]
    assert roles.count("radio") == 6 and roles.count("heading") >= 4 and "status" in roles


async def test_nothing_is_cut_off_on_a_narrow_phone(page: Page) -> None:
    for width in (320, 390, 768):
        await page.emulate(width, 700, dark=True, still=True)
        assert await page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_colours_can_be_told_apart(scheme: str) -> None:
    css = (PAGE / "style.css").read_text("utf-8")
    light, dark = re.findall(r":root \{(.*?)\}", css, re.S)[:2]
    colors = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", light))
    if scheme == "dark":
        colors |= dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", dark))

    def luminance(color: str) -> float:
        levels = np.array([int(color[k : k + 2], 16) for k in (1, 3, 5)]) / 255
        linear = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    pairs = [
        ("ink", "page"), ("ink", "card"), ("quiet", "card"), ("quiet", "page"), ("ink", "soft"),
        ("quiet", "soft"), ("accent-ink", "accent"), ("bad", "bad-soft"),
    ]  # fmt: skip
    for front, back in pairs:
        a, b = sorted((luminance(colors[front]), luminance(colors[back])))
        assert (b + 0.05) / (a + 0.05) >= 4.5, f"{front} on {back} (WCAG 1.4.3)"
