// The panel's clip and voice: chosen, uploaded in parts, or named by a path; what is known of them.
// (The files studio_*.js become one module: Python joins them in the order media, recorder, job.)

const PART = 1 << 20; // bytes of a message: servers refuse messages over 10 MB
const AHEAD = 4; // parts on their way at a time

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

function button(text, pressed, attributes = {}) {
  const made = element("button", { type: "button", ...attributes }, text);
  made.addEventListener("click", pressed);
  return made;
}

let numbers = 0; // of uploads and of elements that need a name of their own
const unique = () => `${Date.now().toString(36)}-${++numbers}`;
const megabytes = (bytes) => (bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0);

function bar(label) {
  const meter = element("progress", { max: 1, "aria-label": label });
  const words = element("span", { class: "words" });
  const row = element("div", { class: "going", hidden: true }, meter, words);
  const show = (share, text) => {
    row.hidden = false;
    if (share > 0) meter.value = share;
    else meter.removeAttribute("value");
    words.textContent = text;
  };
  return { row, show, hide: () => (row.hidden = true) };
}

// Send a file in parts; each answer of the kernel lets the next part go. Gives a handle to end it.
function upload(model, slot, file, name, progress, failed) {
  const number = unique();
  let sent = 0;
  let waiting = 0;
  let ended = false;
  const send = (content, buffers = []) => model.send(content, undefined, buffers);
  const end = () => {
    ended = true;
    model.off("msg:custom", answered);
  };
  const next = async () => {
    while (!ended && waiting < AHEAD && sent < file.size) {
      const offset = sent;
      sent += Math.min(PART, file.size - offset);
      waiting += 1;
      let data;
      try {
        data = await file.slice(offset, sent).arrayBuffer();
      } catch (error) {
        end();
        send({ do: "cancel", slot });
        failed(`${name}: the browser cannot read it any more (${error.message}); choose it again`);
        return;
      }
      if (!ended) send({ do: "part", number, offset }, [data]);
    }
  };
  let chain = Promise.resolve();
  const answered = (content) => {
    if (content.number !== number) return;
    if (content.fault || content.received === null) return end();
    if (content.received > 0) waiting -= 1;
    progress(content.received, file.size);
    if (content.received >= file.size) end();
    else chain = chain.then(next); // one at a time, so that the parts go in their order
  };
  model.on("msg:custom", answered);
  send({ do: "begin", slot, number, name, size: file.size });
  return { end };
}

// What the browser can say before a byte is sent; the kernel looks at the content again.
function refusal(file, slot, limits) {
  const kinds = slot === "clip" ? ["video/"] : ["audio/", "video/"];
  const ends = slot === "clip" ? /\.(mp4|m4v|mov|mkv|webm|avi|mpe?g|m?ts|3gp|ogv|wmv|flv)$/i
    : /\.(wav|mp3|m4a|aac|flac|ogg|oga|opus|aiff?|caf|amr|wma|mp4|m4v|mov|mkv|webm)$/i;
  const what = slot === "clip" ? "video" : "sound file";
  if (!kinds.some((kind) => file.type.startsWith(kind)) && !ends.test(file.name))
    return `${file.name}: is no ${what}; choose a ${what}`;
  if (!file.size) return `${file.name}: is empty; choose another file`;
  if (file.size > limits.mb * 1e6)
    return `${file.name}: has ${megabytes(file.size)} MB, at most ${limits.mb} MB are taken; cut it, or save it at a lower quality`;
  return null;
}

function adviceList(advice) {
  const marks = { stops: "✗ ", advice: "! ", fine: "✓ ", fact: "" };
  const item = (row) => element("li", { class: row.kind }, `${marks[row.kind] ?? ""}${row.text}`);
  return element("ul", { class: "advice", "aria-label": "the doctor's advice" }, ...advice.map(item));
}

// One of the two: ways to give it, and what is known of it.
function slotView(model, slot, consent) {
  const words = slot === "clip"
    ? { title: "1. The clip: who speaks", standard: "sample", sample: "Sample clip", record: "Record with a camera", accept: "video/*" }
    : { title: "2. The voice: what is said", standard: "sentence", sample: "The kit's sentence", record: "Record with a microphone", accept: "audio/*,video/*" };
  const group = unique();
  const root = element("fieldset", { class: slot }, element("legend", {}, words.title));
  const ways = element("div", { class: "ways" });
  const pages = element("div", { class: "pages" });
  const fault = element("p", { class: "fault", role: "alert" });
  const going = bar(`progress of the ${slot}`);
  const cancel = button("Cancel", () => {
    running?.end();
    running = null;
    model.send({ do: "cancel", slot });
  });
  going.row.append(cancel);
  const about = element("div", { class: "about" });
  let running = null; // the upload on its way
  let now = "standard"; // the way that is chosen

  const complain = (text) => (fault.textContent = text ?? "");
  const give = (file, name) => {
    const limits = model.get("limits");
    complain(refusal(file, slot, limits));
    if (fault.textContent) return;
    running?.end();
    running = upload(model, slot, file, name, (received, size) => going.show(received / size, `${megabytes(received)} of ${megabytes(size)} MB`), complain);
  };

  const file = element("input", { type: "file", accept: words.accept, "aria-label": `file of the ${slot}` });
  file.addEventListener("change", () => file.files.length && give(file.files[0], file.files[0].name));
  const path = element("input", { type: "text", placeholder: "/path/to/file", "aria-label": `path of the ${slot} on the machine where the kit runs`, spellcheck: false });
  const take = () => path.value.trim() && (complain(""), model.send({ do: "choose", slot, given: path.value.trim() }));
  path.addEventListener("keydown", (event) => event.key === "Enter" && take());
  const recorder = recorderView(slot, model.get("limits").seconds, consent, give);
  const content = {
    standard: [],
    upload: [file, element("span", { class: "hint" }, `at most ${model.get("limits").mb} MB and ${model.get("limits").seconds / 60} minutes`)],
    record: [recorder.root],
    path: [path, button("Take it", take)],
  };
  const names = { standard: words.sample, upload: "Upload a file", record: words.record, path: "Name its path" };
  for (const [way, parts] of Object.entries(content)) {
    const radio = element("input", { type: "radio", name: group, id: `${group}-${way}`, checked: way === now });
    const page = element("div", { class: `page ${way}`, hidden: way !== now }, ...parts);
    radio.addEventListener("change", () => {
      now = way;
      for (const other of pages.children) other.hidden = other !== page;
      recorder.stop();
      complain("");
      if (way === "standard") model.send({ do: "choose", slot, given: words.standard });
    });
    ways.append(element("label", { for: `${group}-${way}` }, radio, ` ${names[way]}`));
    pages.append(page);
  }
  const examine = button("Ask the doctor", () => model.send({ do: "examine" }), { title: "see what this clip is like before you spend minutes on it" });

  const draw = () => {
    const state = model.get(slot);
    complain(state.fault);
    const arriving = state.state === "arriving";
    if (arriving && !running) going.show(state.share, "uploading from another page");
    else if (state.state === "checking") going.show(state.share, state.doing);
    else if (!arriving) going.hide();
    cancel.hidden = state.state === "checking" && !state.given;
    cancel.textContent = state.state === "checking" ? "Skip" : "Cancel";
    if (!arriving) running = null;
    const facts = [state.label, state.facts].filter(Boolean).join(", ");
    about.replaceChildren();
    if (facts) {
      if (state.poster) about.append(element("img", { src: state.poster, alt: `first frame of ${state.label}` }));
      about.append(element("p", {}, `${state.given ? "Chosen: " : ""}${facts}`));
    }
    if (slot === "clip" && ["ready", "examined"].includes(state.state)) about.append(examine);
    examine.textContent = state.state === "examined" ? "Ask the doctor again" : "Ask the doctor";
    if (state.advice?.length) about.append(adviceList(state.advice));
  };
  model.on(`change:${slot}`, draw);
  const said = (message) => {
    if (message.fault && ["begin", "part", "choose"].includes(message.about)) draw();
  };
  model.on("msg:custom", said);
  draw();
  root.append(ways, pages, fault, going.row, about);
  return { root, close: () => (recorder.stop(), running?.end(), model.off(`change:${slot}`, draw), model.off("msg:custom", said)) };
}
