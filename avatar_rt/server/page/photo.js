// A photograph on its way to an avatar: choose or drop, ask for consent, send, watch it being made.

const $ = (id) => document.getElementById(id);

export class Photo {
  #making = false;
  #limit = 20e6;
  #saved = null;

  constructor(call) {
    this.call = call;
    $("photo").addEventListener("change", () => this.#chosen($("photo").files[0]));
    const drop = $("drop");
    for (const kind of ["dragenter", "dragover"]) {
      drop.addEventListener(kind, (event) => {
        event.preventDefault();
        drop.classList.add("over-drop");
      });
    }
    drop.addEventListener("dragleave", () => drop.classList.remove("over-drop"));
    drop.addEventListener("drop", (event) => {
      event.preventDefault();
      drop.classList.remove("over-drop");
      this.#chosen(event.dataTransfer.files[0]);
    });
    // a photograph that misses the field must not replace the page
    for (const kind of ["dragover", "drop"]) addEventListener(kind, (event) => event.preventDefault());
    $("agree").addEventListener("change", () => { $("go").disabled = !$("agree").checked; });
    $("cancel-make").addEventListener("click", () => call.send({ type: "cancel" }));
    $("show-mine").addEventListener("click", () => call.send({ type: "avatar", which: "mine" }));
    $("show-shared").addEventListener("click", () => call.send({ type: "avatar", which: "shared" }));
    $("save").addEventListener("click", (event) => this.#save(event));
  }

  /** Shows what the server can do and what it has made. */
  state({ make, avatar, limits }) {
    this.#limit = limits.upload_bytes;
    $("photo-on").hidden = !make.available || this.#making;
    $("photo-off").hidden = make.available;
    if (!make.available) withCode($("photo-off"), make.hint);
    $("mine").hidden = !avatar.have_mine;
    $("show-mine").setAttribute("aria-pressed", String(avatar.which === "mine"));
    $("show-shared").setAttribute("aria-pressed", String(avatar.which === "shared"));
  }

  /** Progress of the making: {step, fraction}, {done}, {error} or {cancelled}. */
  progress(message) {
    if (message.step !== undefined) {
      this.#busy(true);
      $("making-step").textContent = `Making your avatar: ${message.step}`;
      $("progress").value = message.fraction;
      if (message.note) this.#note(message.note);
      return;
    }
    this.#busy(false);
    this.#complain(message.error ?? "");
    if (message.done) $("making-step").textContent = "Making your avatar";
  }

  /** The line broke: what was being made has been given up. */
  lost() {
    if (this.#making) this.progress({ error: "The connection was lost; choose the photograph again." });
  }

  #busy(making) {
    this.#making = making;
    $("making").hidden = !making;
    $("photo-on").hidden = making;
  }

  #note(text) {
    $("photo-note").textContent = text;
    $("photo-note").hidden = !text;
  }

  #complain(text) {
    $("photo-notice").textContent = text;
    $("photo-notice").hidden = !text;
  }

  async #chosen(file) {
    $("photo").value = "";
    if (!file) return;
    this.#complain("");
    if (!file.type.startsWith("image/")) return this.#complain("That is not a picture. Choose a photograph.");
    if (file.size > this.#limit) {
      return this.#complain(`That picture is larger than ${Math.round(this.#limit / 1e6)} MB. Choose a smaller one.`);
    }
    if (await this.#consents(file)) await this.#send(file);
  }

  #consents(file) {
    const dialog = $("consent");
    const url = URL.createObjectURL(file);
    $("preview").src = url;
    $("agree").checked = false;
    $("go").disabled = true;
    dialog.returnValue = "no";
    dialog.showModal();
    return new Promise((resolve) => {
      dialog.addEventListener("close", () => {
        URL.revokeObjectURL(url);
        resolve(dialog.returnValue === "yes" && $("agree").checked);
      }, { once: true });
    });
  }

  async #send(file) {
    this.#note("");
    this.progress({ step: "sending the photograph", fraction: 0 });
    try {
      const response = await fetch("api/photo", {
        method: "POST",
        headers: {
          "Content-Type": "application/octet-stream",
          "X-Session": this.call.session,
          "X-Consent": "yes",
        },
        body: file,
      });
      if (!response.ok) this.progress({ error: (await response.json()).error });
    } catch {
      this.progress({ error: "The photograph could not be sent: the server cannot be reached." });
    }
  }

  async #save(event) {
    if (this.#saved) return;
    event.preventDefault();
    const response = await fetch("api/avatar", { headers: { "X-Session": this.call.session } });
    if (!response.ok) return this.#complain((await response.json()).error);
    this.#saved = URL.createObjectURL(await response.blob());
    const link = $("save");
    link.href = this.#saved;
    link.click();
    setTimeout(() => {
      URL.revokeObjectURL(this.#saved);
      link.removeAttribute("href");
      this.#saved = null;
    }, 10000);
  }
}

/** Text in which `backquotes` mark what is to be typed. */
function withCode(element, text) {
  element.replaceChildren(...text.split("`").map((part, k) => {
    if (k % 2 === 0) return part;
    const code = document.createElement("code");
    code.textContent = part;
    return code;
  }));
}
