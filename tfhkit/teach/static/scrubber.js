// Panels, curves and sound of a clip in step: a slider goes through the frames, space plays them.

const COLOURS = ["#0072B2", "#D55E00", "#009E73", "#E69F00", "#56B4E9", "#999999"];
const DASHES = ["", "6 3", "2 2", "8 2 2 2", "4 4", "1 3"]; // told apart without colour
const PLOT = { width: 1000, height: 60 }; // of a curve's picture, which is stretched to the page
const COMFORT_PX = 200; // height of the tallest panel on the page, at least
const DRIFT_S = 0.12; // of the sound against the pictures, before it is set right
const SVG = "http://www.w3.org/2000/svg";

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name in made && typeof value !== "string") made[name] = value;
    else made.setAttribute(name, value);
  }
  if (/^(input|select|button)$/.test(tag)) made.dataset.lmSuppressShortcuts = "true"; // JupyterLab's own keys
  made.append(...children);
  return made;
}

function shape(tag, attributes) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

const short = (value) => (value === null ? "none" : Math.abs(value) >= 100 || Number.isInteger(value) ? value.toFixed(0) : value.toPrecision(3));

// one curve plot; returns its element and what to do when the frame changes
function plot(track, times) {
  const [first, last] = [times[0], times[times.length - 1]];
  const { low, high } = track;
  const x = (t) => (PLOT.width * (t - first)) / (last - first || 1);
  const y = (value) => PLOT.height * (1 - (value - low) / (high - low || 1));
  const svg = shape("svg", { viewBox: `0 0 ${PLOT.width} ${PLOT.height}`, preserveAspectRatio: "none", role: "img" });
  svg.setAttribute("aria-label", track.alt);
  if (track.low < 0 && track.high > 0) svg.append(shape("line", { class: "zero", x1: 0, x2: PLOT.width, y1: y(0), y2: y(0) }));
  if (track.envelope) {
    const at = (k) => (PLOT.width * (k + 0.5)) / track.envelope[0].length;
    const [lower, upper] = track.envelope.map((values) => values.map((value, k) => `${at(k)},${y(value)}`));
    svg.append(shape("polygon", { points: [...upper, ...lower.reverse()].join(" "), fill: COLOURS[0], stroke: COLOURS[0] }));
  }
  const legend = element("span", { class: "legend" });
  const readouts = track.lines.map((line, k) => {
    let path = "";
    let pen = "M";
    line.values.forEach((value, i) => {
      if (value === null) pen = "M";
      else {
        if (track.steps && pen === "L") path += `H${x(times[i])}`;
        path += `${pen}${x(times[i])},${y(value)}`;
        pen = "L";
      }
    });
    svg.append(shape("path", { d: path, stroke: COLOURS[k % 6], "stroke-dasharray": DASHES[k % 6], fill: "none" }));
    const sample = shape("svg", { class: "sample", viewBox: "0 0 24 8", "aria-hidden": "true" });
    sample.append(shape("path", { d: "M0,4H24", stroke: COLOURS[k % 6], "stroke-dasharray": DASHES[k % 6] }));
    const value = element("b");
    legend.append(element("span", {}, sample, ` ${line.name} `, value));
    return value;
  });
  const ends = element("span", { class: "ends", "aria-hidden": "true" }, element("span", {}, short(high)), element("span", {}, short(low)));
  const area = element("div", { class: "area" }, svg);
  const row = element("div", { class: "track" }, element("div", { class: "head" }, element("span", {}, track.title), legend));
  row.append(element("div", { class: "plot" }, ends, area));
  const update = (i) => readouts.forEach((node, k) => (node.textContent = short(track.lines[k].values[i])));
  return { row, area, update };
}

function render({ model, el }) {
  const { title, times, boxes, tracks, start } = model.get("spec");
  const film = new Film(model.get("spec").film, model.get("film"));
  const n = times.length;
  const pace = (times[n - 1] - times[0]) / Math.max(1, n - 1);
  const end = times[n - 1] + pace; // the last frame is shown as long as the others
  const root = element("div", { class: "tfhkit-scrubber", tabindex: "-1", role: "group", "aria-label": title });
  root.dataset.lmSuppressShortcuts = "true"; // JupyterLab's own keys

  const room = Math.min(940, el.clientWidth || 940) - 8 * boxes.length;
  const fits = room / boxes.reduce((sum, box) => sum + box.width, 0); // all panels in one row
  const comfort = Math.max(1, COMFORT_PX / Math.max(...boxes.map((box) => box.height)));
  const scale = Math.min(comfort, Math.max(fits, 0.6));
  const canvases = boxes.map(({ name, width, height }) => {
    const canvas = element("canvas", { role: "img", "aria-label": name });
    Object.assign(canvas, { width, height });
    canvas.style.width = `${Math.round(scale * width)}px`;
    return canvas;
  });
  const panels = element("div", { class: "panels" });
  boxes.forEach(({ name }, k) => panels.append(element("figure", {}, canvases[k], element("figcaption", {}, name))));

  const play = element("button", { type: "button", class: "play" }, "Play");
  const back = element("button", { type: "button", "aria-label": "one frame back" }, "\u2039");
  const forth = element("button", { type: "button", "aria-label": "one frame on" }, "\u203a");
  const slider = element("input", { type: "range", min: "0", max: String(n - 1), step: "1", "aria-label": "frame" });
  const readout = element("output");
  const bar = element("div", { class: "bar" }, play, back, slider, forth, readout);
  const speed = element("select");
  for (const [value, text] of [["1", "1"], ["0.5", "1/2"], ["0.25", "1/4"]]) speed.append(new Option(text, value));
  const loop = element("input", { type: "checkbox" });
  const more = element("div", { class: "more" }, element("label", {}, "Speed ", speed), element("label", {}, loop, " Loop"));

  const data = model.get("sound");
  const wav = data && data.byteLength ? URL.createObjectURL(new Blob([data], { type: "audio/wav" })) : null;
  const sound = wav ? new Audio(wav) : null;
  const heard = element("input", { type: "checkbox" });
  heard.checked = true;
  if (sound) more.append(element("label", {}, heard, " Sound"));
  const fault = element("span", { class: "fault", role: "status" });
  more.append(fault);

  const plots = tracks.map((track) => plot(track, times));
  const cursor = element("div", { class: "cursor" });
  const axis = element("div", { class: "axis", "aria-hidden": "true" });
  for (const share of [0, 0.25, 0.5, 0.75, 1]) axis.append(element("span", {}, `${(times[0] + share * (times[n - 1] - times[0])).toFixed(1)} s`));
  const curves = element("div", { class: "tracks" }, ...plots.map((one) => one.row), axis, cursor);
  curves.hidden = !plots.length;
  root.append(panels, bar, more, curves);

  let at = start; // the frame that is to be seen
  let playing = false;
  let origin = 0; // the moment (ms) at which the first frame would have been due
  let going = 0; // number of this playing; an older one ends

  async function draw(i) {
    try {
      const picture = await film.frame(i);
      if (i !== at || film.closed) return; // a newer frame is wanted
      boxes.forEach(({ x, width, height }, k) => {
        canvases[k].getContext("2d").drawImage(picture, x, 0, width, height, 0, 0, width, height);
      });
      root.dataset.frame = String(i);
    } catch (error) {
      fault.textContent = `This frame cannot be shown (${error.message}).`;
    }
  }

  function show(i) {
    at = Math.max(0, Math.min(n - 1, i));
    slider.value = String(at);
    const words = `frame ${model.get("spec").numbers[at]}, ${times[at].toFixed(2)} s`;
    readout.textContent = words;
    slider.setAttribute("aria-valuetext", words);
    cursor.style.setProperty("--share", String((times[at] - times[0]) / (times[n - 1] - times[0] || 1)));
    plots.forEach((one) => one.update(at));
    return draw(at);
  }

  function frameAt(t) {
    let low = 0;
    let high = n - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (times[middle] <= t) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  const rate = () => Number(speed.value);

  function startSound(t) {
    if (!sound || !heard.checked) return;
    sound.currentTime = Math.max(0, t - times[0]);
    sound.playbackRate = rate();
    sound.play().catch((error) => {
      if (playing) fault.textContent = `No sound: ${error.message}`;
    });
  }

  function begin(t) {
    origin = performance.now() - (1000 * (t - times[0])) / rate();
    startSound(t);
  }

  async function go() {
    const mine = ++going;
    playing = true;
    fault.textContent = "";
    play.textContent = "Pause";
    root.dataset.plays = "true";
    if (at === n - 1) at = 0;
    await film.ahead(at, Math.min(8, film.keep));
    if (mine !== going) return;
    begin(times[at]);
    requestAnimationFrame(function tick(now) {
      if (mine !== going || !playing) return;
      let t = times[0] + (rate() * Math.max(0, now - origin)) / 1000;
      if (t >= end) {
        if (!loop.checked) {
          show(n - 1);
          stop();
          return;
        }
        t = times[0];
        begin(t);
      }
      if (sound && !sound.paused && !sound.ended && Math.abs(sound.currentTime + times[0] - t) > DRIFT_S) sound.currentTime = t - times[0];
      const i = frameAt(t);
      if (i !== at) show(i);
      film.ahead(i + 1, 6);
      requestAnimationFrame(tick);
    });
  }

  function stop() {
    going += 1;
    playing = false;
    sound?.pause();
    play.textContent = "Play";
    root.dataset.plays = "false";
  }

  // from one frame to another by hand
  function jump(i) {
    const was = playing;
    stop();
    show(i);
    if (was) go();
  }

  const step = (by) => {
    stop();
    show(at + by);
  };
  const toggle = () => (playing ? stop() : go());
  play.addEventListener("click", toggle);
  back.addEventListener("click", () => step(-1));
  forth.addEventListener("click", () => step(1));
  slider.addEventListener("input", () => {
    stop();
    show(Number(slider.value));
  });
  speed.addEventListener("change", () => playing && begin(times[at]));
  heard.addEventListener("change", () => {
    if (!heard.checked) sound.pause();
    else if (playing) startSound(times[at]);
  });
  for (const { area } of plots) {
    const to = (event) => {
      const box = area.getBoundingClientRect();
      jump(frameAt(times[0] + ((event.clientX - box.left) / box.width) * (times[n - 1] - times[0]) + pace / 2));
    };
    area.addEventListener("pointerdown", (event) => {
      area.setPointerCapture(event.pointerId);
      to(event);
      root.focus({ preventScroll: true });
    });
    area.addEventListener("pointermove", (event) => event.buttons && to(event));
  }
  root.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const own = event.target.closest("button, select, input");
    const acts = { ArrowLeft: () => step(-1), ArrowRight: () => step(1), " ": toggle };
    const act = acts[event.key];
    if (!act || own === speed || (event.key === " " && own && own !== slider)) return;
    event.preventDefault();
    if (event.key !== " " || !event.repeat) act();
  });

  el.append(root);
  show(start).then(() => (root.dataset.ready = "true"));
  return () => {
    stop();
    film.close();
    if (wav) URL.revokeObjectURL(wav);
  };
}

export default { render };
