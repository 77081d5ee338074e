"""A headless Chromium for tests and benchmarks, driven by its own debugging protocol.

https://chromedevtools.github.io/devtools-protocol/ - only what is used here: open a page, evaluate
in it, press keys, take pictures, and keep what it complains about.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import json
import shutil
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--mute-audio",
    "--force-color-profile=srgb",
    # hidden pages get fewer frames; there is no screen on which this one could be seen
    "--disable-renderer-backgrounding",
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-features=OptimizationHints,MediaRouter,Translate",
    "--remote-debugging-port=0",
)
_START_S, _ANSWER_S = 60.0, 60.0


def find_chromium() -> str | None:
    """The program's path; None where no Chromium is installed."""
    return next((path for name in _NAMES if (path := shutil.which(name))), None)


class PageError(AssertionError):
    """What was evaluated in the page failed there."""


class Page:
    """One tab."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, session: str) -> None:
        self._socket, self._session = socket, session
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self.complaints: list[str] = []
        """Errors and warnings of the console, and exceptions that nobody caught."""

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command of the protocol and its result. Raises PageError where it fails."""
        number = next(self._numbers)
        future = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        await self._socket.send_json(
            {
                "id": number,
                "method": method,
                "params": parameters,
                **({"sessionId": self._session} if self._session else {}),
            }
        )
        async with asyncio.timeout(_ANSWER_S):
            answer: dict[str, Any] = await future
        if "error" in answer:
            raise PageError(f"{method}: {answer['error'].get('message')}")
        result: dict[str, Any] = answer["result"]
        return result

    def heard(self, message: dict[str, Any]) -> None:
        """An answer or an event of this tab."""
        if "id" in message:
            future = self._waiting.pop(message["id"], None)
            if future is not None and not future.done():
                future.set_result(message)
            return
        details = message.get("params", {})
        match message.get("method"):
            case "Runtime.exceptionThrown":
                thrown = details["exceptionDetails"]
                self.complaints.append(thrown.get("exception", {}).get("description", str(thrown)))
            case "Runtime.consoleAPICalled" if details["type"] in ("error", "warning", "assert"):
                said = " ".join(str(a.get("value", a.get("description"))) for a in details["args"])
                self.complaints.append(f"console.{details['type']}: {said}")
            case "Log.entryAdded" if details["entry"]["level"] in ("error", "warning"):
                entry = details["entry"]
                self.complaints.append(f"{entry['source']}: {entry['text']} {entry.get('url', '')}")

    async def evaluate(self, script: str) -> Any:
        """The value of an expression in the page; promises are waited for."""
        answer = await self.call(
            "Runtime.evaluate",
            expression=script,
            awaitPromise=True,
            returnByValue=True,
            userGesture=True,
        )
        if "exceptionDetails" in answer:
            thrown = answer["exceptionDetails"]
            text = thrown.get("exception", {}).get("description") or thrown.get("text")
            raise PageError(f"{script[:80]}: {text}")
        return answer["result"].get("value")

    async def until(self, script: str, *, seconds: float = 45.0, every: float = 0.1) -> Any:
        """Waits until the expression is truthy, and returns it. Raises PageError when it is not."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while not (value := await self.evaluate(script)):
            if loop.time() > end:
                status = await self.evaluate("document.body.innerText.slice(0, 600)")
                raise PageError(f"not true after {seconds:.0f} s: {script}\n{status}\n"
                                f"complaints: {self.complaints}")  # fmt: skip
            await asyncio.sleep(every)
        return value

    async def press(self, key: str) -> None:
        """Presses and lets go of a key, as the DOM names it ("ArrowLeft", "Tab")."""
        text = {"text": key} if len(key) == 1 else {}
        for kind in ("keyDown", "keyUp"):
            await self.call(
                "Input.dispatchKeyEvent",
                type=kind,
                key=key,
                code=key,
                **(text if kind == "keyDown" else {}),
            )

    async def mouse(self, kind: str, x: float, y: float, **more: Any) -> None:
        """A mouse event: mousePressed, mouseMoved, mouseReleased, mouseWheel."""
        await self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)

    async def click(self, selector: str) -> None:
        """Clicks an element where it is, as a hand would."""
        x, y = await self.evaluate(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
            "e.scrollIntoView({block: 'center'}); const r = e.getBoundingClientRect();"
            "return [r.x + r.width / 2, r.y + r.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            await self.mouse(kind, x, y, button="left", clickCount=1)

    async def choose_file(self, selector: str, path: Path) -> None:
        """Gives a file to a file input."""
        document = await self.call("DOM.getDocument")
        found = await self.call(
            "DOM.querySelector", nodeId=document["root"]["nodeId"], selector=selector
        )
        await self.call("DOM.setFileInputFiles", nodeId=found["nodeId"], files=[str(path)])

    async def emulate(
        self, width: int, height: int, *, dark: bool = False, still: bool = False
    ) -> None:
        """A window size, and what the user prefers."""
        await self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        features = [
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
            {"name": "prefers-reduced-motion", "value": "reduce" if still else "no-preference"},
        ]
        await self.call("Emulation.setEmulatedMedia", features=features)

    async def screenshot(self, path: Path | None = None, *, whole: bool = False) -> bytes:
        """The page as PNG; also written to `path`. whole: beyond the window's edge too."""
        answer = await self.call("Page.captureScreenshot", captureBeyondViewport=whole)
        picture = base64.b64decode(answer["data"])
        if path is not None:
            path.write_bytes(picture)
        return picture

    async def close(self) -> None:
        """Closes the tab, as a user would."""
        await self.call("Page.close")

    async def open(self, url: str) -> None:
        """Goes to an address and waits until the page has loaded."""
        for domain in ("Page", "Runtime", "Log", "DOM"):
            await self.call(f"{domain}.enable")
        answer = await self.call("Page.navigate", url=url)
        if answer.get("errorText"):
            raise PageError(f"{url}: {answer['errorText']}")
        await self.until("document.readyState === 'complete'")


class Browser:
    """A running Chromium."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._root = Page(socket, "")
        self._socket = socket
        self._pages: dict[str, Page] = {}
        self._reader = asyncio.ensure_future(self._read())

    async def _read(self) -> None:
        async for raw in self._socket:
            if raw.type is not aiohttp.WSMsgType.TEXT:
                return
            message = json.loads(raw.data)
            self._pages.get(message.get("sessionId", ""), self._root).heard(message)

    async def page(self, url: str) -> Page:
        """A new tab at an address."""
        target = await self._root.call("Target.createTarget", url="about:blank")
        attached = await self._root.call(
            "Target.attachToTarget", targetId=target["targetId"], flatten=True
        )
        page = Page(self._socket, attached["sessionId"])
        self._pages[attached["sessionId"]] = page
        await page.open(url)
        return page

    async def close(self) -> None:
        """Asks the browser to end."""
        with contextlib.suppress(Exception):
            await self._root.call("Browser.close")
        self._reader.cancel()
        await asyncio.gather(self._reader, return_exceptions=True)


@asynccontextmanager
async def chromium(program: str, flags: Sequence[str] = ()) -> AsyncIterator[Browser]:
    """Starts Chromium with a profile of its own, which is removed afterwards."""
    profile = tempfile.mkdtemp(prefix="chromium-")
    process = await asyncio.create_subprocess_exec(
        program,
        *_FLAGS,
        *flags,
        f"--user-data-dir={profile}",
        "about:blank",
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        address = await _debugging_address(Path(profile), process)
        async with (
            aiohttp.ClientSession() as http,
            http.ws_connect(address, max_msg_size=1 << 28, heartbeat=None) as socket,
        ):
            browser = Browser(socket)
            try:
                yield browser
            finally:
                await browser.close()
    finally:
        try:
            await asyncio.wait_for(process.wait(), 10)
        except TimeoutError:
            process.kill()
            await process.wait()
        await asyncio.to_thread(shutil.rmtree, profile, ignore_errors=True)


async def _debugging_address(profile: Path, process: asyncio.subprocess.Process) -> str:
    """Chromium writes its port and path into its profile once it listens."""
    file = profile / "DevToolsActivePort"
    async with asyncio.timeout(_START_S):
        while True:
            lines = file.read_text().split() if file.exists() else []
            if len(lines) == 2:
                return f"ws://127.0.0.1:{lines[0]}{lines[1]}"
            if process.returncode is not None:
                raise PageError(f"Chromium ended with status {process.returncode}")
            await asyncio.sleep(0.05)
