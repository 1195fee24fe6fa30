// Controls beside a picture: asks the kernel for one answer at a time, always for the newest values.

const SLOW_MS = 400; // after which the picture is marked as being drawn
const LOST_MS = 8000; // after which the kernel is taken for busy or gone

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

function decimals(step) {
  return step >= 1 ? 0 : Math.min(4, Math.ceil(-Math.log10(step) - 1e-9));
}

function slider(control, id, changed) {
  const { low, high, step } = control;
  const text = (value) => Number(value).toFixed(control.whole ? 0 : decimals(step));
  const range = element("input", { type: "range", id, min: String(low), max: String(high), step: String(step) });
  const shown = element("output", { for: id });
  const row = element("div", { class: "row" }, element("label", { for: id }, control.label));
  const nudge = (by, symbol, words) => {
    const button = element("button", { type: "button", class: "step", "aria-label": `${control.label}: ${words}` }, symbol);
    button.addEventListener("click", () => {
      set(Number(range.value) + by * step);
      changed();
    });
    return button;
  };
  const set = (value) => {
    range.value = String(value);
    shown.textContent = text(range.value);
    range.setAttribute("aria-valuetext", `${text(range.value)}${control.unit ? ` ${control.unit}` : ""}`);
  };
  range.addEventListener("input", () => {
    set(range.value);
    changed();
  });
  const line = element("span", { class: "line" }, nudge(-1, "\u2039", "one step less"), range, nudge(1, "\u203a", "one step more"), shown);
  row.append(line);
  return { row, set, get: () => Number(range.value) };
}

function choice(control, id, changed) {
  const select = element("select", { id }, ...control.options.map((text, i) => element("option", { value: String(i) }, text)));
  select.addEventListener("change", changed);
  const row = element("div", { class: "row" }, element("label", { for: id }, control.label), element("span", { class: "line" }, select));
  return { row, set: (i) => (select.value = String(i)), get: () => Number(select.value) };
}

function checkbox(control, id, changed) {
  const box = element("input", { type: "checkbox", id });
  box.addEventListener("change", changed);
  const row = element("div", { class: "row" }, element("label", { for: id }, control.label), element("span", { class: "line" }, box));
  return { row, set: (on) => (box.checked = Boolean(on)), get: () => box.checked };
}

const KINDS = { slider, choice, checkbox };

function render({ model, el }) {
  const root = element("div", { class: "tfhkit-explorer", role: "group", "aria-label": model.get("title") });
  const picture = element("img");
  const other = element("div", { class: "other" });
  const fault = element("p", { class: "fault", role: "alert" });
  const wait = element("p", { class: "wait", role: "status" });
  const view = element("div", { class: "view" }, other, fault, wait);
  const panel = element("div", { class: "controls" });
  root.append(view, panel);

  let asked = 0; // number of the newest question that was sent
  let waiting = false;
  let newer = false; // values changed while an answer was on its way
  let timers = [];
  let url = null;

  const specs = model.get("controls");
  const parts = specs.map((spec, i) => KINDS[spec.kind](spec, `explorer-${Math.random().toString(36).slice(2, 8)}-${i}`, ask));
  parts.forEach((part, i) => {
    part.set(specs[i].value);
    panel.append(part.row);
  });

  function values() {
    return parts.map((part) => part.get());
  }

  function ask() {
    if (waiting) {
      newer = true;
      return;
    }
    waiting = true;
    newer = false;
    asked += 1;
    root.dataset.busy = "true";
    timers = [
      setTimeout(() => view.classList.add("slow"), SLOW_MS),
      setTimeout(() => {
        wait.textContent = "No answer yet: the kernel is busy or gone. If it stays so, run this cell again.";
      }, LOST_MS),
    ];
    model.send({ kind: "ask", number: asked, values: values(), view: root.dataset.view });
  }

  function show() {
    const answer = model.get("answer");
    fault.textContent = answer.fault || "";
    view.classList.toggle("failed", Boolean(answer.fault));
    if (answer.fault) return;
    const pixels = model.get("picture");
    const has = pixels && pixels.byteLength > 0;
    if (!has) picture.remove();
    if (has) {
      if (!picture.isConnected) view.prepend(picture);
      const next = URL.createObjectURL(new Blob([pixels], { type: answer.media }));
      picture.src = next;
      picture.alt = answer.alt;
      if (url) setTimeout(URL.revokeObjectURL, 2000, url);
      url = next;
    }
    other.innerHTML = answer.html || "";
  }

  function answered() {
    const answer = model.get("answer");
    if (answer.view && answer.view !== root.dataset.view) {
      (answer.values || []).forEach((value, i) => parts[i].set(value)); // moved in another view
    }
    timers.forEach(clearTimeout);
    view.classList.remove("slow");
    wait.textContent = "";
    show();
    waiting = false;
    root.dataset.busy = "false";
    root.dataset.answers = String(Number(root.dataset.answers || 0) + 1);
    if (newer) ask();
  }

  function button(text, words, act) {
    const made = element("button", { type: "button", title: words }, text);
    made.addEventListener("click", () => {
      specs.forEach((spec, i) => parts[i].set(act(spec, i)));
      ask();
    });
    return made;
  }
  const sliders = specs.filter((spec) => spec.kind === "slider").length;
  const buttons = element("div", { class: "buttons" }, button("Reset", "back to where everything began", (spec) => spec.value));
  if (sliders > 1) {
    const anywhere = (spec, i) => {
      if (spec.kind !== "slider") return parts[i].get();
      const share = (Math.random() + Math.random()) / 2; // extremes together are rarely of use
      const last = Math.round((spec.high - spec.low) / spec.step);
      const here = Math.round((parts[i].get() - spec.low) / spec.step);
      const there = Math.round(share * last);
      return spec.low + spec.step * (there === here ? (here + 1) % (last + 1) : there); // never where it is
    };
    buttons.append(button("Random", "move every slider to a random place", anywhere));
  }
  panel.prepend(buttons);

  root.dataset.view = Math.random().toString(36).slice(2);
  root.dataset.busy = "false";
  show();
  model.on("change:answer", answered);
  el.append(root);
  return () => {
    model.off("change:answer", answered);
    timers.forEach(clearTimeout);
    if (url) URL.revokeObjectURL(url);
  };
}

export default { render };
