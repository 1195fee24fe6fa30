// Recording in the browser, after consent: camera and microphone, or the microphone alone.

const CONSENT = "A face and a voice that were recorded here can be made to say anything. Record only people who know this.";
const AGREED = "Everyone whom I record knows it and has agreed.";
const TYPES = {
  clip: ["video/webm;codecs=vp8,opus", "video/webm", "video/mp4"],
  voice: ["audio/webm;codecs=opus", "audio/webm", "audio/mp4"],
};

// What getUserMedia's errors mean, and what to do.
function trouble(error, slot) {
  const what = slot === "clip" ? "camera and microphone" : "microphone";
  const said = {
    NotAllowedError: `The browser does not allow the ${what}; allow it in the browser's bar beside the address, then try again.`,
    SecurityError: `The browser does not allow the ${what} on this page; open it as http://127.0.0.1 or over https.`,
    NotFoundError: `The browser finds no ${what}; connect one, or upload a file.`,
    NotReadableError: `Another program holds the ${what}; close it, then try again.`,
    OverconstrainedError: `This ${what} does not fit; upload a file.`,
  };
  return said[error.name] ?? `Recording does not work here (${error.name}: ${error.message}); upload a file.`;
}

function clock(seconds) {
  const whole = Math.floor(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

// A checkbox that all recorders of a panel share: `consent.given`, `consent.changed.push(f)`.
function newConsent() {
  return { given: false, changed: [] };
}

function recorderView(slot, limit, consent, give) {
  const kind = slot === "clip" ? "video" : "audio";
  const box = element("input", { type: "checkbox", id: unique() });
  const agree = element("label", { for: box.id, class: "consent" }, box, ` ${AGREED}`);
  const live = element(kind, { class: "preview", hidden: true, "data-waits": "" });
  const length = element("span", { class: "length", role: "timer", "aria-label": "length of the recording" });
  const hint = element("p", { class: "hint" }, slot === "clip" ? "Look into the camera, keep still shoulders, speak for 12 to 60 seconds." : "Speak for 3 to 30 seconds.");
  const fault = element("p", { class: "fault", role: "alert" });
  const level = element("meter", { min: 0, max: 1, "aria-label": "loudness", hidden: true });
  let stream = null;
  let recorder = null;
  let parts = [];
  let file = null;
  let timer = null;
  let sound = null;
  let asking = false;
  let round = 0; // of recordings: an answer that comes after the user went on counts no more

  const record = button("Record", begin);
  const stop = button("Stop recording", () => recorder?.state === "recording" && recorder.stop());
  const use = button("Use this recording", () => give(file, file.name), { class: "main" });
  const discard = button("Discard", () => forget());

  function draw() {
    const recording = recorder?.state === "recording";
    record.disabled = !consent.given || recording || asking;
    record.textContent = asking ? "Waiting for the browser's question…" : file ? "Record again" : "Record";
    record.hidden = recording;
    stop.hidden = !recording;
    use.hidden = discard.hidden = recording || !file;
    live.hidden = !(file || (recording && kind === "video"));
    level.hidden = !(recording && kind === "audio");
    box.checked = consent.given;
  }

  function release() {
    clearInterval(timer);
    for (const track of stream?.getTracks() ?? []) track.stop();
    sound?.close();
    [stream, sound] = [null, null];
  }

  function forget() {
    round += 1;
    if (recorder?.state === "recording") recorder.stop();
    recorder = file = null;
    asking = false;
    release();
    show(null);
    length.textContent = "";
    draw();
  }

  function show(source) {
    if (live.src) URL.revokeObjectURL(live.src);
    live.removeAttribute("src");
    live.srcObject = null;
    if (source instanceof Blob) live.src = URL.createObjectURL(source);
    else if (source) live.srcObject = source;
    live.muted = !(source instanceof Blob); // one does not want to hear oneself meanwhile
    live.controls = source instanceof Blob;
    if (source && !(source instanceof Blob)) live.play().catch(() => {});
  }

  async function begin() {
    forget();
    const mine = round;
    fault.textContent = "";
    if (!window.isSecureContext || !navigator.mediaDevices?.getUserMedia || !window.MediaRecorder) {
      fault.textContent = "This page may not use camera and microphone: browsers allow them at http://127.0.0.1 and over https only; open it there, or upload a file.";
      return;
    }
    asking = true;
    draw();
    const plain = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
    const picture = { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 25 } };
    let granted;
    try {
      granted = await navigator.mediaDevices.getUserMedia(kind === "video" ? { audio: plain, video: picture } : { audio: plain });
    } catch (error) {
      if (mine !== round) return;
      asking = false;
      fault.textContent = trouble(error, slot);
      return draw();
    }
    if (mine !== round || !consent.given) return granted.getTracks().forEach((track) => track.stop());
    stream = granted;
    asking = false;
    const type = TYPES[slot].find((name) => MediaRecorder.isTypeSupported(name));
    try {
      recorder = new MediaRecorder(stream, { mimeType: type, videoBitsPerSecond: 5e6, audioBitsPerSecond: 128e3 });
      recorder.start(1000);
    } catch (error) {
      release();
      fault.textContent = trouble(error, slot);
      return draw();
    }
    parts = [];
    const began = performance.now();
    recorder.addEventListener("dataavailable", (event) => mine === round && event.data.size && parts.push(event.data));
    recorder.addEventListener("stop", () => mine === round && finished(began, type));
    recorder.addEventListener("error", (event) => (fault.textContent = trouble(event.error ?? event, slot)));
    if (kind === "video") show(stream);
    else listen();
    timer = setInterval(() => {
      const seconds = (performance.now() - began) / 1000;
      length.textContent = `recording ${clock(seconds)} of at most ${clock(limit)}`;
      if (seconds >= limit - 1) recorder.stop();
    }, 200);
    draw();
  }

  // The loudness, so that one sees whether the microphone hears anything.
  function listen() {
    sound = new AudioContext();
    const analyser = sound.createAnalyser();
    sound.createMediaStreamSource(stream).connect(analyser);
    const values = new Float32Array(analyser.fftSize);
    const look = () => {
      if (!sound) return;
      analyser.getFloatTimeDomainData(values);
      level.value = Math.min(1, 3 * Math.sqrt(values.reduce((sum, v) => sum + v * v, 0) / values.length));
      requestAnimationFrame(look);
    };
    look();
  }

  function finished(began, type) {
    const seconds = (performance.now() - began) / 1000;
    release();
    const blob = new Blob(parts, { type: recorder.mimeType || type });
    parts = [];
    if (!blob.size) {
      fault.textContent = "Nothing was recorded; try again, or upload a file.";
      return draw();
    }
    const ending = blob.type.includes("mp4") ? (kind === "video" ? "mp4" : "m4a") : "webm";
    file = new File([blob], `recording.${ending}`, { type: blob.type });
    length.textContent = `${clock(seconds)} recorded`;
    show(file);
    draw();
  }

  box.addEventListener("change", () => {
    consent.given = box.checked;
    for (const changed of consent.changed) changed();
  });
  consent.changed.push(() => {
    if (!consent.given && (recorder?.state === "recording" || asking)) forget();
    draw();
  });
  draw();
  const buttons = element("div", { class: "buttons" }, record, stop, use, discard, length, level);
  const root = element("div", { class: "recorder" }, element("p", {}, CONSENT), agree, hint, buttons, fault, live);
  return { root, stop: forget };
}
