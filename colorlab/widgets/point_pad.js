// An image with points, for mouse, touch and keyboard. It sends gestures to Python and shows the state that Python
// returns. Moves are dropped, not queued, while Python is busy.

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const SHIFT_STEP = 10; // steps of an arrow key with Shift
const NEAR = 12; // largest distance from a point, in CSS pixels, at which a press selects it
const CLICK_TOLERANCE = 3; // largest movement within a click, in CSS pixels

function render({ model, el }) {
  const pad = document.createElement("div");
  pad.className = "colorlab-point-pad";
  pad.tabIndex = 0;
  pad.setAttribute("role", "application");
  // Otherwise JupyterLab handles arrows, Enter and Delete as cell commands.
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
  const unanswered = []; // the kinds of sent gestures that Python has not answered
  let latest = null; // the move to send when Python has answered
  const keys = []; // keys that wait until the selection is known

  function send(message) {
    flush();
    unanswered.push(message.kind);
    model.send(message);
  }
  function flush() {
    if (latest === null) return;
    const message = latest;
    latest = null;
    send(message);
  }
  function move() {
    latest = { kind: "move", ...cursor };
    if (unanswered.length === 0) flush();
  }

  function moveTo(mark, { x, y }) {
    mark.style.left = `${(100 * (x + 0.5)) / model.get("columns")}%`;
    mark.style.top = `${(100 * (y + 0.5)) / model.get("rows")}%`;
  }
  function draw() {
    pad.style.width = `${model.get("width")}px`;
    pad.setAttribute("aria-label", model.get("label"));
    if (image.getAttribute("src") !== model.get("image")) image.src = model.get("image");
    image.alt = model.get("alt");
    const points = model.get("points");
    // A point that is being moved stays under the pointer until Python has caught up.
    if (points[selected()] && unanswered.length === 0 && pressed === null) cursor = { ...points[selected()] };
    cursor ??= { x: model.get("columns") >> 1, y: model.get("rows") >> 1 };
    cursor = { x: limit(cursor.x, model.get("columns")), y: limit(cursor.y, model.get("rows")) };
    marks.replaceChildren(
      ...points.map((point, index) => {
        const mark = document.createElement("div");
        mark.className = index === selected() ? "mark selected" : "mark";
        mark.style.background = point.color;
        mark.title = point.title;
        moveTo(mark, point);
        return mark;
      }),
    );
    cross.hidden = selected() >= 0;
    moveTo(cross, cursor);
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
    send({ kind: "press", ...cursor, index: nearest(cursor) });
  });
  pad.addEventListener("pointermove", (event) => {
    if (pressed === null) return;
    pressed.moved ||= Math.hypot(event.clientX - pressed.x, event.clientY - pressed.y) > CLICK_TOLERANCE;
    if (!pressed.moved) return;
    cursor = at(event);
    move();
  });
  for (const end of ["pointerup", "pointercancel"]) {
    pad.addEventListener(end, () => {
      if (pressed === null) return;
      pressed = null;
      send({ kind: "release" });
    });
  }

  function readKey({ key, shiftKey, ctrlKey, metaKey }) {
    const step = shiftKey ? SHIFT_STEP : 1;
    if (key in ARROWS) return { kind: "arrow", right: step * ARROWS[key][0], down: step * ARROWS[key][1] };
    if (key === "Enter") return { kind: "enter" };
    if (key === "Escape") return { kind: "drop" };
    if (key === "Delete" || key === "Backspace") return { kind: "delete" };
    if (key.toLowerCase() === "z" && (ctrlKey || metaKey)) return { kind: "undo" };
    return null;
  }
  function handleKey(message) {
    if (message.kind === "arrow") {
      const { x, y } = cursor;
      cursor = { x: limit(x + message.right, model.get("columns")), y: limit(y + message.down, model.get("rows")) };
      moveTo(cross, cursor);
      if (selected() >= 0) move();
    } else if (message.kind === "enter" && selected() < 0) {
      send({ kind: "press", ...cursor, index: nearest(cursor) });
      send({ kind: "release" });
    } else {
      send({ kind: message.kind === "enter" ? "drop" : message.kind });
    }
  }
  function handleWaitingKeys() {
    while (keys.length > 0 && unanswered.every((kind) => kind === "move")) handleKey(keys.shift());
  }
  pad.addEventListener("keydown", (event) => {
    const message = readKey(event);
    if (message === null) return;
    event.preventDefault();
    event.stopPropagation();
    keys.push(message);
    handleWaitingKeys();
  });

  const answered = () => {
    unanswered.shift();
    draw();
    handleWaitingKeys();
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
