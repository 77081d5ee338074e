// The page: wires the call, the camera, the drivers, the photograph and the figures together.

import { Call } from "./call.js";
import { Capture } from "./capture.js";
import { Figures } from "./figures.js";
import { Orbit } from "./orbit.js";
import { Photo } from "./photo.js";

const $ = (id) => document.getElementById(id);
const radios = [...document.querySelectorAll("input[name=source]")];
const UPLINK = { webcam: "video", microphone: "audio" };
const WEBCAM = {
  starting: "Getting ready to follow your face …",
  "no face seen": "I cannot see your face yet. Look into the camera, with light on your face.",
  following: "Following your face.",
};

const call = new Call();
const capture = new Capture();
const photo = new Photo(call);
const video = $("video");
const figures = new Figures(call, video, { fps: $("plot-fps"), latency: $("plot-latency"), table: $("figures") });
const orbit = new Orbit($("stage"), document.querySelectorAll("[data-orbit]"), (camera) => {
  call.send(camera ? { type: "camera", ...camera } : { type: "camera", reset: true });
});
let limits = { text_characters: 600 };
let chosen = "shared";
// Chosen here, and not yet confirmed by the server: until then its word on the driver is old.
let asked = null;

function notice(text) {
  $("notice").textContent = text;
  $("notice").hidden = !text;
}

// ---- the call ------------------------------------------------------------------------------------

call.addEventListener("status", ({ detail: { state, text } }) => {
  const pill = $("status");
  pill.dataset.state = state;
  pill.textContent = text;
  $("curtain").classList.toggle("open", state === "live");
  $("stage").toggleAttribute("data-live", state === "live");
  if (state !== "live") $("curtain").textContent = text;
  if (state === "failed") photo.lost();
});

call.addEventListener("picture", ({ detail: { stream } }) => {
  video.srcObject = stream;
  video.play().catch(() => notice("The browser holds the picture back. Press the sound button to start it."));
});

call.addEventListener("open", () => {
  // a new line knows nothing of what was chosen on the one before
  if (!orbit.still) call.send({ type: "camera", yaw: orbit.yaw, pitch: orbit.pitch, zoom: orbit.zoom });
  if (chosen !== "shared") asked = chosen;
  if (!["shared", "text"].includes(chosen)) call.send({ type: "drive", source: chosen });
});

call.addEventListener("message", ({ detail: message }) => {
  if (message.type === "state") showState(message);
  else if (message.type === "stats") {
    figures.heard(message);
    showWebcam(message.webcam);
  }
  else if (message.type === "make") photo.progress(message);
  else if (message.type === "error") {
    notice(message.error);
    // the server goes back to what it did before; a text stays, to be mended
    if (chosen !== "text") asked = null;
  }
});

/** Says how the webcam gets on; only what is new, or it would be read aloud again and again. */
function showWebcam(state) {
  const text = (chosen === "webcam" && WEBCAM[state]) || "";
  if ($("webcam-state").textContent !== text) $("webcam-state").textContent = text;
}

function showState(state) {
  limits = state.limits;
  $("avatar-name").textContent = state.avatar.which === "mine" ? "your avatar" : state.avatar.name;
  for (const radio of radios) {
    const { available, note } = state.sources[radio.value];
    radio.disabled = !available;
    document.querySelector(`[data-note="${radio.value}"]`).textContent = note;
  }
  const { width, height, fps, codec } = state.video;
  $("stage").style.aspectRatio = `${width} / ${height}`;
  const cameras = state.camera === "own" ? "a camera of your own" : "the camera that all share";
  $("stream-notes").textContent = `${width}×${height}, ${fps} asked for, ${codec}; ${cameras}.`;
  if (state.drive === asked) asked = null;
  else if (asked === null && state.drive !== chosen) follow(state.drive);
  photo.state(state);
  countText();
}

// ---- what moves the face -------------------------------------------------------------------------

/** Shows a driver as chosen. */
function follow(source) {
  chosen = source;
  for (const radio of radios) radio.checked = radio.value === source;
  $("speech").hidden = source !== "text";
  if (!(source in UPLINK)) stopCapture();
}

/** Chooses a driver and asks the server for it. */
async function choose(source) {
  notice("");
  asked = source;
  follow(source);
  if (source === "text") return; // when there is something to say
  if (source in UPLINK && !(await startCapture(source))) return;
  if (chosen === source) call.send({ type: "drive", source });
}

async function startCapture(source) {
  stopCapture();
  try {
    const stream = await capture.open(source);
    if (chosen !== source) {
      capture.close();
      return false;
    }
    const [track] = stream.getTracks();
    track.addEventListener("ended", () => chosen === source && notice("The device was disconnected. Choose again."));
    await call.sendUp(UPLINK[source], track);
    if (source === "webcam") {
      $("self").srcObject = stream;
      $("mirror").hidden = false;
    } else {
      $("level").hidden = false;
      capture.listen((level) => { $("meter").value = level; });
    }
    return true;
  } catch (error) {
    choose("shared");
    notice(error.message);
    return false;
  }
}

function stopCapture() {
  capture.close();
  $("self").srcObject = null;
  $("mirror").hidden = true;
  showWebcam(null);
  $("level").hidden = true;
  for (const kind of Object.values(UPLINK)) call.sendUp(kind, null);
}

// Arrow keys pass over the devices on their way; only whoever stays on one means it.
let passing = 0;
let byKey = false;
$("drivers").addEventListener("keydown", () => { byKey = true; });
$("drivers").addEventListener("pointerdown", () => { byKey = false; });
for (const radio of radios) {
  radio.addEventListener("change", () => {
    clearTimeout(passing);
    passing = setTimeout(() => choose(radio.value), byKey && radio.value in UPLINK ? 800 : 0);
  });
}

// ---- a text --------------------------------------------------------------------------------------

function countText() {
  const [used, most] = [$("text").value.length, limits.text_characters];
  $("text").maxLength = most;
  $("text-count").textContent = used > most * 0.8 ? `${used} of ${most} characters` : "";
}

$("text").addEventListener("input", countText);
$("text").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    $("speech").requestSubmit();
  }
});
$("speech").addEventListener("submit", (event) => {
  event.preventDefault();
  notice("");
  asked = "text";
  call.send({ type: "drive", source: "text", text: $("text").value });
});
$("hush").addEventListener("click", () => call.send({ type: "stop" }));

// ---- sound ---------------------------------------------------------------------------------------

$("sound").addEventListener("click", () => {
  video.muted = !video.muted;
  video.play().catch(() => {});
  $("sound").setAttribute("aria-pressed", String(!video.muted));
  $("sound").querySelector("span").textContent = video.muted ? "Turn sound on" : "Turn sound off";
});

addEventListener("pagehide", () => call.end());
// a page that the browser had kept for "back" has no call any more
addEventListener("pageshow", ({ persisted }) => persisted && location.reload());

/** For the tests and benchmarks, which look at the same figures. */
window.avatarRt = { call, figures, orbit, video };
call.start();
