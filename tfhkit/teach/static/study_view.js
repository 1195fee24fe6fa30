// Linked plots of a study: choose a clip, an angle and a lag in any of them; save what is shown.

const SVG = "http://www.w3.org/2000/svg", INK = "#222", FAINT = "#e8e8e8";
const ROW = 20, WIDE = { values: 400, lag: 300, curves: 460 }, CURVES_TALL = 300;

function make(tag, attributes = {}, ...children) {
  const svg = /^(svg|circle|path|text|line|rect|g|title)$/.test(tag);
  const node = svg ? document.createElementNS(SVG, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (/^(button|select|input)$/.test(tag)) node.dataset.lmSuppressShortcuts = "true";
  node.append(...children);
  return node;
}

function ticks(low, high, most = 5) {
  const rough = (high - low) / most || 1, power = 10 ** Math.floor(Math.log10(rough)), found = [];
  const step = power * [1, 2, 5, 10].find((m) => m * power >= rough);
  for (let k = Math.ceil(low / step); k * step <= high + 1e-9; k += 1) found.push(Number((k * step).toPrecision(6)));
  return found;
}

const known = (value) => value !== null && value !== undefined;
const short = (value) => (known(value) ? Number(value.toPrecision(3)).toString() : "unknown");
const signed = (value) => `${value < 0 ? "\u2212" : "+"}${Math.abs(value).toFixed(2)}`;

function frame(width, height, edge, [low, high], xTitle, title, label) {
  const svg = make("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label });
  svg.style.cssText = `flex: ${width} 1 ${0.6 * width}px; max-width: ${width}px`; // one scale for all
  const x = (v) => edge.left + ((v - low) / (high - low || 1)) * (width - edge.left - edge.right);
  const bottom = height - edge.bottom;
  const word = (text, px, py, more = {}) => svg.append(make("text", { x: px, y: py, fill: INK, "text-anchor": "middle", ...more }, text));
  for (const v of ticks(low, high)) {
    svg.append(make("line", { x1: x(v), x2: x(v), y1: edge.top, y2: bottom, stroke: v ? FAINT : "#bbb" }));
    word(v, x(v), bottom + 15);
  }
  word(xTitle, (edge.left + width - edge.right) / 2, height - 6);
  word(title, (edge.left + width - edge.right) / 2, 14, { "font-weight": "600" });
  return { svg, x, bottom, word };
}

const reach = (values) => {
  const low = Math.min(0, ...values), high = Math.max(0, ...values), room = 0.05 * (high - low || 1);
  return [low - room, high + room];
};

function nearest(lags, lag_s) {
  let best = 0;
  lags.forEach((v, k) => { if (Math.abs(v - lag_s) < Math.abs(lags[best] - lag_s)) best = k; });
  return best;
}

// one row per clip: what is shown, and what is saved
function shownRows(study, choice) {
  const measure = study.measures.find((one) => one.name === choice.measure);
  const rows = study.clips.map((clip) => {
    const [value, low, high, p, n] = measure.rows[clip] ?? [null, null, null, null, null];
    const row = { clip, measure: measure.name, value, low, high, p, n, axis: choice.axis };
    const lags = study.lags[clip], curves = lags.curves?.[choice.axis];
    const k = curves ? nearest(lags.lags_s, choice.lag_s) : 0;
    Object.assign(row, { lag_s: curves ? lags.lags_s[k] : null, chance_95: lags.chance_95 ?? null });
    for (const sound of study.voice) row[`r, ${sound}`] = curves?.[sound]?.[k] ?? null;
    return row;
  });
  return { rows, summary: measure.summary };
}

function csvOf(rows) {
  const cell = (value) => (!known(value) ? "" : /[",\n]/.test(value) ? `"${String(value).replaceAll('"', '""')}"` : value);
  const names = Object.keys(rows[0]);
  return [names.map(cell).join(","), ...rows.map((row) => names.map((name) => cell(row[name])).join(","))].join("\r\n") + "\r\n";
}

function dots(study, choice, rows, width, edge, series, title, xTitle, label, choose) {
  const height = edge.top + edge.bottom + ROW * (rows.length + 1);
  const every = series.flatMap((one) => [...rows.flatMap(one.ends), ...one.mean]).filter(known);
  const plot = frame(width, height, edge, reach(every), xTitle, title, label), { svg, x } = plot;
  const at = (k) => plot.bottom - ROW * (k + 0.5);
  rows.forEach((row, k) => {
    const y = at(k + 1), chosen = row.clip === choice.clip, group = make("g", { class: "clip", "data-clip": row.clip });
    group.append(make("rect", { x: 0, y: y - ROW / 2, width, height: ROW, fill: chosen ? study.mark : "transparent", "fill-opacity": 0.3 }));
    for (const one of series) {
      const [value, low, high] = one.ends(row);
      if (known(low) && known(high)) group.append(make("line", { x1: x(low), x2: x(high), y1: y, y2: y, stroke: one.colour, "stroke-opacity": 0.5, "stroke-width": 2 }));
      if (known(value)) group.append(make("circle", { cx: x(value), cy: y, r: 4.5, fill: one.colour }));
    }
    const said = series.map((one) => `${one.name} ${short(one.ends(row)[0])}`).join(", ");
    group.append(make("title", {}, `${row.clip}: ${said}`));
    if (edge.left > 40) group.append(make("text", { x: edge.left - 6, y: y + 4, "text-anchor": "end", fill: INK, ...(chosen ? { "font-weight": "700" } : {}) }, row.clip.length > 20 ? `${row.clip.slice(0, 19)}\u2026` : row.clip));
    group.addEventListener("click", () => choose({ clip: row.clip }));
    svg.append(group);
  });
  if (edge.left > 40) plot.word("mean", edge.left - 6, at(0) + 4, { "text-anchor": "end" });
  for (const one of series) {
    const [mean, low, high] = one.mean, y = at(0);
    if (known(low) && known(high)) svg.append(make("line", { x1: x(low), x2: x(high), y1: y, y2: y, stroke: one.dark, "stroke-width": 2.5 }));
    if (known(mean)) svg.append(make("path", { d: `M${x(mean)} ${y - 6}l5 6l-5 6l-5 -6z`, fill: one.dark }));
  }
  return svg;
}

const mean = (values) => (values.length ? values.reduce((a, b) => a + b, 0) / values.length : null);

function drawCurves(study, choice, choose) {
  const lags = study.lags[choice.clip], curves = lags.curves?.[choice.axis];
  if (!curves) return make("p", {}, `${choice.clip} has no curves over lags in this study.`);
  const edge = { left: 44, right: 10, top: 24, bottom: 38 }, s = lags.lags_s, chance = lags.chance_95;
  const top = Math.max(chance, ...Object.values(curves).flat().map(Math.abs)) * 1.08;
  const label = `Correlation of the head's ${choice.axis} with sounds over lags, ${choice.clip}; chosen is ${signed(choice.lag_s)} s.`;
  const plot = frame(WIDE.curves, CURVES_TALL, edge, [s[0], s[s.length - 1]], "lag (s), positive: the head comes after the sound", `${choice.clip}: head ${choice.axis}`, label);
  const { svg, x, bottom } = plot, y = (v) => bottom - ((v + top) / (2 * top)) * (bottom - edge.top);
  svg.append(make("rect", { x: x(s[0]), width: x(s[s.length - 1]) - x(s[0]), y: y(chance), height: y(-chance) - y(chance), fill: "#999", "fill-opacity": 0.16 }));
  for (const v of ticks(-top, top)) plot.word(v, edge.left - 6, y(v) + 4, { "text-anchor": "end" });
  svg.append(make("line", { x1: x(choice.lag_s), x2: x(choice.lag_s), y1: edge.top, y2: bottom, stroke: study.mark, "stroke-width": 3 }));
  const line = (r, colour, more = {}) => {
    const d = r.map((v, i) => `${i ? "L" : "M"}${x(s[i]).toFixed(1)} ${y(v).toFixed(1)}`).join("");
    svg.append(make("path", { d, fill: "none", stroke: colour, "stroke-width": 2, ...more }));
  };
  Object.values(curves).forEach((r, k) => line(r, study.colours[k]));
  study.voice.forEach((sound, k) => {
    const others = study.clips.map((clip) => study.lags[clip]).filter((one) => one.curves);
    const at = (one, lag_s) => one.curves[choice.axis][sound][nearest(one.lags_s, lag_s)];
    line(s.map((lag_s) => mean(others.map((one) => at(one, lag_s)))), study.colours[k], { "stroke-dasharray": "2 4" });
  });
  svg.classList.add("curves");
  svg.addEventListener("click", (event) => {
    const box = svg.getBoundingClientRect(), at = ((event.clientX - box.left) / box.width) * WIDE.curves;
    const share = (at - edge.left) / (WIDE.curves - edge.left - edge.right);
    choose({ lag_s: s[nearest(s, s[0] + share * (s[s.length - 1] - s[0]))] });
  });
  return svg;
}

function legend(study, choice) {
  const curves = study.lags[choice.clip].curves?.[choice.axis] ?? {};
  const names = Object.keys(curves).map((name, k) => make("span", { style: `--colour:${study.colours[k]}` }, name));
  return [...names, make("span", { style: "--colour:#ccc" }, "95 % of the largest |r| by chance"), make("em", {}, "dotted: mean over clips")];
}

function render({ model, el }) {
  const study = model.get("study"), choice = { ...study.choice };
  const option = (value) => make("option", { value }, value);
  const select = (name, values) => {
    const box = make("select", { name }, ...values.map(option));
    box.addEventListener("change", () => choose({ [name]: box.value }));
    return box;
  };
  const boxes = {
    measure: select("measure", study.measures.map((one) => one.name)),
    clip: select("clip", study.clips),
    axis: select("axis", study.axes),
  };
  const ends = Object.values(study.lags).flatMap((one) => one.lags_s ?? []);
  const reachS = ends.length ? Math.max(...ends) : 1;
  const lag = make("input", { type: "range", min: -reachS, max: reachS, step: 0.01 }), lagShown = make("output");
  lag.addEventListener("input", () => choose({ lag_s: Number(lag.value) }));
  const save = make("button", { type: "button" }, "Save these rows (CSV)");
  const status = make("p", { role: "status" }), plots = make("div", { class: "plots" }), words = make("div", { class: "legend" });
  const label = (text, ...boxesOf) => make("label", {}, `${text} `, ...boxesOf);
  const root = make(
    "div", { class: "tfhkit-study", role: "group", "aria-label": `Study ${study.name}` },
    make("div", { class: "row" }, label("measure", boxes.measure), label("clip", boxes.clip), label("axis", boxes.axis)),
    make("div", { class: "row" }, label("lag (s)", lag), lagShown, save),
    plots, words, status,
  );

  function choose(changes) {
    Object.assign(choice, changes);
    const { rows, summary } = shownRows(study, choice);
    const drawn = rows.filter((row) => known(row.value)).sort((a, b) => a.value - b.value);
    Object.entries(boxes).forEach(([name, box]) => (box.value = choice[name]));
    lag.value = choice.lag_s;
    lagShown.textContent = `${signed(choice.lag_s)} s`;
    const values = { name: choice.measure, colour: study.colours[0], dark: INK, mean: summary.slice(0, 3), ends: (row) => [row.value, row.low, row.high] };
    const voice = study.voice.map((sound, k) => {
      const r = drawn.map((row) => row[`r, ${sound}`]).filter(known);
      return { name: sound, colour: study.colours[k], dark: study.colours[k], mean: [mean(r)], ends: (row) => [row[`r, ${sound}`]] };
    });
    const pooled = known(summary[3]) ? `, pooled p = ${short(summary[3])}` : "";
    const said = `mean ${short(summary[0])}${pooled}`, atLag = `head ${choice.axis}, lag ${signed(choice.lag_s)} s`;
    plots.replaceChildren(
      dots(study, choice, drawn, WIDE.values, { left: 140, right: 12, top: 24, bottom: 38 }, [values], said, choice.measure, `${choice.measure} of ${drawn.length} clips: ${said}.`, choose),
      dots(study, choice, drawn, WIDE.lag, { left: 12, right: 12, top: 24, bottom: 38 }, voice, atLag, "correlation at this lag", `Correlation of each clip: ${atLag}.`, choose),
      drawCurves(study, choice, choose),
    );
    words.replaceChildren(...legend(study, choice));
    const own = rows.find((row) => row.clip === choice.clip);
    const heard = study.voice.map((sound) => `${sound} ${short(own[`r, ${sound}`])}`).join(", ");
    status.textContent = `${choice.clip}: ${choice.measure} ${short(own.value)}; ${atLag}: ${heard}.`;
    root.dataset.shown = [choice.measure, choice.clip, choice.axis, choice.lag_s].join("|");
  }

  save.addEventListener("click", () => {
    const url = URL.createObjectURL(new Blob([csvOf(shownRows(study, choice).rows)], { type: "text/csv" }));
    const link = make("a", { href: url, download: `${study.name}_${choice.axis}.csv` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(url), 10000);
    status.textContent = `Saved as ${link.download} by your browser: one row per clip.`;
  });
  el.append(root);
  choose({});
}

export default { render };
