// @ts-check
// The page's parts round the panes: buttons and sliders. Each changes the view and asks for a new drawing.

/** @param {string} tag @param {Record<string, string>} attributes @param {string} [text] */
function element(tag, attributes, text) {
  const e = document.createElement(tag);
  for (const [k, v] of Object.entries(attributes)) e.setAttribute(k, v);
  if (text !== undefined) e.textContent = text;
  return e;
}

/**
 * Buttons for the maps, grouped; arrow keys move between them.
 * @param {HTMLElement} host
 * @param {Scene} scene
 * @param {View} view
 * @param {(id: string) => void} choose
 */
function buildLayers(host, scene, view, choose) {
  host.replaceChildren();
  host.hidden = scene.layers.length === 0;
  const names = [...new Set(scene.layers.map((l) => l.group))];
  for (const name of names) {
    const group = element("div", { class: "group" });
    group.append(element("span", {}, name));
    for (const layer of scene.layers.filter((l) => l.group === name)) {
      const on = layer.id === view.layer;
      const button = element("button", { type: "button", role: "radio", "data-layer": layer.id, "aria-checked": String(on), tabindex: on ? "0" : "-1" }, layer.label);
      button.addEventListener("click", () => choose(layer.id));
      group.append(button);
    }
    host.append(group);
  }
  host.onkeydown = (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const at = scene.layers.findIndex((l) => l.id === view.layer);
    choose(scene.layers[(at + step + scene.layers.length) % scene.layers.length].id);
    /** @type {HTMLElement | null} */ (host.querySelector('[aria-checked="true"]'))?.focus();
  };
}

/** @param {HTMLElement} host @param {string} id */
function markLayer(host, id) {
  for (const b of host.querySelectorAll("[data-layer]")) {
    const on = b.getAttribute("data-layer") === id;
    b.setAttribute("aria-checked", String(on));
    b.setAttribute("tabindex", on ? "0" : "-1");
  }
}

/**
 * @param {HTMLElement} host
 * @param {Scene} scene
 * @param {View} view
 * @param {{redraw: () => void, recolour: () => void, rewindow: () => void, fit: () => void, actual: () => void, full: () => void, region: (b: View["region"]) => void}} act
 */
function buildControls(host, scene, view, act) {
  host.replaceChildren();
  /** @param {string} text @param {string} title @param {() => void} run @param {() => boolean} [on] */
  const button = (text, title, run, on) => {
    const b = element("button", { type: "button", title }, text);
    const mark = () => on && b.setAttribute("aria-pressed", String(on()));
    b.addEventListener("click", () => { run(); for (const m of marks) m(); });
    marks.push(mark); mark(); host.append(b);
  };
  /** @type {(() => void)[]} */
  const marks = [];
  /** @param {string} text @param {"opacity" | "threshold"} key @param {string} title */
  const slider = (text, key, title) => {
    const label = element("label", { title }, text);
    const input = /** @type {HTMLInputElement} */ (element("input", { type: "range", min: "0", max: "1", step: "0.01", value: String(view[key]), "aria-label": text, "data-control": key }));
    input.addEventListener("input", () => { view[key] = Number(input.value); act.recolour(); });
    label.append(input); host.append(label);
  };
  if (scene.layers.length) {
    slider("Opacity", "opacity", "How strongly the colours cover the image");
    slider("Threshold", "threshold", "Hide evidence below this share of the scale");
    const label = element("label", {}, "Colours");
    const select = /** @type {HTMLSelectElement} */ (element("select", { "aria-label": "Colours", "data-control": "colours" }));
    for (const name of [...Object.keys(scene.colourMaps), "none"]) select.append(element("option", { value: name }, name));
    select.value = view.colours ? view.colourMap : "none";
    select.addEventListener("change", () => {
      view.colours = select.value !== "none";
      if (view.colours) view.colourMap = select.value;
      act.recolour();
    });
    label.append(select); host.append(label);
    button("Contours", "Lines at 25, 50 and 75 % of the scale (c)", () => { view.contours = !view.contours; act.redraw(); }, () => view.contours);
  }
  if (scene.box) button("Box", `${scene.boxLabel} (b)`, () => { view.boxes = !view.boxes; act.redraw(); }, () => view.boxes);
  button("Window", "Drag on the image: across changes contrast, up and down brightness", () => { view.tool = "window"; }, () => view.tool === "window");
  button("Pan", "Drag on the image to move it; Shift and drag does the same", () => { view.tool = "pan"; }, () => view.tool === "pan");
  if (scene.regionTool) {
    button("Mark lesion", "Drag a box round the lesion: the model's second look goes there", () => { view.tool = "region"; }, () => view.tool === "region");
    button("Clear mark", "Let the model find the lesion", () => act.region(null));
  }
  button("Invert", "Black on white (i)", () => { view.invert = !view.invert; act.rewindow(); }, () => view.invert);
  button("Fit", "Whole image, original grey values (0)", act.fit);
  button("1:1", "One image pixel on one screen pixel (1)", act.actual);
  button("Full screen", "Full screen (f)", act.full);
  return () => marks.forEach((m) => m());
}
