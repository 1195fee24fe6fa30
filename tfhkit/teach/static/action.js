// A button whose effect is told beside it; the kernel does the work.

const LOST_MS = 8000; // after which the kernel is taken for busy or gone

function render({ model, el }) {
  const root = document.createElement("div");
  const button = document.createElement("button");
  const told = document.createElement("span");
  root.className = "tfhkit-action";
  button.type = "button";
  button.textContent = model.get("label");
  told.setAttribute("role", "status");
  root.append(button, told);
  let lost = null;

  function show() {
    const { text, failed } = model.get("told");
    clearTimeout(lost);
    told.textContent = text || "";
    told.className = failed ? "fault" : "";
    button.disabled = Boolean(text) && !failed;
  }

  button.addEventListener("click", () => {
    button.disabled = true;
    model.send({});
    lost = setTimeout(() => {
      button.disabled = false;
      told.textContent = "No answer yet: the kernel is busy or gone.";
    }, LOST_MS);
  });
  model.on("change:told", show);
  el.append(root);
  show();
  return () => {
    model.off("change:told", show);
    clearTimeout(lost);
  };
}

export default { render };
