// A blind viewing test: two clips side by side, one vote a trial; the kernel writes the votes.

const LOST_MS = 8000; // after which the kernel is taken for busy or gone
const PASSES = 2; // that a trial plays by itself
const LARGEST_PX = 320; // side of a clip on the page

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name in made && typeof value !== "string") made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

function render({ model, el }) {
  const clips = ["left", "right"].map((side) => element("canvas", { class: side, role: "img", "aria-label": `${side} clip` }));
  const root = element("div", { class: "tfhkit-viewing", tabindex: "-1", role: "group", "aria-label": "Viewing test" });
  root.dataset.lmSuppressShortcuts = "true"; // JupyterLab's own keys
  const say = element("p", { class: "say", role: "status" });
  const name = element("input", { type: "text", autocomplete: "off", maxlength: "40" });
  const start = element("button", { type: "submit", class: "main" }, "Start");
  const resume = element("button", { type: "button" });
  const who = element("form", { class: "who" }, element("label", {}, "Your name, or a made-up one ", name), start, resume);
  const stage = element("div", { class: "stage" }, ...clips);
  const left = element("button", { type: "button", class: "vote" }, "\u2190 Left is real");
  const replay = element("button", { type: "button" }, "Replay (space)");
  const right = element("button", { type: "button", class: "vote" }, "Right is real \u2192");
  const answers = element("div", { class: "answers" }, left, replay, right);
  const go = element("button", { type: "button", class: "main" }, "Go on (enter)");
  const next = element("button", { type: "button" }, "Next viewer");
  const fault = element("p", { class: "fault", role: "alert" });
  const tally = element("p", { class: "tally" });
  const table = element("div", { class: "table" });
  root.append(say, who, stage, answers, go, fault, table, next, tally);

  let screen = null; // what is shown: intro, trial, told or end
  let film = null;
  let trial = null;
  let began = 0; // when the first picture of this trial was drawn
  let since = 0; // when this replay began
  let passes = PASSES;
  let lost = null;
  let shown = 0; // number of the screen that is shown
  let waiting = false;

  function ask(message) {
    waiting = true;
    fault.textContent = "";
    root.dataset.busy = "true";
    model.send(message);
    clearTimeout(lost);
    lost = setTimeout(() => {
      waiting = false;
      fault.textContent =
        "No answer: the kernel is busy or gone. The votes up to here are kept. If it stays so, restart the kernel, " +
        "run the notebook up to this cell, and start under the same name: it resumes where you stopped.";
    }, LOST_MS);
  }

  function show(kind) {
    screen = kind;
    root.dataset.screen = kind;
    who.hidden = kind !== "intro";
    stage.hidden = answers.hidden = kind !== "trial";
    go.hidden = kind !== "told";
    table.hidden = next.hidden = kind !== "end";
    if (kind === "trial" || kind === "told") root.focus({ preventScroll: true });
    root.scrollIntoView({ block: "nearest" });
  }

  function intro(message) {
    const n = message.total;
    say.textContent =
      `Two clips play side by side, without sound. One was filmed, one was made: which one is real? ${n} trials, about a minute. ` +
      `${message.training ? "Before them comes one for training, which does not count. " : ""}Nothing is told until the end.`;
    name.value = message.name;
    const open = message.unfinished;
    resume.hidden = !open;
    if (open) {
      resume.textContent = `Go on as ${open.name} (${open.cast} of ${n} done)`;
      resume.onclick = () => ask({ kind: "begin", viewer: open.name });
    }
    show("intro");
  }

  async function play(message, data) {
    film?.close();
    film = new Film(message.film, data);
    trial = message;
    const { width, height } = message.film;
    const side = width / 2;
    const room = Math.max(80, Math.min(LARGEST_PX, ((el.clientWidth || 700) - 40) / 2));
    const largest = room / Math.max(side, height);
    const scale = largest >= 1 ? Math.floor(largest) : largest; // whole multiples stay sharp
    for (const clip of clips) {
      Object.assign(clip, { width: side, height });
      Object.assign(clip.style, { width: `${side * scale}px`, height: `${height * scale}px` });
    }
    say.textContent =
      message.number < 0
        ? "Training, this one does not count: which clip is real, the left or the right one?"
        : `Trial ${message.number + 1} of ${message.total}: which clip is real, the left or the right one?`;
    root.dataset.trial = String(message.number + 1);
    show("trial");
    const mine = film;
    await mine.ahead(0, Math.min(mine.length, mine.keep, 12));
    if (mine !== film) return;
    began = performance.now();
    again();
  }

  function again() {
    const idle = passes >= PASSES;
    since = performance.now();
    passes = 0;
    root.dataset.plays = "true";
    if (idle) requestAnimationFrame(draw);
  }

  async function draw(now) {
    if (!film || screen !== "trial") {
      passes = PASSES;
      return;
    }
    const mine = film;
    const due = Math.max(0, Math.floor(((now - since) / 1000) * trial.fps));
    passes = Math.floor(due / mine.length);
    const number = passes < PASSES ? due % mine.length : mine.length - 1;
    const picture = await mine.frame(number);
    mine.ahead(number + 1, 6);
    if (mine === film && !mine.closed) {
      clips.forEach((clip, k) => {
        clip.getContext("2d").drawImage(picture, k * clip.width, 0, clip.width, clip.height, 0, 0, clip.width, clip.height);
      });
      root.dataset.frame = String(number);
    }
    if (passes < PASSES) requestAnimationFrame(draw);
    else root.dataset.plays = "false";
  }

  function vote(side) {
    if (screen !== "trial" || waiting || !began) return;
    ask({ kind: "vote", side, number: trial.number, seconds: (performance.now() - began) / 1000 });
  }

  function answered() {
    clearTimeout(lost);
    waiting = false;
    root.dataset.busy = "false";
    fault.textContent = model.get("fault").text || "";
  }

  function screenChanged() {
    const message = model.get("screen");
    if (!message.kind || message.serial === shown) return;
    shown = message.serial;
    answered();
    tally.textContent = message.tally || tally.textContent;
    if (message.kind === "intro") intro(message);
    if (message.kind === "trial") {
      began = 0;
      play(message, model.get("film"));
    }
    if (message.kind === "told" || message.kind === "end") say.textContent = message.text;
    if (message.kind === "end") table.innerHTML = message.table;
    if (message.kind !== "intro" && message.kind !== "trial") show(message.kind);
  }

  const begin = (event) => {
    event.preventDefault();
    if (!waiting) ask({ kind: "begin", viewer: name.value });
  };
  who.addEventListener("submit", begin);
  left.addEventListener("click", () => vote("left"));
  right.addEventListener("click", () => vote("right"));
  replay.addEventListener("click", again);
  go.addEventListener("click", () => ask({ kind: "go" }));
  next.addEventListener("click", () => ask({ kind: "next" }));
  root.addEventListener("keydown", (event) => {
    if (event.target === name && event.key === "Enter") begin(event); // JupyterLab keeps forms from it
    if (event.target === name || event.ctrlKey || event.altKey || event.metaKey) return;
    const acts = {
      trial: { ArrowLeft: () => vote("left"), ArrowRight: () => vote("right"), " ": again },
      told: { Enter: () => ask({ kind: "go" }), " ": () => ask({ kind: "go" }) },
    }[screen];
    const act = acts && acts[event.key];
    if (!act) return;
    event.preventDefault();
    if (!event.repeat && !waiting) act();
  });

  model.on("change:screen", screenChanged);
  model.on("change:fault", answered);
  el.append(root);
  screenChanged();
  return () => {
    model.off("change:screen", screenChanged);
    model.off("change:fault", answered);
    clearTimeout(lost);
    film?.close();
    film = null;
  };
}

export default { render };
