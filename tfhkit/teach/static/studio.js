// The panel as a whole, and whether its kernel still answers.

const PING_MS = 3000;
const LOST_MS = 9500; // without an answer for so long, the kernel is busy or gone
const BUSY = "The kernel works on another cell; the buttons answer when that is done. A run goes on meanwhile.";
const LOST = "The kernel does not answer: it works on another cell, or it was restarted. A run that was started goes on by itself; run this cell again to see it.";

function render({ model, el }) {
  const root = element("div", { class: "tfhkit-studio", role: "group", "aria-label": "make your own video" });
  const banner = element("p", { class: "banner", role: "alert", hidden: true });
  const consent = newConsent();
  const views = [slotView(model, "clip", consent), slotView(model, "voice", consent), jobView(model)];
  root.append(banner, ...views.map((view) => view.root));
  el.append(root);

  let [heard, answered] = [performance.now(), performance.now()]; // of anything; of an answer
  const hear = () => (heard = performance.now());
  const answer = () => {
    heard = answered = performance.now();
    banner.hidden = true;
  };
  const check = () => {
    const since = (moment) => performance.now() - moment > LOST_MS;
    if (since(answered) && !document.hidden) {
      banner.textContent = since(heard) ? LOST : BUSY;
      banner.hidden = false;
    }
    try {
      model.send({ do: "ping" });
    } catch {
      heard = answered = -LOST_MS; // the connection is closed
    }
  };
  const wake = () => !document.hidden && answer(); // timers slept with the page
  document.addEventListener("visibilitychange", wake);
  model.on("msg:custom", answer);
  model.on("change", hear);
  const timer = setInterval(check, PING_MS);

  const told = document.getElementById("jupyter-config-data");
  const config = told ? JSON.parse(told.textContent) : {};
  model.send({ do: "hello", root: config.tfhkitRuns ?? "", base: config.baseUrl ?? "/" });
  return () => {
    clearInterval(timer);
    document.removeEventListener("visibilitychange", wake);
    model.off("msg:custom", answer);
    model.off("change", hear);
    for (const view of views) view.close();
  };
}

export default { render };
