// How fast and how late: each stage apart, as numbers in a table and as lines over the last minute.
//
// "Late" counts from the moment for which a picture was made (when the driver was asked) to when it
// was rendered, encoded, received and displayed. The RTP time stamp of a picture tells its moment.

const SECONDS = 60;
const STAGES = ["rendered", "encoded", "received", "displayed"];
const RTP_RATE = 90000;
const WRAP = 2 ** 32;

const median = (values) => {
  if (!values.length) return null;
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1];
};

export class Figures {
  /** The newest of each stage: {fps, ms}, either may be null. */
  latest = Object.fromEntries(STAGES.map((name) => [name, { fps: null, ms: null }]));
  #history = [];
  #received = [];
  #displayed = [];
  #shown = 0;
  #before = null;
  #server = null;

  constructor(call, video, elements) {
    this.call = call;
    this.video = video;
    this.elements = elements;
    if (video.requestVideoFrameCallback) this.#watch();
    setInterval(() => this.#tick(), 1000);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#draw());
    new ResizeObserver(() => this.#draw()).observe(elements.fps);
  }

  /** Takes the server's own figures. */
  heard(stats) {
    this.#server = stats;
  }

  /** Seconds on the server's clock at which the picture with this RTP time stamp was due. */
  momentOf(rtpTimestamp) {
    const stats = this.#server;
    if (!stats || stats.rtp_origin === null || rtpTimestamp === undefined) return null;
    const newest = Math.round((stats.now - stats.epoch) * RTP_RATE);
    const low = (((rtpTimestamp - stats.rtp_origin) % WRAP) + WRAP) % WRAP;
    // the stamp has 32 bits: take the wrap that lies nearest to now
    const wraps = Math.round((newest - low) / WRAP);
    return stats.epoch + (low + wraps * WRAP) / RTP_RATE;
  }

  #watch() {
    this.video.requestVideoFrameCallback((now, frame) => {
      this.#shown += 1;
      const moment = this.momentOf(frame.rtpTimestamp);
      const offset = this.call.clock.offset;
      if (moment !== null && offset !== null) {
        if (frame.receiveTime) this.#received.push(frame.receiveTime + (offset - moment) * 1000);
        this.#displayed.push(frame.expectedDisplayTime + (offset - moment) * 1000);
      }
      this.#watch();
    });
  }

  async #tick() {
    const counts = await this.#counts();
    const before = this.#before;
    this.#before = counts;
    const rate = (name) => {
      if (!before || !counts || before.peer !== counts.peer) return null;
      const gained = counts[name] - before[name];
      return Number.isFinite(gained) ? gained / ((counts.at - before.at) / 1000) : null;
    };
    this.latest = {
      rendered: this.#server?.rendered ?? { fps: null, ms: null },
      encoded: this.#server?.encoded ?? { fps: null, ms: null },
      received: { fps: rate("received"), ms: median(this.#received) },
      displayed: { fps: rate("displayed"), ms: median(this.#displayed) },
    };
    const late = rate("soundDelay") / rate("soundCount");
    this.call.send({
      type: "sound",
      on: !this.video.muted,
      delay_ms: Number.isFinite(late) ? late * 1000 : 0,
    });
    this.#received = [];
    this.#displayed = [];
    this.#history.push(this.latest);
    this.#history = this.#history.slice(-SECONDS);
    this.#write();
    this.#draw();
  }

  async #counts() {
    const peer = this.call.peer;
    if (!peer) return null;
    const counts = { at: performance.now(), peer, displayed: this.#shown };
    for (const entry of (await peer.getStats()).values()) {
      if (entry.type !== "inbound-rtp") continue;
      if (entry.kind === "video") counts.received = entry.framesReceived ?? 0;
      else if (entry.kind === "audio") {
        counts.soundDelay = entry.jitterBufferDelay;
        counts.soundCount = entry.jitterBufferEmittedCount;
      }
    }
    if (!this.video.requestVideoFrameCallback) {
      const quality = this.video.getVideoPlaybackQuality?.();
      counts.displayed = quality ? quality.totalVideoFrames - quality.droppedVideoFrames : undefined;
    }
    return counts;
  }

  #write() {
    for (const name of STAGES) {
      const { fps, ms } = this.latest[name];
      const cells = this.elements.table.querySelectorAll(`[data-stage="${name}"] td`);
      cells[0].textContent = fps === null ? "–" : fps.toFixed(0);
      cells[1].textContent = ms === null ? "–" : ms.toFixed(1);
    }
  }

  #draw() {
    this.#plot(this.elements.fps, "fps", "frames / s", 60);
    this.#plot(this.elements.latency, "ms", "ms", 20);
  }

  #plot(canvas, field, unit, least) {
    const width = canvas.clientWidth, height = canvas.clientHeight;
    if (!width) return;
    const scale = devicePixelRatio || 1;
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
    const pen = canvas.getContext("2d");
    pen.scale(scale, scale);
    const style = getComputedStyle(document.documentElement);
    const values = this.#history.flatMap((row) => STAGES.map((name) => row[name][field] ?? 0));
    const top = niceCeiling(Math.max(least, ...values));
    const left = 34, right = width - 4, high = 16, low = height - 6;
    const y = (value) => low - (Math.min(value, top) / top) * (low - high);
    pen.font = "11px system-ui, sans-serif";
    pen.fillStyle = style.getPropertyValue("--quiet");
    pen.strokeStyle = style.getPropertyValue("--line");
    pen.textAlign = "right";
    for (const part of [0, 0.5, 1]) {
      pen.fillText(String(top * part), left - 6, y(top * part) + 4);
      pen.beginPath();
      pen.moveTo(left, y(top * part));
      pen.lineTo(right, y(top * part));
      pen.stroke();
    }
    pen.textAlign = "left";
    pen.fillText(unit, left, 10);
    pen.lineWidth = 1.75;
    for (const name of STAGES) {
      pen.strokeStyle = style.getPropertyValue(`--${name}`);
      pen.beginPath();
      let drawing = false;
      this.#history.forEach((row, k) => {
        const value = row[name][field];
        if (value === null) {
          drawing = false;
          return;
        }
        const x = right - ((this.#history.length - 1 - k) / (SECONDS - 1)) * (right - left);
        if (drawing) pen.lineTo(x, y(value));
        else pen.moveTo(x, y(value));
        drawing = true;
      });
      pen.stroke();
    }
  }
}

/** The next of 1, 2, 5, 6, 8 times a power of ten. */
function niceCeiling(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return power * ([1, 2, 4, 6, 8, 10].find((step) => step * power >= value - 1e-9) ?? 10);
}
