// Linked plots of sound, head and pairs of moments: choose in one, see and hear it in all.

const LOST_MS = 8000; // after which the kernel is taken for busy or gone
const PAUSE_S = 0.2; // between the two sounds
const PICK_PX = 16;
const LOUD = 0.5, MOST_GAIN = 10; // both sounds are made equally loud, as far as that goes
const INK = "#222", FAINT = "#e4e4e4", OFF = "#d4d4d4", PAPER = "#fff", BRUSH = "rgba(0,0,0,0.12)";
const PLASMA = [[13, 8, 135], [106, 0, 168], [177, 42, 144], [225, 100, 98], [252, 166, 54], [240, 249, 33]];
const CIVIDIS = [[0, 34, 78], [53, 69, 108], [102, 105, 112], [148, 142, 119], [200, 184, 102], [254, 232, 56]];
const FONT = "12px system-ui, sans-serif";

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (/^(input|button)$/.test(tag)) made.dataset.lmSuppressShortcuts = "true"; // JupyterLab's own keys
  made.append(...children);
  return made;
}

function shade(stops, share) {
  const at = Math.min(Math.max(share, 0), 1) * (stops.length - 1);
  const k = Math.min(Math.floor(at), stops.length - 2);
  return stops[k].map((low, c) => Math.round(low + (at - k) * (stops[k + 1][c] - low)));
}

const css = ([r, g, b]) => `rgb(${r},${g},${b})`;

function numbers(model) {
  const read = (name, Kind) => {
    const view = model.get(name); // a DataView
    return new Kind(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
  };
  const kinds = {
    wave: Int8Array, sound: Int16Array, times: Float32Array, angles: Float32Array, windows: Uint8Array,
    first: Uint32Array, second: Uint32Array, heard: Float32Array, seen: Float32Array, apart: Float32Array,
    once: Float32Array, twice: Float32Array,
  };
  return Object.fromEntries(Object.entries(kinds).map(([name, Kind]) => [name, read(name, Kind)]));
}

function correlation(data, indices, radius) {
  let n = 0, x = 0, y = 0, xx = 0, yy = 0, xy = 0;
  for (const k of indices) {
    const w = data.twice[k] <= radius ? 2 : 1, a = data.heard[k], b = data.seen[k];
    n += w; x += w * a; y += w * b; xx += w * a * a; yy += w * b * b; xy += w * a * b;
  }
  const power = (n * xx - x * x) * (n * yy - y * y);
  return indices.length > 2 && power > 0 ? (n * xy - x * y) / Math.sqrt(power) : NaN;
}

function niceTicks(low, high, most) {
  const rough = (high - low) / most, power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((m) => m * power >= rough);
  const ticks = [];
  for (let k = Math.ceil(low / step); k * step <= high + 1e-9; k += 1) ticks.push(Number((k * step).toPrecision(6)));
  return ticks;
}

/** A canvas at the screen's resolution, with a context in CSS pixels. */
function sheet(canvas) {
  const ratio = window.devicePixelRatio || 1, { clientWidth: w, clientHeight: h } = canvas;
  if (canvas.width !== Math.round(w * ratio) || canvas.height !== Math.round(h * ratio)) {
    canvas.width = Math.round(w * ratio);
    canvas.height = Math.round(h * ratio);
  }
  const c = canvas.getContext("2d");
  c.setTransform(ratio, 0, 0, ratio, 0, 0);
  c.fillStyle = PAPER;
  c.fillRect(0, 0, w, h);
  c.font = FONT;
  return [c, w, h];
}

function upright(c, text, x, y) {
  c.save();
  c.translate(x, y);
  c.rotate(-Math.PI / 2);
  c.textAlign = "center";
  c.fillText(text, 0, 0);
  c.restore();
}

// --- the two plots; `state` is {data, shape, active, chosen, range}

const LEFT = 52, RIGHT = 12;

function timeScale(state, w) {
  const wide = w - LEFT - RIGHT, { duration_s } = state.shape;
  return { x: (s) => LEFT + (s / duration_s) * wide, s: (x) => Math.min(Math.max((x - LEFT) / wide, 0), 1) * duration_s };
}

function drawTime(canvas, state) {
  const [c, w, h] = sheet(canvas), { data, shape } = state, { x } = timeScale(state, w);
  const top = 4, middle = 74, bottom = h - 34;
  if (state.range) {
    c.fillStyle = BRUSH;
    c.fillRect(x(state.range[0]), top, Math.max(1, x(state.range[1]) - x(state.range[0])), bottom - top);
  }
  [data.first, data.second].forEach((side, k) => {
    const at = data.times[side[state.chosen]], half = shape.window_s / 2;
    c.fillStyle = shape.sides[k];
    c.globalAlpha = 0.55;
    c.fillRect(x(at - half), top, x(at + half) - x(at - half), bottom - top);
    c.globalAlpha = 1;
    c.fillStyle = INK;
    c.textAlign = "center";
    c.fillText("AB"[k], x(at), top + 11);
  });
  const n = data.wave.length / 2, y = (v) => (top + middle) / 2 - (v / 127) * ((middle - top) / 2 - 2);
  c.fillStyle = "#777";
  for (let k = 0; k < n; k += 1) {
    const from = x((k / n) * shape.duration_s), high = y(data.wave[n + k]);
    c.fillRect(from, high, Math.max(0.7, (w - LEFT - RIGHT) / n), Math.max(1, y(data.wave[k]) - high));
  }
  let low = Infinity, high = -Infinity;
  for (const value of data.angles) [low, high] = [Math.min(low, value), Math.max(high, value)];
  if (high - low < 1) high = low + 1;
  const deg = (v) => bottom - 4 - ((v - low) / (high - low)) * (bottom - middle - 12);
  c.textAlign = "right";
  c.strokeStyle = FAINT;
  c.fillStyle = INK;
  for (const tick of niceTicks(low, high, 4)) {
    c.beginPath(); c.moveTo(LEFT, deg(tick)); c.lineTo(w - RIGHT, deg(tick)); c.stroke();
    c.fillText(String(tick), LEFT - 6, deg(tick) + 4);
  }
  const frames = data.times.length;
  shape.angles.forEach(([name, colour], k) => {
    c.strokeStyle = c.fillStyle = colour;
    c.lineWidth = 1.5;
    c.beginPath();
    for (let t = 0; t < frames; t += 1) c.lineTo(x(data.times[t]), deg(data.angles[k * frames + t]));
    c.stroke();
    c.textAlign = "left";
    c.fillText(name, LEFT + 6 + 46 * k, middle + 12);
  });
  c.lineWidth = 1;
  c.fillStyle = c.strokeStyle = INK;
  c.beginPath(); c.moveTo(LEFT, bottom); c.lineTo(w - RIGHT, bottom); c.stroke();
  c.textAlign = "center";
  for (const tick of niceTicks(0, shape.duration_s, 10)) c.fillText(String(tick), x(tick), bottom + 15);
  c.fillText("time (s)", (LEFT + w - RIGHT) / 2, bottom + 30);
  upright(c, "sound", 14, (top + middle) / 2);
  upright(c, "head (degrees)", 14, (middle + bottom) / 2 + 2);
}

function pairScale(state, w, h) {
  const [x0, x1] = state.span, y1 = state.highest, bottom = h - 40, top = 12, right = w - 76;
  return {
    bottom, top, right,
    x: (v) => LEFT + ((v - x0) / (x1 - x0)) * (right - LEFT),
    y: (v) => bottom - (v / y1) * (bottom - top),
  };
}

function drawPairs(canvas, state) {
  const [c, w, h] = sheet(canvas), { data } = state, { x, y, bottom, top, right } = pairScale(state, w, h);
  c.fillStyle = INK;
  for (const tick of niceTicks(...state.span, 5)) {
    c.textAlign = "center";
    c.fillText(String(tick), x(tick), bottom + 16);
  }
  for (const tick of niceTicks(0, state.highest, 5)) {
    c.strokeStyle = FAINT;
    c.beginPath(); c.moveTo(LEFT, y(tick)); c.lineTo(right, y(tick)); c.stroke();
    c.textAlign = "right";
    c.fillText(String(tick), LEFT - 6, y(tick) + 4);
  }
  c.textAlign = "center";
  c.fillText("distance of the sounds", (LEFT + right) / 2, h - 6);
  upright(c, "distance of the poses (degrees)", 14, (top + bottom) / 2);
  c.fillStyle = OFF;
  const count = data.first.length;
  for (let k = 0; k < count; k += 1) if (!state.on[k]) c.fillRect(x(data.heard[k]) - 1, y(data.seen[k]) - 1, 2, 2);
  const colours = Array.from({ length: 33 }, (_, k) => css(shade(PLASMA, k / 32)));
  for (const k of state.active) {
    c.fillStyle = colours[Math.round(Math.min(data.apart[k] / 2, 1) * 32)];
    c.fillRect(x(data.heard[k]) - 1.5, y(data.seen[k]) - 1.5, 3, 3);
  }
  c.strokeStyle = INK;
  c.beginPath(); c.moveTo(LEFT, top); c.lineTo(LEFT, bottom); c.lineTo(right, bottom); c.stroke();
  for (const [radius, colour, width] of [[8, PAPER, 5], [8, INK, 2.5]]) {
    c.strokeStyle = colour;
    c.lineWidth = width;
    c.beginPath();
    c.arc(x(data.heard[state.chosen]), y(data.seen[state.chosen]), radius, 0, 7);
    c.stroke();
  }
  c.lineWidth = 1;
  for (let k = 0; k <= 60; k += 1) { // colour bar
    c.fillStyle = css(shade(PLASMA, k / 60));
    c.fillRect(right + 18, bottom - ((k + 1) / 61) * (bottom - top), 10, (bottom - top) / 61 + 1);
  }
  c.fillStyle = INK;
  c.textAlign = "left";
  [0, 0.5, 1, 1.5, 2].forEach((s) => c.fillText(s === 2 ? "2 +" : String(s), right + 32, bottom - (s / 2) * (bottom - top) + 4));
  upright(c, "apart in time (s)", w - 6, (top + bottom) / 2);
}

function drawWindow(canvas, state, frame) {
  const { rows, bands } = state.shape;
  canvas.width = rows;
  canvas.height = bands;
  const c = canvas.getContext("2d"), pixels = c.createImageData(rows, bands);
  for (let r = 0; r < rows; r += 1) {
    for (let b = 0; b < bands; b += 1) {
      const value = state.data.windows[(frame * rows + r) * bands + b];
      pixels.data.set([...shade(CIVIDIS, value / 255), 255], 4 * (b * rows + r));
    }
  }
  c.putImageData(pixels, 0, 0);
}

// --- sound

function player(state, mark) {
  let context = null, sources = [], timers = [];
  function stop() {
    sources.forEach((source) => source.stop());
    timers.forEach(clearTimeout);
    [sources, timers] = [[], []];
    mark("");
  }
  function play(moments) {
    stop();
    context ??= new AudioContext();
    context.resume();
    const { sr_hz, window_s } = state.shape, n = Math.round(window_s * sr_hz), { sound } = state.data;
    moments.forEach((at, k) => {
      const buffer = context.createBuffer(1, n, sr_hz), out = buffer.getChannelData(0);
      const begin = Math.round((at - window_s / 2) * sr_hz), fade = Math.round(0.01 * sr_hz);
      for (let i = 0; i < n; i += 1) {
        const edge = Math.min(1, i / fade, (n - 1 - i) / fade);
        out[i] = (edge * (sound[begin + i] ?? 0)) / 32768;
      }
      const loudest = out.reduce((a, v) => Math.max(a, Math.abs(v)), 1e-6);
      const gain = Math.min(MOST_GAIN, LOUD / loudest);
      out.forEach((v, i) => (out[i] = gain * v));
      const source = context.createBufferSource(), wait = k * (window_s + PAUSE_S);
      source.buffer = buffer;
      source.connect(context.destination);
      source.start(context.currentTime + 0.02 + wait);
      sources.push(source);
      timers.push(setTimeout(mark, 1000 * wait, "AB"[k], gain * loudest));
    });
    timers.push(setTimeout(mark, 1000 * (moments.length * window_s + PAUSE_S), ""));
  }
  return { play, stop, close: () => { stop(); context?.close(); } };
}

// --- the whole

function build(shape) {
  const time = element("canvas", { class: "time", role: "img" });
  const pairs = element("canvas", { class: "pairs", role: "img" });
  const sides = ["A", "B"].map((name) => {
    const img = element("img", { alt: "" }), strip = element("canvas", { role: "img" });
    const words = element("figcaption"), box = element("figure", {}, img, strip, words);
    return { name, img, strip, words, box };
  });
  const button = (text, title) => element("button", { type: "button", title }, text);
  const number = (label) => {
    const box = element("input", { type: "number", min: "0", step: "0.1" });
    return [box, element("label", {}, `${label} `, box)];
  };
  const previous = button("\u2039 Previous pair", "the next nearer pair of sounds");
  const next = button("Next pair \u203a", "the next farther pair of sounds");
  const play = button("\u25b6 Play both sounds", "the sound behind A, then the sound behind B");
  const auto = element("input", { type: "checkbox" });
  auto.checked = true;
  const slider = (most, value, step) => element("input", { type: "range", min: "0", max: most, step, value });
  const gap = slider("3", "0", "0.1"), gapShown = element("output");
  const radius = slider(String(shape.widest), String(shape.radius), "0.02"), radiusShown = element("output");
  const [from, fromLabel] = number("from"), [to, toLabel] = number("to");
  const all = button("Whole clip", "pairs of all moments");
  const count = element("p", { class: "count", role: "status" });
  const pair = element("p", { class: "pair", role: "status" });
  const fault = element("p", { class: "fault", role: "alert" });
  const row = (...parts) => element("div", { class: "row" }, ...parts);
  const root = element(
    "div", { class: "tfhkit-brushing", role: "group", "aria-label": "Sound, head and pairs of moments" },
    time,
    row(element("span", {}, "Pairs that touch (s):"), fromLabel, toLabel, all),
    row(element("label", {}, "radius of a neighbourhood ", radius), radiusShown,
      element("label", {}, "least time between the two ", gap), gapShown),
    element("div", { class: "below" },
      element("div", { class: "plot" }, pairs, count),
      element("div", { class: "moments" }, element("div", { class: "sides" }, ...sides.map((s) => s.box)), pair,
        row(previous, next), row(play, element("label", {}, auto, " play when a pair is chosen")), fault)),
  );
  return { root, time, pairs, sides, previous, next, play, auto, gap, gapShown, radius, radiusShown, from, to, all, count, pair, fault };
}

function render({ model, el }) {
  const shape = model.get("shape"), data = numbers(model), ui = build(shape), { root } = ui;
  const state = { data, shape, chosen: model.get("chosen"), range: null, active: [], on: new Uint8Array(data.first.length) };
  const ends = (values) => values.reduce(([a, b], v) => [Math.min(a, v), Math.max(b, v)], [Infinity, 1e-6]);
  const [low, high] = ends(data.heard);
  state.span = [Math.max(0, low - 0.05 * high), high * 1.03];
  state.highest = ends(data.seen)[1] * 1.03;
  const pictures = new Map(); // frame -> URL
  let asked = new Set(), lost = null, scheduled = false;
  const sound = player(state, (name, peak = 0) => {
    ui.sides.forEach((side) => side.box.classList.toggle("playing", side.name === name));
    if (name) root.dataset.played = `${root.dataset.played || ""}${name}`;
    if (name) root.dataset.peak = String(peak);
  });
  const frames = () => [data.first[state.chosen], data.second[state.chosen]];
  ui.sides.forEach((side, k) => (side.box.style.borderColor = shape.sides[k]));

  function draw() {
    if (scheduled) return;
    scheduled = true;
    requestAnimationFrame(() => {
      scheduled = false;
      if (!ui.time.clientWidth) return;
      drawTime(ui.time, state);
      drawPairs(ui.pairs, state);
    });
  }

  function filter() {
    const least = Number(ui.gap.value), radius = Number(ui.radius.value), { range } = state, half = (data.times[1] - data.times[0]) / 2 || 0.02;
    const within = (t) => !range || (data.times[t] >= range[0] - half && data.times[t] <= range[1] + half);
    state.active = [];
    for (let k = 0; k < data.first.length; k += 1) {
      state.on[k] = data.once[k] <= radius && data.apart[k] >= least - 1e-4 && (within(data.first[k]) || within(data.second[k]));
      if (state.on[k]) state.active.push(k);
    }
    const r = correlation(data, state.active, radius), text = Number.isFinite(r) ? `r = ${r.toFixed(2)}` : "too few for r";
    const kept = data.first.length < shape.total ? ` (${data.first.length} of all ${shape.total} are drawn)` : "";
    ui.count.textContent = `${state.active.length} pairs in colour${kept}, ${text}`;
    ui.radiusShown.textContent = radius.toFixed(2);
    ui.gapShown.textContent = `${least.toFixed(1)} s`;
    ui.from.value = (range ? range[0] : 0).toFixed(2);
    ui.to.value = (range ? range[1] : shape.duration_s).toFixed(2);
    ui.all.disabled = !range;
    ui.previous.disabled = ui.next.disabled = !state.active.length;
    ui.pairs.setAttribute("aria-label", `Distance of the poses against distance of the sounds: ${ui.count.textContent}.`);
    draw();
  }

  function show() {
    const both = frames(), known = both.every((frame) => pictures.has(frame));
    both.forEach((frame, k) => {
      const side = ui.sides[k], t = data.times[frame], url = pictures.get(frame);
      if (url) side.img.src = url;
      else side.img.removeAttribute("src");
      side.img.alt = `${side.name}: frame ${frame} at ${t.toFixed(2)} s`;
      side.words.textContent = `${side.name}: frame ${frame}, ${t.toFixed(2)} s`;
      side.strip.setAttribute("aria-label", `12 MFCCs over 0.3 s around frame ${frame}`);
      drawWindow(side.strip, state, frame);
    });
    const k = state.chosen, apart = Math.abs(data.times[both[1]] - data.times[both[0]]);
    ui.pair.textContent = `Sounds ${data.heard[k].toFixed(0)} apart, poses ${data.seen[k].toFixed(1)} degrees, ${apart.toFixed(2)} s in time.`;
    ui.time.setAttribute("aria-label", `Waveform and head angles; A at ${data.times[both[0]].toFixed(2)} s, B at ${data.times[both[1]].toFixed(2)} s.`);
    root.dataset.shown = known ? both.join(" ") : "";
    if (!known) ask(both.filter((frame) => !pictures.has(frame) && !asked.has(frame)));
    draw();
  }

  function ask(wanted) {
    if (!wanted.length) return;
    wanted.forEach((frame) => asked.add(frame));
    lost ??= setTimeout(() => {
      ui.fault.textContent = "No pictures: the kernel is busy or gone. Plots and sounds work without it; run this cell again for the pictures.";
      asked = new Set();
      lost = null;
    }, LOST_MS);
    model.send({ kind: "frames", frames: [...new Set(wanted)] });
  }

  function answered(message, buffers) {
    clearTimeout(lost);
    lost = null;
    ui.fault.textContent = message.fault || "";
    message.frames.forEach((frame, k) => {
      asked.delete(frame);
      if (buffers?.[k]) pictures.set(frame, URL.createObjectURL(new Blob([buffers[k]], { type: "image/jpeg" })));
    });
    if (!message.fault) show();
  }

  function choose(k, heard = true) {
    state.chosen = k;
    show();
    if (heard && ui.auto.checked) sound.play(frames().map((frame) => data.times[frame]));
  }

  function step(by) {
    const place = state.active.findIndex((k) => k >= state.chosen), n = state.active.length;
    const here = place < 0 ? n : place, exact = state.active[here] === state.chosen;
    choose(state.active[(here + (by > 0 && !exact ? 0 : by) + n) % n]);
  }

  function brush(low, high) {
    state.range = low === null ? null : [Math.max(0, Math.min(low, high)), Math.min(shape.duration_s, Math.max(low, high))];
    filter();
  }

  ui.pairs.addEventListener("click", (event) => {
    const { x, y } = pairScale(state, ui.pairs.clientWidth, ui.pairs.clientHeight);
    let best = -1, least = PICK_PX ** 2;
    for (const k of state.active) {
      const off = (x(data.heard[k]) - event.offsetX) ** 2 + (y(data.seen[k]) - event.offsetY) ** 2;
      if (off < least) [best, least] = [k, off];
    }
    if (best >= 0) choose(best);
  });
  let begun = null, dragged = false;
  const second = (event) => timeScale(state, ui.time.clientWidth).s(event.offsetX);
  ui.time.addEventListener("pointerdown", (event) => {
    [begun, dragged] = [event, false];
    ui.time.setPointerCapture(event.pointerId);
  });
  ui.time.addEventListener("pointermove", (event) => {
    if (!begun) return;
    dragged ||= Math.abs(event.offsetX - begun.offsetX) > 4;
    if (dragged) brush(second(begun), second(event));
  });
  ui.time.addEventListener("pointerup", (event) => {
    if (begun && !dragged) brush(second(event), second(event));
    begun = null;
  });
  ui.gap.addEventListener("input", filter);
  ui.radius.addEventListener("input", filter);
  const typed = () => brush(Number(ui.from.value), Number(ui.to.value));
  ui.from.addEventListener("change", typed);
  ui.to.addEventListener("change", typed);
  ui.all.addEventListener("click", () => brush(null));
  ui.previous.addEventListener("click", () => step(-1));
  ui.next.addEventListener("click", () => step(1));
  ui.play.addEventListener("click", () => sound.play(frames().map((frame) => data.times[frame])));

  model.on("msg:custom", answered);
  const observer = new ResizeObserver(draw);
  observer.observe(root);
  el.append(root);
  filter();
  show();
  return () => {
    model.off("msg:custom", answered);
    observer.disconnect();
    clearTimeout(lost);
    sound.close();
    pictures.forEach((url) => URL.revokeObjectURL(url));
  };
}

export default { render };
