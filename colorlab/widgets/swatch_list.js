// A button for each named color. Buttons are reused when colors change, so the keyboard focus stays.

function render({ model, el }) {
  const list = document.createElement("div");
  list.className = "colorlab-swatch-list";
  list.setAttribute("role", "group");
  // Otherwise JupyterLab handles Enter as a cell command.
  list.setAttribute("data-lm-suppress-shortcuts", "true");
  const heading = document.createElement("div");
  heading.className = "heading";
  const empty = document.createElement("div");
  empty.className = "empty";
  const buttons = [];
  list.append(heading, empty);
  el.append(list);

  function add() {
    const index = buttons.length;
    const button = document.createElement("button");
    button.type = "button";
    for (const part of ["swatch", "name", "note"]) {
      const span = document.createElement("span");
      span.className = part;
      button.append(span);
    }
    button.addEventListener("click", () => model.send({ index }));
    list.append(button);
    buttons.push(button);
  }
  function draw() {
    const items = model.get("items");
    heading.textContent = model.get("heading");
    list.setAttribute("aria-label", model.get("heading"));
    empty.textContent = model.get("empty");
    empty.hidden = items.length > 0;
    while (buttons.length < items.length) add();
    buttons.forEach((button, index) => {
      button.hidden = index >= items.length;
      if (button.hidden) return;
      const [swatch, name, note] = button.children;
      swatch.style.background = items[index].color;
      name.textContent = items[index].name;
      note.textContent = items[index].note;
      button.setAttribute("aria-label", `${items[index].name}, ${items[index].note}`);
      button.setAttribute("aria-pressed", String(index === model.get("chosen")));
    });
  }
  model.on("change", draw);
  draw();
  return () => model.off("change", draw);
}

export default { render };
