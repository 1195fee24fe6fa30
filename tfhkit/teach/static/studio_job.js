// The panel's run: name, size, start, progress, stop, and what comes out.

function jobView(model) {
  const root = element("fieldset", { class: "job" }, element("legend", {}, "3. The video"));
  const name = element("input", { type: "text", id: unique(), maxlength: "60", spellcheck: false });
  const size = element("select", { id: unique() });
  for (const [value, text] of Object.entries(model.get("profiles"))) size.append(element("option", { value }, text));
  const make = button("Make the video", start, { class: "main" });
  const why = element("span", { class: "hint" });
  const form = element("div", { class: "form" },
    element("label", { for: name.id }, "Name"), name, element("label", { for: size.id }, "Size"), size);
  const fault = element("p", { class: "fault", role: "alert" });
  const going = bar("progress of the run");
  const stop = button("Stop", () => {
    stop.disabled = true;
    model.send({ do: "stop" });
  });
  going.row.append(stop);
  const said = element("p", { class: "said", role: "status" });
  const resume = button("Resume", () => (complain(""), model.send({ do: "resume" })));
  const films = element("div", { class: "films" });
  const links = element("p", { class: "links" });
  let shown = ""; // the run whose films are shown
  let urls = []; // of the films

  const complain = (text) => (fault.textContent = text ?? "");

  function start() {
    complain("");
    make.disabled = true; // until the kernel answers
    model.send({ do: "start", name: name.value.trim(), profile: size.value });
  }

  name.addEventListener("change", () => {
    complain("");
    model.send({ do: "rename", name: name.value.trim() });
  });

  // Why no run can be started now, or "".
  function obstacle(job) {
    const [clip, voice] = [model.get("clip"), model.get("voice")];
    if (["running", "stopping"].includes(job.state)) return "one run at a time";
    if (!clip.given) return "choose a clip first";
    if (!voice.given) return "choose a voice first";
    if (clip.advice?.some((row) => row.kind === "stops")) return "this clip will not do, see the doctor's advice";
    return "";
  }

  function draw() {
    const job = model.get("job");
    const busy = ["running", "stopping"].includes(job.state);
    if (document.activeElement !== name) name.value = model.get("name");
    why.textContent = obstacle(job);
    make.disabled = Boolean(why.textContent);
    if (busy) {
      const left = job.step ? `, about ${job.left} left` : "";
      going.show(job.share, `${job.name}: ${job.words}${job.state === "running" ? left : ""}`);
    } else going.hide();
    stop.disabled = job.state !== "running";
    said.textContent = job.state && !busy ? `${job.name}: ${job.words}` : "";
    said.classList.toggle("fault", ["failed", "died"].includes(job.state));
    resume.hidden = !["failed", "died", "stopped"].includes(job.state);
    resume.textContent = `Resume ${job.name ?? ""}`;
    drawResults(job);
  }

  function drawResults(job) {
    const key = job.state === "finished" ? JSON.stringify([job.out, job.began, job.links]) : "";
    if (key === shown) return;
    shown = key;
    for (const url of urls) URL.revokeObjectURL(url);
    urls = [];
    films.replaceChildren();
    links.replaceChildren();
    if (!key) return;
    for (const film of job.films) {
      const video = element("video", { controls: true, preload: "none", poster: film.poster, "data-file": film.file, "data-waits": "", "aria-label": `video ${film.title}` });
      films.append(element("figure", {}, video, element("figcaption", {}, film.title)));
      model.send({ do: "film", file: film.file });
    }
    if (job.links.report) links.append(element("a", { href: job.links.report, target: "_blank", rel: "noopener" }, "Open the report"), " ");
    links.append(`All files lie in ${job.place}.`);
  }

  const answered = (content, buffers) => {
    if (content.about === "film" && buffers?.length) {
      const url = URL.createObjectURL(new Blob([buffers[0]], { type: "video/mp4" }));
      urls.push(url);
      for (const video of films.querySelectorAll("video")) if (video.dataset.file === content.file) video.src = url;
    } else if (content.fault && ["start", "stop", "resume", "rename", "film", "examine"].includes(content.about)) {
      complain(content.fault);
      draw();
    }
  };
  const changes = "change:job change:clip change:voice change:name";
  model.on(changes, draw);
  model.on("msg:custom", answered);
  root.append(form, element("div", { class: "buttons" }, make, why), fault, going.row, said, resume, films, links);
  draw();
  const close = () => {
    model.off(changes, draw);
    model.off("msg:custom", answered);
    for (const url of urls) URL.revokeObjectURL(url);
  };
  return { root, close };
}
