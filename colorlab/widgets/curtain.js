// Two images on top of each other, and a slider over both whose thumb is the edge between them; the browser handles
// mouse, touch and keyboard.

function render({ model, el }) {
  const stage = document.createElement("div");
  stage.className = "colorlab-curtain";
  const [before, after] = ["before", "after"].map((name) => {
    const image = document.createElement("img");
    image.className = name;
    image.draggable = false;
    return image;
  });
  const edge = document.createElement("div");
  edge.className = "edge";
  const slider = document.createElement("input");
  slider.type = "range";
  slider.min = 0;
  slider.max = 100;
  slider.step = 1;
  // Otherwise JupyterLab handles arrows as cell commands.
  slider.setAttribute("data-lm-suppress-shortcuts", "true");
  stage.append(before, after, edge, slider);
  el.append(stage);

  function draw() {
    stage.style.width = `${model.get("width")}px`;
    for (const [image, name] of [[before, "before"], [after, "after"]]) {
      if (image.getAttribute("src") !== model.get(name)) image.src = model.get(name);
      image.alt = model.get(`${name}_alt`);
    }
    slider.setAttribute("aria-label", model.get("label"));
    slider.value = model.get("position");
    const left = `${model.get("position")}%`;
    // Clip both images, since a transparent one would not hide the other.
    before.style.clipPath = `inset(0 calc(100% - ${left}) 0 0)`;
    after.style.clipPath = `inset(0 0 0 ${left})`;
    edge.style.left = left;
  }
  slider.addEventListener("input", () => {
    model.set("position", Number(slider.value));
    model.save_changes();
  });
  model.on("change", draw);
  draw();
  return () => model.off("change", draw);
}

export default { render };
