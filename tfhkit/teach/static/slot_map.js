(() => {
  const SVG = "http://www.w3.org/2000/svg", WIDTH = 540, HEIGHT = 350, EDGE = { left: 56, right: 64, top: 26, bottom: 42 };
  const THUMB = 72, WROTE = "#0072B2", READ = "#D55E00";
  const TONES = [[0, 34, 78], [53, 69, 108], [102, 105, 112], [148, 142, 119], [200, 184, 102], [254, 232, 56]];

  const make = (tag, attributes = {}, ...children) => {
    const svg = /^(svg|circle|path|text|line|rect|g|title)$/.test(tag);
    const node = svg ? document.createElementNS(SVG, tag) : document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    if (/^(button|select)$/.test(tag)) node.dataset.lmSuppressShortcuts = "true";
    node.append(...children);
    return node;
  };

  const tone = (share) => {
    const at = Math.min(Math.max(share, 0), 1) * (TONES.length - 1), k = Math.min(Math.floor(at), TONES.length - 2);
    return `rgb(${TONES[k].map((low, c) => Math.round(low + (at - k) * (TONES[k + 1][c] - low)))})`;
  };

  const span = (values, share = 0.08) => {
    const low = Math.min(...values), high = Math.max(...values), room = share * (high - low || 1);
    return [low - room, high + room];
  };

  const ticks = ([low, high]) => {
    const rough = (high - low) / 4, power = 10 ** Math.floor(Math.log10(rough));
    const step = power * [1, 2, 5, 10].find((m) => m * power >= rough), found = [];
    for (let k = Math.ceil(low / step); k * step <= high; k += 1) found.push(Number((k * step).toPrecision(6)));
    return found;
  };

  function plot(label, xs, ys, xTitle, yTitle, title) {
    const svg = make("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": label });
    const x = (v) => EDGE.left + ((v - xs[0]) / (xs[1] - xs[0])) * (WIDTH - EDGE.left - EDGE.right);
    const y = (v) => HEIGHT - EDGE.bottom - ((v - ys[0]) / (ys[1] - ys[0])) * (HEIGHT - EDGE.top - EDGE.bottom);
    const word = (text, px, py, more = {}) => svg.append(make("text", { x: px, y: py, "text-anchor": "middle", fill: "#222", ...more }, text));
    for (const v of ticks(xs)) word(v, x(v), HEIGHT - EDGE.bottom + 16);
    for (const v of ticks(ys)) {
      svg.append(make("line", { x1: EDGE.left, x2: WIDTH - EDGE.right, y1: y(v), y2: y(v), stroke: "#e8e8e8" }));
      word(v, EDGE.left - 6, y(v) + 4, { "text-anchor": "end" });
    }
    const corner = [EDGE.left, HEIGHT - EDGE.bottom];
    svg.append(make("path", { d: `M${EDGE.left} ${EDGE.top}V${corner[1]}H${WIDTH - EDGE.right}`, fill: "none", stroke: "#222" }));
    word(xTitle, (EDGE.left + WIDTH - EDGE.right) / 2, HEIGHT - 6);
    word(yTitle, 0, 0, { transform: `translate(13 ${(EDGE.top + corner[1]) / 2}) rotate(-90)` });
    word(title, (EDGE.left + WIDTH - EDGE.right) / 2, 16, { "font-weight": "600" });
    return { svg, x, y };
  }

  function colourBar(svg, [low, high], label) {
    const left = WIDTH - EDGE.right + 10, tall = HEIGHT - EDGE.top - EDGE.bottom;
    for (let k = 0; k < 40; k += 1)
      svg.append(make("rect", { x: left, y: EDGE.top + (tall * (39 - k)) / 40, width: 9, height: tall / 40 + 0.6, fill: tone(k / 39) }));
    const at = (v) => EDGE.top + tall - ((v - low) / (high - low || 1)) * tall;
    for (const v of ticks([low, high])) svg.append(make("text", { x: left + 13, y: at(v) + 4, fill: "#222" }, String(v)));
    svg.append(make("text", { transform: `translate(${WIDTH - 5} ${EDGE.top + tall / 2}) rotate(-90)`, "text-anchor": "middle", fill: "#222" }, label));
  }

  function setUp(root) {
    root.dataset.ready = "1";
    const facts = JSON.parse(root.querySelector("script.facts").textContent), { slots, asked, size, columns } = facts;
    const colours = slots.map((s) => s.colour).filter((c) => c !== null), range = colours.length ? span(colours, 0) : [0, 1];
    const paint = (s) => (s.colour === null ? "#bbb" : tone((s.colour - range[0]) / (range[1] - range[0] || 1)));
    const most = Math.max(1, ...slots.map((s) => s.reads)), read = slots.filter((s) => s.reads).length;
    const map = plot("Map of the slots", span(slots.map((s) => s.x)), span(slots.map((s) => s.y)),
      `1st principal component of the keys (${facts.share[0]} %)`, `2nd (${facts.share[1]} %)`, `${slots.length} slots used, ${read} read`);
    const line = plot("Cosine of every asked frame to its nearest key", span(asked.map((a) => a[0]), 0.02), span(asked.map((a) => a[1])),
      "asked frame", "cosine of query and key", "nearest key of every asked frame");
    colourBar(map.svg, range, facts.label);
    const halo = make("circle", { r: 11, fill: "none", stroke: READ, "stroke-width": 3 });
    map.svg.append(halo);
    let pinned = 0;
    const dots = slots.map((s, k) => {
      const [cx, cy] = [map.x(s.x), map.y(s.y)], r = 3 + 7 * Math.sqrt(s.reads / most);
      const dot = s.reads
        ? make("circle", { cx, cy, r, fill: paint(s), stroke: "#222", "stroke-width": 0.6 })
        : make("path", { d: `M${cx - 4} ${cy - 4}l8 8m0 -8l-8 8`, stroke: paint(s), "stroke-width": 2.2, fill: "none" });
      const hit = make("circle", { cx, cy, r: Math.max(r, 8), fill: "transparent", class: "dot", "data-slot": s.slot });
      return [dot, hit, k];
    });
    const rings = asked.map(([frame, cosine, k]) => {
      const [cx, cy] = [line.x(frame), line.y(cosine)];
      const dot = make("circle", { cx, cy, r: 4, fill: paint(slots[k]), stroke: "#222", "stroke-width": 0.5 });
      return [dot, make("circle", { cx, cy, r: 8, fill: "transparent", class: "dot", "data-frame": frame }), k];
    });
    line.svg.append(make("path", { d: "M" + asked.map(([f, c]) => `${line.x(f)} ${line.y(c)}`).join("L"), fill: "none", stroke: "#ccc" }));

    const side = (colour) => {
      const head = make("p", { style: `border-color:${colour}` }), strip = make("div", { class: "strip" });
      return { head, strip, box: make("div", { class: "side" }, head, strip) };
    };
    const wrote = side(WROTE), asks = side(READ), choose = make("select");
    slots.forEach((s, k) => choose.append(new Option(`slot ${s.slot}: read by ${s.reads}, written ${s.writes} x`, k)));
    const step = (text, by) => {
      const button = make("button", { type: "button" }, text);
      button.addEventListener("click", () => pin((pinned + by + slots.length) % slots.length));
      return button;
    };
    const thumb = (cell, text, label) => {
      const scale = THUMB / size, rows = Math.ceil((Math.max(...slots.flatMap((s) => [...s.writers, ...s.readers].map((t) => t[0]))) + 1) / columns);
      const box = make("div", { role: "img", "aria-label": label });
      Object.assign(box.style, {
        backgroundImage: `url(${facts.sheet})`, backgroundSize: `${columns * THUMB}px ${rows * THUMB}px`,
        backgroundPosition: `${-(cell % columns) * size * scale}px ${-Math.floor(cell / columns) * size * scale}px`,
      });
      return make("figure", {}, box, text);
    };

    function show(k) {
      const s = slots[k], times = s.writes === 1 ? "once" : `${s.writes} times`;
      wrote.head.textContent = `Slot ${s.slot}: written ${times}, last by`;
      asks.head.textContent = `read by ${s.reads} of ${asked.length} frames${s.reads ? ", the nearest" : ""}`;
      wrote.strip.replaceChildren(...s.writers.map(([cell, frame]) => thumb(cell, `frame ${frame}`, `training frame ${frame}`)));
      asks.strip.replaceChildren(...s.readers.map(([cell, cosine]) => thumb(cell, `cos ${cosine.toFixed(2)}`, `asked frame, cosine ${cosine}`)));
      halo.setAttribute("cx", map.x(s.x));
      halo.setAttribute("cy", map.y(s.y));
      halo.setAttribute("r", 7 + 7 * Math.sqrt(s.reads / most));
      rings.forEach(([dot, , owner]) => {
        dot.setAttribute("stroke", owner === k ? READ : "#222");
        dot.setAttribute("stroke-width", owner === k ? 3 : 0.5);
      });
      root.dataset.slot = s.slot;
    }
    function pin(k) {
      pinned = k;
      choose.value = String(k);
      show(k);
    }
    for (const [plotted, found] of [[map, dots], [line, rings]]) {
      plotted.svg.append(...found.map(([dot]) => dot), ...found.map(([, hit]) => hit));
      for (const [, hit, k] of found) {
        hit.addEventListener("pointerenter", () => show(k));
        hit.addEventListener("pointerleave", () => show(pinned));
        hit.addEventListener("click", () => pin(k));
      }
    }
    choose.addEventListener("change", () => pin(Number(choose.value)));
    const row = make("div", { class: "row" }, make("label", {}, "Slot, most read first: ", choose), step("\u2039 Previous", -1), step("Next \u203a", 1));
    const sides = make("div", { class: "sides", role: "status" }, wrote.box, asks.box);
    root.querySelector(".still").replaceWith(make("div", { class: "plots" }, map.svg, line.svg), row, sides);
    pin(0);
  }

  document.querySelectorAll(".tfhkit-slotmap:not([data-ready])").forEach(setUp);
})();
