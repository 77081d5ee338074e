// The viewer's own camera: drag, pinch, wheel, keys and buttons become yaw, pitch and zoom.

const STEP = Math.PI / 24;
const ZOOM_STEP = 1.12;
const PER_PIXEL = 0.006;
const PITCH = 1.2;
const ZOOM = [0.5, 3];
const KEYS = {
  ArrowLeft: "left", ArrowRight: "right", ArrowUp: "up", ArrowDown: "down",
  "+": "in", "=": "in", "-": "out", _: "out", 0: "reset", Home: "reset",
};

const within = (value, [low, high]) => Math.min(Math.max(value, low), high);

export class Orbit {
  yaw = 0;
  pitch = 0;
  zoom = 1;
  #pointers = new Map();
  #pending = false;

  /** `moved(camera or null)` is called at most once a frame; null means the shared camera. */
  constructor(stage, buttons, moved) {
    this.moved = moved;
    stage.addEventListener("keydown", (event) => this.#key(event));
    stage.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    stage.addEventListener("pointerdown", (event) => this.#down(stage, event));
    stage.addEventListener("pointermove", (event) => this.#move(event));
    for (const kind of ["pointerup", "pointercancel"]) {
      stage.addEventListener(kind, (event) => this.#up(stage, event));
    }
    for (const button of buttons) {
      button.addEventListener("click", () => this.act(button.dataset.orbit));
    }
  }

  get still() {
    return this.yaw === 0 && this.pitch === 0 && this.zoom === 1;
  }

  act(what) {
    if (what === "left") this.#turn(-STEP, 0);
    else if (what === "right") this.#turn(STEP, 0);
    else if (what === "up") this.#turn(0, STEP);
    else if (what === "down") this.#turn(0, -STEP);
    else if (what === "in") this.#scale(ZOOM_STEP);
    else if (what === "out") this.#scale(1 / ZOOM_STEP);
    else this.reset();
  }

  reset() {
    this.yaw = this.pitch = 0;
    this.zoom = 1;
    this.#tell();
  }

  #turn(yaw, pitch) {
    this.yaw = Math.atan2(Math.sin(this.yaw + yaw), Math.cos(this.yaw + yaw));
    this.pitch = within(this.pitch + pitch, [-PITCH, PITCH]);
    this.#tell();
  }

  #scale(factor) {
    this.zoom = within(this.zoom * factor, ZOOM);
    this.#tell();
  }

  #tell() {
    if (this.#pending) return;
    this.#pending = true;
    requestAnimationFrame(() => {
      this.#pending = false;
      const { yaw, pitch, zoom } = this;
      this.moved(this.still ? null : { yaw, pitch, zoom });
    });
  }

  #key(event) {
    if (event.target !== event.currentTarget || event.ctrlKey || event.metaKey || event.altKey) return;
    const what = KEYS[event.key];
    if (!what) return;
    event.preventDefault();
    this.act(what);
  }

  #wheel(event) {
    if (event.ctrlKey) return;
    event.preventDefault();
    this.#scale(Math.exp(-event.deltaY * (event.deltaMode === 1 ? 0.04 : 0.0015)));
  }

  #down(stage, event) {
    if (event.target.closest("button")) return;
    stage.setPointerCapture(event.pointerId);
    stage.classList.add("turning");
    this.#pointers.set(event.pointerId, [event.clientX, event.clientY]);
  }

  #move(event) {
    const before = this.#pointers.get(event.pointerId);
    if (!before) return;
    const apart = this.#spread();
    this.#pointers.set(event.pointerId, [event.clientX, event.clientY]);
    if (this.#pointers.size === 2) {
      if (apart > 0) this.#scale(this.#spread() / apart);
      return;
    }
    // the head follows the hand, so the camera goes the other way
    const [dx, dy] = [event.clientX - before[0], event.clientY - before[1]];
    this.#turn(-dx * PER_PIXEL, dy * PER_PIXEL);
  }

  #up(stage, event) {
    this.#pointers.delete(event.pointerId);
    if (!this.#pointers.size) stage.classList.remove("turning");
  }

  #spread() {
    const [a, b] = [...this.#pointers.values()];
    return a && b ? Math.hypot(a[0] - b[0], a[1] - b[1]) : 0;
  }
}
