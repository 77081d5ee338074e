// One call to the server: a picture and a voice down, a camera and a microphone up when asked for,
// and a channel of short messages beside them. Calls again when the line breaks.

const RETRY_MS = [500, 1000, 2000, 4000, 8000];
const GATHER_MS = 2000;
const PING_MS = 1000;

/** Server time minus page time in seconds, from the pings that travelled fastest. */
class ServerClock {
  #samples = [];

  heard(sentAt, serverTime) {
    const now = performance.now() / 1000;
    this.#samples.push({ trip: now - sentAt, offset: serverTime - (sentAt + now) / 2 });
    this.#samples = this.#samples.slice(-30);
  }

  /** null before the first answer */
  get offset() {
    if (!this.#samples.length) return null;
    return this.#samples.reduce((a, b) => (b.trip < a.trip ? b : a)).offset;
  }
}

export class Call extends EventTarget {
  clock = new ServerClock();
  peer = null;
  session = null;
  #channel = null;
  #attempt = 0;
  #senders = {};
  #uplink = { video: null, audio: null };
  #pings = 0;
  #retry = 0;
  #ended = false;

  /** Starts, and from then on keeps the call up. Events: picture, message, status. */
  async start() {
    if (!window.RTCPeerConnection) {
      this.#status("failed", "This browser has no WebRTC, or it is switched off.");
      return;
    }
    this.#status("connecting", this.#attempt ? "Connecting again …" : "Connecting …");
    try {
      await this.#connect();
    } catch (error) {
      this.#hangUp();
      // what fetch says when nobody answers is not meant for people
      const silent = error instanceof TypeError || !error.message;
      this.#status("failed", silent ? "The server cannot be reached." : error.message);
      this.#again();
    }
  }

  /** Sends a message; false while there is no line. */
  send(message) {
    if (this.#channel?.readyState !== "open") return false;
    this.#channel.send(JSON.stringify(message));
    return true;
  }

  /** Sends a camera's or microphone's track up, or nothing (null). No new negotiation is needed. */
  async sendUp(kind, track) {
    this.#uplink[kind] = track;
    await this.#senders[kind]?.replaceTrack(track);
  }

  /** Hangs up for good. */
  end() {
    this.#ended = true;
    this.#hangUp();
  }

  async #connect() {
    const peer = new RTCPeerConnection({ iceServers: [] });
    this.peer = peer;
    const down = new MediaStream();
    peer.ontrack = ({ track }) => {
      down.addTrack(track);
      if (track.kind === "video") this.#tell("picture", { stream: down, receiver: this.receiver });
    };
    const video = peer.addTransceiver("video", { direction: "recvonly" });
    peer.addTransceiver("audio", { direction: "recvonly" });
    this.receiver = video.receiver;
    for (const kind of ["video", "audio"]) {
      this.#senders[kind] = peer.addTransceiver(kind, { direction: "sendonly" }).sender;
      if (this.#uplink[kind]) await this.#senders[kind].replaceTrack(this.#uplink[kind]);
    }
    this.#openChannel(peer);
    peer.onconnectionstatechange = () => this.#changed(peer);

    await peer.setLocalDescription();
    await gathered(peer);
    const response = await fetch("api/offer", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ type: "offer", sdp: peer.localDescription.sdp }),
    });
    const answer = await response.json();
    if (!response.ok) throw new Error(answer.error);
    this.session = answer.session;
    await peer.setRemoteDescription({ type: "answer", sdp: answer.sdp });
  }

  #openChannel(peer) {
    const channel = peer.createDataChannel("control");
    channel.onmessage = ({ data }) => this.#hear(JSON.parse(data));
    channel.onopen = () => {
      this.#channel = channel;
      this.#tell("open", {});
      this.#ping();
      this.#pings = setInterval(() => this.#ping(), PING_MS);
    };
    channel.onclose = () => peer === this.peer && this.#lost();
  }

  #ping() {
    this.send({ type: "ping", t: performance.now() / 1000 });
  }

  #hear(message) {
    if (message.type === "pong") this.clock.heard(message.t, message.now);
    else this.#tell("message", message);
  }

  #changed(peer) {
    if (peer !== this.peer) return;
    if (peer.connectionState === "connected") {
      this.#attempt = 0;
      this.#status("live", "Live");
    } else if (["failed", "closed"].includes(peer.connectionState)) {
      this.#lost();
    }
  }

  #lost() {
    if (!this.peer) return;
    this.#hangUp();
    this.#status("failed", "The connection was lost.");
    this.#again();
  }

  #again() {
    if (this.#ended) return;
    clearTimeout(this.#retry);
    const wait = RETRY_MS[Math.min(this.#attempt++, RETRY_MS.length - 1)];
    this.#retry = setTimeout(() => this.start(), wait);
  }

  #hangUp() {
    clearInterval(this.#pings);
    this.#channel = null;
    this.#senders = {};
    const peer = this.peer;
    this.peer = null;
    peer?.close();
  }

  #status(state, text) {
    this.#tell("status", { state, text });
  }

  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

/** Resolves when the browser knows its own addresses, or soon in any case. */
function gathered(peer) {
  if (peer.iceGatheringState === "complete") return Promise.resolve();
  return new Promise((resolve) => {
    setTimeout(resolve, GATHER_MS);
    peer.addEventListener("icegatheringstatechange", () => {
      if (peer.iceGatheringState === "complete") resolve();
    });
  });
}
