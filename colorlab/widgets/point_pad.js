// An image with points on it, for mouse, finger and keyboard. It decides nothing: it tells Python what
// somebody did, and shows what Python answers. Moves that Python is too slow for are left out, never queued.

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const LEAP = 10; // steps of an arrow with Shift
const NEAR = 12; // how many CSS pixels beside a point still mean the point
const STILL = 3; // how many CSS pixels a hand may shake in a click

function render({ model, el }) {
  const pad = document.createElement("div");
  pad.className = "colorlab-point-pad";
  pad.tabIndex = 0;
  pad.setAttribute("role", "application");
  // Else JupyterLab takes arrows, Enter and Delete for commands to the cell.
  pad.setAttribute("data-lm-suppress-shortcuts", "true");
  const image = document.createElement("img");
  image.draggable = false;
  const marks = document.createElement("div");
  const cross = document.createElement("div");
  cross.className = "cross";
  pad.append(image, marks, cross);
  el.append(pad);

  const selected = () => model.get("selected");
  const limit = (value, size) => Math.min(size - 1, Math.max(0, value));
  let cursor = null;
  let pressed = null; // where the pointer went down, until it goes up
  const unanswered = []; // the kinds of gestures that Python was told of and has not answered
  let latest = null; // the move to be told as soon as Python has answered
  const keys = []; // pressed while it is not yet known what is selected

  function tell(message) {
    flush();
    unanswered.push(message.kind);
    model.send(message);
  }
  function flush() {
    if (latest === null) return;
    const message = latest;
    latest = null;
    tell(message);
  }
  function move() {
    latest = { kind: "move", ...cursor };
    if (unanswered.length === 0) flush();
  }

  function put(mark, { x, y }) {
    mark.style.left = `${(100 * (x + 0.5)) / model.get("columns")}%`;
    mark.style.top = `${(100 * (y + 0.5)) / model.get("rows")}%`;
  }
  function draw() {
    pad.style.width = `${model.get("width")}px`;
    pad.setAttribute("aria-label", model.get("label"));
    if (image.getAttribute("src") !== model.get("image")) image.src = model.get("image");
    image.alt = model.get("alt");
    const points = model.get("points");
    // What somebody is moving stays under the hand until Python has caught up.
    if (points[selected()] && unanswered.length === 0 && pressed === null) cursor = { ...points[selected()] };
    cursor ??= { x: model.get("columns") >> 1, y: model.get("rows") >> 1 };
    cursor = { x: limit(cursor.x, model.get("columns")), y: limit(cursor.y, model.get("rows")) };
    marks.replaceChildren(
      ...points.map((point, index) => {
        const mark = document.createElement("div");
        mark.className = index === selected() ? "mark selected" : "mark";
        mark.style.background = point.color;
        mark.title = point.title;
        put(mark, point);
        return mark;
      }),
    );
    cross.hidden = selected() >= 0;
    put(cross, cursor);
  }

  function at(event) {
    const box = image.getBoundingClientRect();
    const x = Math.floor(((event.clientX - box.left) / box.width) * model.get("columns"));
    const y = Math.floor(((event.clientY - box.top) / box.height) * model.get("rows"));
    return { x: limit(x, model.get("columns")), y: limit(y, model.get("rows")) };
  }
  function nearest({ x, y }) {
    const box = image.getBoundingClientRect();
    const [wide, high] = [box.width / model.get("columns"), box.height / model.get("rows")];
    const distances = model.get("points").map((p) => Math.hypot((p.x - x) * wide, (p.y - y) * high));
    const least = Math.min(...distances);
    return least <= NEAR ? distances.indexOf(least) : -1;
  }

  pad.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    event.preventDefault();
    pad.focus({ preventScroll: true });
    pad.setPointerCapture(event.pointerId);
    pressed = { x: event.clientX, y: event.clientY, moved: false };
    cursor = at(event);
    tell({ kind: "press", ...cursor, index: nearest(cursor) });
  });
  pad.addEventListener("pointermove", (event) => {
    if (pressed === null) return;
    pressed.moved ||= Math.hypot(event.clientX - pressed.x, event.clientY - pressed.y) > STILL;
    if (!pressed.moved) return;
    cursor = at(event);
    move();
  });
  for (const end of ["pointerup", "pointercancel"]) {
    pad.addEventListener(end, () => {
      if (pressed === null) return;
      pressed = null;
      tell({ kind: "release" });
    });
  }

  function meaning({ key, shiftKey, ctrlKey, metaKey }) {
    const step = shiftKey ? LEAP : 1;
    if (key in ARROWS) return { kind: "arrow", right: step * ARROWS[key][0], down: step * ARROWS[key][1] };
    if (key === "Enter") return { kind: "enter" };
    if (key === "Escape") return { kind: "drop" };
    if (key === "Delete" || key === "Backspace") return { kind: "delete" };
    if (key.toLowerCase() === "z" && (ctrlKey || metaKey)) return { kind: "undo" };
    return null;
  }
  function obey(message) {
    if (message.kind === "arrow") {
      const { x, y } = cursor;
      cursor = { x: limit(x + message.right, model.get("columns")), y: limit(y + message.down, model.get("rows")) };
      put(cross, cursor);
      if (selected() >= 0) move();
    } else if (message.kind === "enter" && selected() < 0) {
      tell({ kind: "press", ...cursor, index: nearest(cursor) });
      tell({ kind: "release" });
    } else {
      tell({ kind: message.kind === "enter" ? "drop" : message.kind });
    }
  }
  function obeyWaiting() {
    while (keys.length > 0 && unanswered.every((kind) => kind === "move")) obey(keys.shift());
  }
  pad.addEventListener("keydown", (event) => {
    const message = meaning(event);
    if (message === null) return;
    event.preventDefault();
    event.stopPropagation();
    keys.push(message);
    obeyWaiting();
  });

  const answered = () => {
    unanswered.shift();
    draw();
    obeyWaiting();
    if (unanswered.length === 0) flush();
  };
  model.on("change", draw);
  model.on("msg:custom", answered);
  draw();
  return () => {
    model.off("change", draw);
    model.off("msg:custom", answered);
  };
}

export default { render };
