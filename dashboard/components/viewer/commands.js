// @ts-check
// Every tool and action once: its name, key, icon and deed. Toolbar, keys and help are made from this list.

/**
 * @typedef {{id: string, name: string, key: string, group: string, icon?: string, shown?: (v: any) => boolean, on?: (v: any) => boolean, present?: (v: any) => boolean, run: (v: any) => void}} Command
 * `shown`: whether this scene has it at all; `present`: whether its button is there now; `on`: whether it is pressed. */

/** Line drawings on 20 x 20. */
const ICONS = {
  window: "M10 3a7 7 0 1 0 0 14zM10 3a7 7 0 0 1 0 14", pan: "M10 2v16M2 10h16M10 2l-2 2M10 2l2 2M10 18l-2-2M10 18l2-2M2 10l2-2M2 10l2 2M18 10l-2-2M18 10l-2 2",
  zoom: "M8.5 3a5.5 5.5 0 1 0 0 11a5.5 5.5 0 0 0 0-11M12.5 12.5L18 18M6 8.5h5M8.5 6v5", length: "M3 17L17 3M3 17v-4M3 17h4M17 3h-4M17 3v4",
  ellipse: "M10 5c4.500 0 7.500 2 7.500 5s-3 5-7.500 5s-7.500-2-7.500-5s3-5 7.500-5", rectangle: "M3 5h14v10H3z",
  place: "M10 4a6 6 0 1 0 0 12a6 6 0 0 0 0-12M10 1v5M10 14v5M1 10h5M14 10h5", region: "M3 7V3h4M13 3h4v4M17 13v4h-4M7 17H3v-4M10 7v6M7 10h6",
  outline: "M5 14C2 9 5 4 9 5s4-2 7 1s1 9-3 10s-6 0-8-2", invert: "M3 3h14v14H3zM3 17L17 3v14z", flip: "M10 2v16M7 5v10H2zM13 5v10h5z",
  upset: "M2 10h16M5 7h10V2zM5 13h10v5z", turn: "M16 10a6 6 0 1 1-2-4.500M14 2v4h-4", fit: "M3 4h14v12H3zM6.500 10h7M6.500 10l1.500-1.500M6.500 10l1.500 1.500M13.500 10l-1.500-1.500M13.500 10l-1.500 1.500",
  actual: "M5 6v8M3.500 7.500L5 6M15 6v8M13.500 7.500L15 6M10 8v.5M10 12v.5", undo: "M4 8h8a4 4 0 0 1 0 8H8M4 8l4-4M4 8l4 4", remove: "M4 6h12M8 6V4h4v2M6 6l1 11h6l1-11M9 9v5M11 9v5",
  panes: "M3 3h14v14H3zM10 3v14M3 10h14", cine: "M6 4l10 6l-10 6z", full: "M3 7V3h4M17 7V3h-4M3 13v4h4M17 13v4h-4", help: "M7 7.500a3 3 0 1 1 4 2.800c-.8.4-1 .8-1 1.700M10 15v.5",
};

/** @param {Tool} tool @param {string} name @param {string} key @param {(v: any) => boolean} [shown] @returns {Command} */
const toolCommand = (tool, name, key, shown) => ({ id: tool, name, key, group: "Tools", icon: tool, shown, on: (v) => v.view.tool === tool, run: (v) => v.choose_tool(tool) });

/** @type {Command[]} */
const COMMANDS = [
  toolCommand("window", "Window", "w"), toolCommand("pan", "Pan", "p"), toolCommand("zoom", "Zoom", "z"),
  toolCommand("length", "Length", "l"), toolCommand("ellipse", "Ellipse", "e"), toolCommand("rectangle", "Rectangle", "r"),
  toolCommand("place", "Fields at a place", "q", (v) => !!v.scene.brush),
  toolCommand("region", "Mark lesion", "m", (v) => v.scene.regionTool), toolCommand("outline", "Outline lesion", "o", (v) => v.scene.regionTool),
  { id: "undo", name: "Undo", key: "u", group: "Drawing", icon: "undo", run: (v) => v.undo() },
  { id: "remove", name: "Delete", key: "Delete", group: "Drawing", icon: "remove", run: (v) => v.removeMark() },
  { id: "clear", name: "Clear mark", key: "k", group: "Drawing", shown: (v) => v.scene.regionTool, present: (v) => !!v.marks.lesion, run: (v) => v.clearLesion() },
  { id: "invert", name: "Invert", key: "i", group: "Picture", icon: "invert", on: (v) => v.view.invert, run: (v) => { v.view.invert = !v.view.invert; v.redraw(); } },
  { id: "flip", name: "Flip left and right", key: "h", group: "Picture", icon: "flip", on: (v) => v.view.flip, run: (v) => v.mirror(0) },
  { id: "upset", name: "Flip up and down", key: "v", group: "Picture", icon: "upset", run: (v) => v.mirror(2) },
  { id: "turn", name: "Turn right", key: "t", group: "Picture", icon: "turn", run: (v) => { v.view.turn = (v.view.turn + 1) % 4; v.resize(); } },
  { id: "fit", name: "Fit", key: "0", group: "Picture", icon: "fit", run: (v) => v.fit() },
  { id: "actual", name: "1:1", key: "1", group: "Picture", icon: "actual", run: (v) => v.actual() },
  { id: "panes", name: "One, two or four panes", key: "g", group: "Picture", icon: "panes", shown: (v) => v.layouts().length > 1, run: (v) => v.nextLayout() },
  { id: "cine", name: "Cine", key: " ", group: "Slices", icon: "cine", shown: (v) => v.stacked(), on: (v) => !!v.cineTimer, run: (v) => v.cine() },
  { id: "full", name: "Full screen", key: "f", group: "Picture", icon: "full", run: (v) => v.full() },
  { id: "help", name: "Keys", key: "?", group: "Picture", icon: "help", run: (v) => v.help() },
  { id: "zoomIn", name: "Zoom in", key: "+", group: "Picture", run: (v) => v.zoomBy(1.25) },
  { id: "zoomOut", name: "Zoom out", key: "-", group: "Picture", run: (v) => v.zoomBy(0.8) },
  { id: "contours", name: "Contours of the map", key: "c", group: "Maps", shown: (v) => v.scene.layers.length > 0, run: (v) => { v.view.contours = !v.view.contours; v.redraw(); } },
  { id: "lesion", name: "Lesion outline", key: "y", group: "Maps", shown: (v) => v.hasLesion(), run: (v) => { v.view.lesion = !v.view.lesion; v.redraw(); } },
  { id: "box", name: "Box of the second look", key: "b", group: "Maps", shown: (v) => !!v.scene.box || !!v.look, run: (v) => { v.view.boxes = !v.view.boxes; v.redraw(); } },
  { id: "colours", name: "Colours on and off", key: "a", group: "Maps", shown: (v) => v.scene.layers.length > 0, run: (v) => { v.view.colours = !v.view.colours; v.tell(); v.redraw(); } },
  { id: "nextMap", name: "Next map", key: "n", group: "Maps", shown: (v) => v.scene.layers.length > 1, run: (v) => v.stepLayer(1) },
  { id: "previousMap", name: "Previous map", key: "N", group: "Maps", shown: (v) => v.scene.layers.length > 1, run: (v) => v.stepLayer(-1) },
  { id: "nextSlice", name: "Next slice", key: "PageDown", group: "Slices", shown: (v) => v.stacked(), run: (v) => v.toSlice(v.view.slice + 1) },
  { id: "previousSlice", name: "Previous slice", key: "PageUp", group: "Slices", shown: (v) => v.stacked(), run: (v) => v.toSlice(v.view.slice - 1) },
  { id: "firstSlice", name: "First slice", key: "Home", group: "Slices", shown: (v) => v.stacked(), run: (v) => v.toSlice(0) },
  { id: "lastSlice", name: "Last slice", key: "End", group: "Slices", shown: (v) => v.stacked(), run: (v) => v.toSlice(v.scene.pictures.length - 1) },
  { id: "away", name: "Leave the tool, help or cine", key: "Escape", group: "Tools", run: (v) => v.away() },
];

/** Keys that do the same as another. @type {Record<string, string>} */
const SAME_KEY = { "=": "+", Backspace: "Delete", _: "-" };

/** What a key is called. @param {string} key */
const keyName = (key) => ({ " ": "Space", "+": "+", "-": "-" })[key] ?? key;

/** @param {any} viewer @param {string} key */
function commandOf(viewer, key) {
  const wanted = SAME_KEY[key] ?? key;
  return COMMANDS.find((c) => c.key === wanted && (!c.shown || c.shown(viewer))) ?? null;
}

/** @param {string} tag @param {Record<string, string>} attributes @param {string} [text] */
function element(tag, attributes, text) {
  const e = document.createElement(tag);
  for (const [k, v] of Object.entries(attributes)) e.setAttribute(k, v);
  if (text !== undefined) e.textContent = text;
  return e;
}

/** @param {string} name */
function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg"), path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  svg.setAttribute("viewBox", "0 0 20 20"); svg.setAttribute("aria-hidden", "true");
  path.setAttribute("d", ICONS[/** @type {keyof typeof ICONS} */ (name)]);
  svg.append(path);
  return svg;
}

/** The toolbar's buttons. @param {HTMLElement} host @param {any} viewer @returns {() => void} marks which are on */
function buildToolbar(host, viewer) {
  host.replaceChildren();
  /** @type {(() => void)[]} */ const marks = [];
  let group = "";
  for (const command of COMMANDS) {
    if ((!command.icon && command.id !== "clear") || (command.shown && !command.shown(viewer))) continue;
    if (group && command.group !== group) host.append(element("span", { class: "gap", "aria-hidden": "true" }));
    group = command.group;
    const b = element("button", { type: "button", "data-command": command.id, "aria-label": command.name, title: `${command.name} (${keyName(command.key)})`, "aria-keyshortcuts": keyName(command.key) });
    if (command.icon) b.append(icon(command.icon)); else b.textContent = command.name;
    b.addEventListener("click", () => { command.run(viewer); viewer.tell(); });
    if (command.present) marks.push(() => { b.hidden = !(/** @type {any} */ (command.present))(viewer); });
    if (command.on) marks.push(() => b.setAttribute("aria-pressed", String(!!(/** @type {any} */ (command.on))(viewer))));
    host.append(b);
  }
  // One stop for the Tab key; arrows move between the buttons (WAI-ARIA toolbar pattern).
  const buttons = /** @type {HTMLElement[]} */ ([...host.querySelectorAll("button")]);
  buttons.forEach((b, i) => b.setAttribute("tabindex", i ? "-1" : "0"));
  host.onkeydown = (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key], at = buttons.indexOf(/** @type {HTMLElement} */ (event.target));
    if (!step || at < 0) return;
    event.preventDefault(); event.stopPropagation();
    const next = buttons[(at + step + buttons.length) % buttons.length];
    buttons.forEach((b) => b.setAttribute("tabindex", b === next ? "0" : "-1"));
    next.focus();
  };
  return () => marks.forEach((m) => m());
}

/** The list of keys. @param {HTMLElement} host @param {any} viewer */
function buildHelp(host, viewer) {
  const body = /** @type {HTMLElement} */ (host.querySelector(".keys"));
  body.replaceChildren();
  const shown = COMMANDS.filter((c) => !c.shown || c.shown(viewer));
  for (const group of [...new Set(shown.map((c) => c.group))]) {
    const list = element("dl", {});
    list.append(element("dt", { class: "group" }, group));
    for (const c of shown.filter((c) => c.group === group)) {
      const row = element("div", {});
      row.append(element("dt", {}, c.name), element("dd", {}, keyName(c.key)));
      list.append(row);
    }
    body.append(list);
  }
  const presets = element("dl", {});
  presets.append(element("dt", { class: "group" }, "Window presets"));
  viewer.presets().slice(0, 8).forEach((/** @type {{name: string}} */ p, /** @type {number} */ i) => {
    const row = element("div", {});
    row.append(element("dt", {}, p.name), element("dd", {}, String(i + 2)));
    presets.append(row);
  });
  const mouse = element("dl", {});
  mouse.append(element("dt", { class: "group" }, "Mouse, touch and arrows"));
  for (const [what, how] of [
    ["Chosen tool", "left button, one finger"], ["Pan", "middle button, Shift and drag, two fingers"], ["Zoom", "right button, pinch, Ctrl and wheel"],
    [viewer.stacked() ? "Slices" : "Zoom", "wheel, once the picture is clicked"], ["Move, window or draw with the tool", "arrow keys, then Enter to set a point"],
  ]) {
    const row = element("div", {});
    row.append(element("dt", {}, what), element("dd", {}, how));
    mouse.append(row);
  }
  body.append(presets, mouse);
}
