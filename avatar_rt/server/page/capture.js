// The viewer's own camera or microphone, as a track to send up.

const WANTED = {
  webcam: { video: { width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 30 }, facingMode: "user" } },
  microphone: { audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true } },
};
const DEVICE = { webcam: "camera", microphone: "microphone" };

/** Why a device could not be opened, in words for whoever sits in front of it. */
function reason(error, device) {
  switch (error.name) {
    case "NotAllowedError":
      return `The browser was not allowed to use the ${device}. Allow it beside the address, then choose again.`;
    case "NotFoundError":
    case "OverconstrainedError":
      return `No ${device} was found. Connect one, then choose again.`;
    case "NotReadableError":
      return `The ${device} is in use by another program. Close that, then choose again.`;
    default:
      return `The ${device} could not be opened (${error.message || error.name}).`;
  }
}

export class Capture {
  #stream = null;
  #meter = null;

  /** Opens "webcam" or "microphone"; resolves to its stream. Throws an Error that can be shown. */
  async open(which) {
    this.close();
    if (!navigator.mediaDevices?.getUserMedia) {
      throw new Error("Browsers give cameras and microphones only to pages on this machine or over https.");
    }
    try {
      this.#stream = await navigator.mediaDevices.getUserMedia(WANTED[which]);
    } catch (error) {
      throw new Error(reason(error, DEVICE[which]));
    }
    return this.#stream;
  }

  /** Calls `show(level)` with the loudness, 0 to 1, ten times a second while the microphone is open. */
  listen(show) {
    const context = new AudioContext();
    const analyser = context.createAnalyser();
    context.createMediaStreamSource(this.#stream).connect(analyser);
    const samples = new Float32Array(analyser.fftSize);
    const timer = setInterval(() => {
      analyser.getFloatTimeDomainData(samples);
      const power = samples.reduce((sum, x) => sum + x * x, 0) / samples.length;
      show(Math.min(1, Math.sqrt(power) * 4));
    }, 100);
    this.#meter = () => {
      clearInterval(timer);
      context.close();
    };
  }

  close() {
    this.#meter?.();
    this.#meter = null;
    this.#stream?.getTracks().forEach((track) => track.stop());
    this.#stream = null;
  }
}
