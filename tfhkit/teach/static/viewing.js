// A blind viewing test: clips side by side, one question a trial; the kernel writes the votes.

const LOST_MS = 8000; // after which the kernel is taken for busy or gone
const SOUND_MS = 1500; // after which the pictures go on without their sound
const PASSES = 2; // that a trial plays by itself
const LARGEST_PX = 320; // side of a clip on the page
const GAP_PX = 12; // between clips, as in viewing.css
const AROUND_PX = { width: 40, height: 300 }; // of the page around the clips
const LABEL_PX = 48; // height of a clip's name or button

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
  let clips = []; // canvases
  const root = element("div", { class: "tfhkit-viewing", tabindex: "-1", role: "group", "aria-label": "Viewing test" });
  root.dataset.lmSuppressShortcuts = "true"; // JupyterLab's own keys
  const say = element("p", { class: "say", role: "status" });
  const name = element("input", { type: "text", autocomplete: "off", maxlength: "40" });
  const start = element("button", { type: "submit", class: "main" }, "Start");
  const resume = element("button", { type: "button" });
  const who = element("form", { class: "who" }, element("label", {}, "Your name, or a made-up one ", name), start, resume);
  const stage = element("div", { class: "stage" });
  const replay = element("button", { type: "button" }, "Replay (space)");
  const done = element("button", { type: "button", class: "main" }, "Done (enter)");
  const answers = element("div", { class: "answers" });
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
  let keys = {}; // that answer this trial
  const sound = new Audio();
  let heard = "none"; // none, starting or plays

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
    say.textContent = message.text;
    name.value = message.name;
    const open = message.unfinished;
    resume.hidden = !open;
    if (open) {
      resume.textContent = `Go on as ${open.name} (${open.cast} of ${n} done)`;
      resume.onclick = () => ask({ kind: "begin", viewer: open.name });
    }
    show("intro");
  }

  // the number of columns at which the clips are largest; whole multiples of their size stay sharp
  function arrange(n, width, height, named) {
    const room = {
      width: Math.max(160, (root.clientWidth || 700) - AROUND_PX.width),
      height: Math.max(200, window.innerHeight - AROUND_PX.height),
    };
    let best = { scale: 0 };
    for (let columns = n; columns >= 1; columns--) {
      const rows = Math.ceil(n / columns);
      const across = (room.width - GAP_PX * (columns - 1)) / columns;
      const down = (room.height - GAP_PX * (rows - 1)) / rows - (named ? LABEL_PX : 0);
      const largest = Math.min(LARGEST_PX / Math.max(width, height), across / width, down / height);
      const scale = largest >= 1 ? Math.floor(largest) : largest;
      // of two that are as large and as high, the one whose rows are more alike: 3 and 2, not 4 and 1
      if (scale > best.scale || (scale === best.scale && rows === best.rows)) best = { scale, columns, rows };
    }
    return best.scale > 0.4 ? best : { scale: 0.4, columns: Math.min(n, 3) };
  }

  function vote(answer) {
    if (screen !== "trial" || waiting || !began) return;
    ask({ kind: "vote", answer, number: trial.number, seconds: (performance.now() - began) / 1000 });
  }

  function chosen() {
    return [...stage.querySelectorAll("button")].flatMap((b, k) => (b.ariaPressed === "true" ? [k] : []));
  }

  function toggle(button) {
    button.ariaPressed = String(button.ariaPressed !== "true");
    done.disabled = !chosen().length;
  }

  // the clips with their names, the buttons that answer, and the keys that press them
  function lay(message) {
    const { width, height } = message.film;
    const n = message.panels.length;
    const side = width / n;
    const { scale, columns } = arrange(n, side, height, message.panels.some(Boolean));
    const button = (text, act) => {
      const made = element("button", { type: "button", class: "vote" }, text);
      made.addEventListener("click", () => act(made));
      return made;
    };
    keys = { " ": again };
    const choices = [];
    clips = message.panels.map((label, k) => {
      const where = message.ask === "real" ? ["left", "right"][k] : label || `clip ${k + 1}`;
      const clip = element("canvas", { role: "img", "aria-label": message.ask === "real" ? `${where} clip` : where });
      Object.assign(clip, { width: side, height });
      Object.assign(clip.style, { width: `${side * scale}px`, height: `${height * scale}px` });
      return clip;
    });
    const panels = clips.map((clip, k) => {
      const label = message.panels[k];
      if (label.length !== 1) return element("div", { class: "panel" }, clip, ...(label ? [element("span", {}, label)] : []));
      const place = choices.length;
      const pick = button(`${label} (${place + 1})`, (b) => (message.ask === "several" ? toggle(b) : vote([place])));
      if (message.ask === "several") pick.ariaPressed = "false";
      choices.push(pick);
      keys[String(place + 1)] = () => pick.click();
      return element("div", { class: "panel" }, clip, pick);
    });
    stage.style.gridTemplateColumns = `repeat(${columns}, max-content)`;
    stage.replaceChildren(...panels);
    if (message.ask === "real") {
      answers.replaceChildren(button("\u2190 Left is real", () => vote([0])), replay, button("Right is real \u2192", () => vote([1])));
      Object.assign(keys, { ArrowLeft: () => vote([0]), ArrowRight: () => vote([1]) });
    } else if (message.ask === "rating") {
      answers.replaceChildren(...message.levels.map((word, k) => button(`${k + 1} ${word}`, () => vote([k + 1]))), replay);
      message.levels.forEach((_, k) => (keys[String(k + 1)] = () => vote([k + 1])));
    } else if (message.ask === "several") {
      answers.replaceChildren(done, replay);
      done.disabled = true;
      keys.Enter = () => done.click();
    } else answers.replaceChildren(replay);
  }

  async function play(message, data, heardData) {
    film?.close();
    film = new Film(message.film, data);
    trial = message;
    quiet();
    URL.revokeObjectURL(sound.src);
    if (heardData?.byteLength) sound.src = URL.createObjectURL(new Blob([heardData], { type: "audio/mpeg" }));
    else sound.removeAttribute("src");
    lay(message);
    say.textContent = `${message.number < 0 ? "Training, this one does not count" : `Trial ${message.number + 1} of ${message.total}`}: ${message.question}`;
    root.dataset.trial = String(message.number + 1);
    root.dataset.ask = message.ask;
    show("trial");
    const mine = film;
    await mine.ahead(0, Math.min(mine.length, mine.keep, 12));
    if (mine !== film) return;
    began = performance.now();
    again();
  }

  function quiet() {
    sound.pause();
    heard = "none";
  }

  function again() {
    const idle = passes >= PASSES;
    passes = 0;
    pass();
    root.dataset.plays = "true";
    if (idle) requestAnimationFrame(draw);
  }

  // one pass through the film; the pictures wait until the sound has started, and then follow it
  function pass() {
    since = performance.now();
    if (!sound.hasAttribute("src")) return;
    heard = "starting";
    sound.currentTime = 0;
    sound.play().then(
      () => (heard = "plays"),
      (error) => {
        if (error.name === "AbortError") return; // the next trial has come
        heard = "none";
        since = performance.now();
        fault.textContent = `No sound: ${error.message}`;
      },
    );
  }

  function seconds(now) {
    if (heard === "starting" && now - since < SOUND_MS) return 0;
    if (heard === "plays") return sound.ended ? Infinity : sound.currentTime;
    return Math.max(0, (now - since) / 1000);
  }

  async function draw(now) {
    if (!film || screen !== "trial") {
      passes = PASSES;
      quiet();
      return;
    }
    const mine = film;
    let number = Math.floor(seconds(now) * trial.fps);
    if (number >= mine.length) {
      passes += 1;
      number = passes < PASSES ? 0 : mine.length - 1;
      if (passes < PASSES) pass();
      else quiet();
    }
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
      play(message, model.get("film"), model.get("sound"));
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
  replay.addEventListener("click", again);
  done.addEventListener("click", () => vote(chosen()));
  go.addEventListener("click", () => ask({ kind: "go" }));
  next.addEventListener("click", () => ask({ kind: "next" }));
  root.addEventListener("keydown", (event) => {
    if (event.target === name && event.key === "Enter") begin(event); // JupyterLab keeps forms from it
    if (event.target === name || event.ctrlKey || event.altKey || event.metaKey) return;
    const acts = {
      trial: keys,
      told: { Enter: () => ask({ kind: "go" }), " ": () => ask({ kind: "go" }) },
    }[screen];
    const act = acts && acts[event.key];
    const focused = event.target.matches("button:focus-visible") && [" ", "Enter"].includes(event.key);
    if (!act || focused) return; // a button that was reached by the keyboard does what it says
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
    quiet();
    URL.revokeObjectURL(sound.src);
    film?.close();
    film = null;
  };
}

export default { render };
