// @ts-check
// The page's parts round the panes: maps, window, colours, slices, and the fields of a place.

/** Computed tomography windows in HU: level, width (Radiopaedia, "Windowing (CT)"). */
const CT_PRESETS = [
  ["Soft tissue", 40, 400], ["Lung", -600, 1500], ["Bone", 400, 1800], ["Mediastinum", 50, 350], ["Liver", 30, 150], ["Brain", 35, 80],
];

/** @param {Scene} scene @param {PictureHead} head @returns {{name: string, window: [number, number] | null}[]} */
function presetsFor(scene, head) {
  const [a, b] = head.window, w = b - a;
  /** @type {{name: string, window: [number, number] | null}[]} */
  const list = [
    { name: "As stated", window: null },
    { name: "Full range", window: head.range },
    { name: "More contrast", window: [a + w / 4, b - w / 4] },
    { name: "Dark tissue", window: [a, a + w / 2] },
    { name: "Bright tissue", window: [a + w / 2, b] },
  ];
  if (scene.modality === "CT" && head.unit === "HU") {
    const ct = CT_PRESETS.map(([name, level, width]) => ({ name: String(name), window: /** @type {[number, number]} */ ([Number(level) - Number(width) / 2, Number(level) + Number(width) / 2]) }));
    return [list[0], ...ct, list[1]];
  }
  return list;
}

/** Buttons for the maps, grouped; arrow keys move between them. @param {HTMLElement} host @param {any} viewer */
function buildLayers(host, viewer) {
  const scene = /** @type {Scene} */ (viewer.scene), listed = scene.layers.filter((l) => !(l.signed && l.field));
  host.replaceChildren();
  host.hidden = listed.length === 0;
  for (const name of [...new Set(listed.map((l) => l.group))]) {
    const group = element("div", { class: "group" });
    group.append(element("span", {}, name));
    for (const layer of listed.filter((l) => l.group === name)) {
      const button = element("button", { type: "button", role: "radio", "data-layer": layer.id }, layer.label);
      if (layer.field) button.dataset.field = layer.field;
      button.addEventListener("click", () => viewer.choose(layer.id));
      group.append(button);
    }
    host.append(group);
  }
  host.onkeydown = (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault(); event.stopPropagation();
    viewer.stepLayer(step);
    /** @type {HTMLElement | null} */ (host.querySelector('[aria-checked="true"]'))?.focus();
  };
  markLayer(host, viewer.view.layer);
}

/** @param {HTMLElement} host @param {string} id */
function markLayer(host, id) {
  const all = [...host.querySelectorAll("[data-layer]")];
  const some = all.some((b) => b.getAttribute("data-layer") === id);
  all.forEach((b, i) => {
    const on = b.getAttribute("data-layer") === id;
    b.setAttribute("aria-checked", String(on));
    b.setAttribute("tabindex", on || (!some && i === 0) ? "0" : "-1");
  });
}

/** What a pane can show. @param {Scene} scene @returns {[string, [string, string][]][]} */
function sourcesOf(scene) {
  /** @type {[string, [string, string][]][]} */
  const groups = [["Picture", [["image", scene.pictures.length > 1 ? "Picture at the slice" : "Original"]]]];
  if (scene.pictures.length > 1 && scene.pictures.length <= 12) groups[0][1].push(...scene.pictures.map((p, i) => /** @type {[string, string]} */ ([`image:${i}`, p.title || `Image ${i + 1}`])));
  if (scene.layers.length) {
    /** @type {[string, string][]} */
    const follow = [["layer", "Chosen map"]];
    if (scene.layers.some((l) => l.field && !l.signed)) follow.push(["attention", "Attention of the chosen field"]);
    if (scene.layers.some((l) => l.field && l.signed)) follow.push(["difference", "Difference without the chosen field"]);
    groups.push(["Follows the choice", follow], ["Always", scene.layers.filter((l) => !l.field).map((l) => [l.id, l.label])]);
  }
  return groups;
}

/** The heading of a pane: what it shows, and the choice of it. @param {HTMLElement} caption @param {Pane} pane @param {any} viewer */
function buildCaption(caption, pane, viewer) {
  const groups = sourcesOf(viewer.scene);
  caption.replaceChildren(element("span", { class: "title" }));
  if (groups.reduce((n, [, s]) => n + s.length, 0) < 2) return;
  const select = /** @type {HTMLSelectElement} */ (element("select", { class: "source", "aria-label": `Pane ${viewer.panes.indexOf(pane) + 1} shows` }));
  for (const [name, sources] of groups) {
    const group = element("optgroup", { label: name });
    for (const [value, label] of sources) group.append(element("option", { value }, label));
    select.append(group);
  }
  select.value = pane.source;
  select.addEventListener("change", () => { pane.source = select.value; viewer.tell(); viewer.redraw(); });
  caption.append(select);
}

/** Window, level, opacity, threshold, colours. @param {HTMLElement} host @param {any} viewer @returns {() => void} writes the values */
function buildSettings(host, viewer) {
  host.replaceChildren();
  const scene = /** @type {Scene} */ (viewer.scene), view = /** @type {View} */ (viewer.view);
  /** @param {string} text @param {HTMLElement} control @param {string} [title] */
  const put = (text, control, title) => {
    const label = element("label", title ? { title } : {}, text);
    label.append(control); host.append(label);
  };
  const preset = /** @type {HTMLSelectElement} */ (element("select", { "aria-label": "Window preset", "data-control": "preset" }));
  preset.append(element("option", { value: "" }, "Own window"));
  viewer.presets().forEach((/** @type {{name: string}} */ p, /** @type {number} */ i) => preset.append(element("option", { value: String(i) }, p.name)));
  preset.addEventListener("change", () => { if (preset.value) viewer.preset(Number(preset.value)); });
  put("", preset, "Window presets (keys 2 to 9)");
  /** @param {string} text @param {string} name */
  const number = (text, name) => {
    const input = /** @type {HTMLInputElement} */ (element("input", { type: "number", step: "any", "aria-label": name, "data-control": name.toLowerCase() }));
    const take = () => {
      const at = Number(level.value), wide = Number(width.value);
      if (level.value !== "" && width.value !== "" && Number.isFinite(at) && wide > 0) viewer.setWindow([at - wide / 2, at + wide / 2]);
      else viewer.tell();
    };
    input.addEventListener("change", take);
    put(text, input);
    return input;
  };
  const level = number("L", "Level"), width = number("W", "Width");
  /** @type {HTMLInputElement[]} */ const sliders = [];
  if (scene.layers.length) {
    for (const [text, key, title] of /** @type {[string, "opacity" | "threshold", string][]} */ ([["Opacity", "opacity", "How strongly the colours cover the image"], ["Threshold", "threshold", "Hide evidence below this share of the scale"]])) {
      const input = /** @type {HTMLInputElement} */ (element("input", { type: "range", min: "0", max: "1", step: "0.01", "aria-label": text, "data-control": key }));
      input.addEventListener("input", () => { view[key] = Number(input.value); viewer.redraw(); viewer.legend(); });
      sliders.push(input);
      put(text, input, title);
    }
    const select = /** @type {HTMLSelectElement} */ (element("select", { "aria-label": "Colours", "data-control": "colours" }));
    for (const name of [...Object.keys(scene.colourMaps), "none"]) select.append(element("option", { value: name }, name));
    select.addEventListener("change", () => { view.colours = select.value !== "none"; if (view.colours) view.colourMap = select.value; viewer.tell(); viewer.redraw(); });
    put("", select, "Colour scale of the maps");
    for (const [text, key, title] of /** @type {[string, "contours" | "lesion" | "boxes", string][]} */ ([
      ["Contours", "contours", "Lines at 25, 50 and 75 % of the scale (c)"], ["Lesion", "lesion", "The model's outline of the lesion: where its lesion map reaches 0.5 (y)"], ["Box", "boxes", `${scene.boxLabel} (b)`],
    ])) {
      if ((key === "lesion" && !viewer.hasLesion()) || (key === "boxes" && !scene.box)) continue;
      const b = element("button", { type: "button", title, "data-toggle": key }, text);
      b.addEventListener("click", () => { view[key] = !view[key]; viewer.tell(); viewer.redraw(); });
      host.append(b);
    }
  }
  return () => {
    const [low, high] = viewer.windowOf(viewer.activeHead());
    const digits = Math.abs(high - low) > 20 ? 0 : 3, text = (/** @type {number} */ n) => String(Number(n.toFixed(digits)));
    level.value = text((low + high) / 2); width.value = text(high - low);
    preset.value = String(viewer.presets().findIndex((/** @type {{window: number[] | null}} */ p) => { const w = p.window ?? viewer.activeHead().window; return w[0] === low && w[1] === high; }));
    if (preset.value === "") preset.selectedIndex = 0;
    for (const input of sliders) input.value = String(view[/** @type {"opacity" | "threshold"} */ (input.dataset.control)]);
    const colours = /** @type {HTMLSelectElement | null} */ (host.querySelector('[data-control="colours"]'));
    if (colours) colours.value = view.colours ? view.colourMap : "none";
    for (const b of host.querySelectorAll("[data-toggle]")) b.setAttribute("aria-pressed", String(view[/** @type {"contours" | "lesion" | "boxes"} */ (/** @type {HTMLElement} */ (b).dataset.toggle)]));
  };
}

/** The scroll bar of a series. @param {HTMLElement} host @param {any} viewer @returns {() => void} */
function buildSlices(host, viewer) {
  host.replaceChildren();
  host.hidden = !viewer.stacked();
  if (host.hidden) return () => {};
  const count = viewer.scene.pictures.length;
  const bar = /** @type {HTMLInputElement} */ (element("input", { type: "range", min: "0", max: String(count - 1), step: "1", "aria-label": "Slice", "data-control": "slice" }));
  const loaded = element("progress", { max: String(count), value: "0", "aria-label": "Slices loaded", title: "Slices loaded" });
  const speed = /** @type {HTMLSelectElement} */ (element("select", { "aria-label": "Cine speed", "data-control": "speed" }));
  for (const s of [5, 10, 15, 20, 30]) speed.append(element("option", { value: String(s) }, `${s} a second`));
  speed.value = String(viewer.cineSpeed);
  speed.addEventListener("change", () => { viewer.cineSpeed = Number(speed.value); if (viewer.cineTimer) { viewer.cine(); viewer.cine(); } });
  const label = element("output", { class: "where" });
  bar.addEventListener("input", () => viewer.toSlice(Number(bar.value)));
  const stack = element("div", { class: "stack" });
  stack.append(bar, loaded);
  host.append(label, stack, speed);
  return () => {
    const at = viewer.view.slice, title = viewer.scene.pictures[at].title;
    bar.value = String(at);
    bar.setAttribute("aria-valuetext", `${at + 1} of ${count}${title ? `, ${title}` : ""}`);
    label.textContent = `${at + 1} / ${count}`;
    loaded.setAttribute("value", String(viewer.loadedSlices()));
    loaded.classList.toggle("done", viewer.loadedSlices() === count);
  };
}

/**
 * What every field takes from a place, largest first: attention there (1 = even) x its contribution, and what was
 * measured there.
 * @param {Scene} scene @param {Place} place
 */
function fieldsAt(scene, place) {
  const brush = /** @type {Brush} */ (scene.brush);
  /** @param {number} w @param {number} h */
  const index = (w, h) => Math.min(Math.floor(place.v * h), h - 1) * w + Math.min(Math.floor(place.u * w), w - 1);
  const region = brush.labels ? brush.labels[index(...brush.labelsSize)] - 1 : -1;
  const found = brush.fields.map((field, i) => {
    const layer = scene.layers.find((l) => l.field === field.id && !l.signed);
    const attention = layer ? valueAt(layer, place.u, place.v) : 0;
    return {
      id: field.id, label: field.label, attention, contribution: field.contribution, product: attention * field.contribution,
      effect: field.effect ? field.effect[index(...field.effectSize)] : null,
      interaction: region >= 0 && brush.interactions.length ? brush.interactions[i][region] : null,
    };
  });
  found.sort((a, b) => Math.abs(b.product) - Math.abs(a.product));
  return { region: region >= 0 ? brush.regions[region] : "", fields: found };
}

/** @param {number} n @param {number} digits */
const signedText = (n, digits) => (n < 0 ? "−" : "+") + Math.abs(n).toFixed(digits);

/** Lists the fields of a place and lights them up. @param {HTMLElement} host @param {any} viewer */
function showFields(host, viewer) {
  const scene = /** @type {Scene} */ (viewer.scene), chips = viewer.root.querySelectorAll("[data-field]");
  host.hidden = !viewer.place || !scene.brush;
  if (host.hidden) { for (const c of chips) { c.classList.remove("lit"); c.removeAttribute("data-at"); } return; }
  const { region, fields } = fieldsAt(scene, viewer.place), top = Math.max(...fields.map((f) => Math.abs(f.product)), 1e-9);
  const head = element("p", { class: "head" }, `What the fields take from this place${region ? ` (${region.toLowerCase()})` : ""}`);
  const close = element("button", { type: "button", "aria-label": "Close the list of fields" }, "Close");
  close.addEventListener("click", () => viewer.ask(null));
  const top_line = element("div", { class: "line" });
  top_line.append(head, close);
  const table = element("table", {}), row = element("tr", {});
  const withEffect = fields.some((f) => f.effect !== null), withRegion = fields.some((f) => f.interaction !== null);
  const columns = ["Field", "Attention here, times even", "Contribution, log-odds", "Product"];
  if (withEffect) columns.push("Measured: log-odds lost if the field cannot see this block");
  if (withRegion) columns.push("Interaction with this region, log-odds");
  for (const c of columns) row.append(element("th", { scope: "col" }, c));
  table.append(row);
  for (const f of fields.slice(0, 6)) {
    const line = element("tr", { "data-row": f.id }), name = element("th", { scope: "row" });
    const link = element("button", { type: "button" }, f.label);
    link.addEventListener("click", () => viewer.choose(`field:${f.id}`));
    name.append(link);
    const bar = element("td", { class: f.product < 0 ? "away" : "toward" });
    bar.append(element("span", { class: "bar", style: `width:${((44 * Math.abs(f.product)) / top).toFixed(1)}px` }), document.createTextNode(signedText(f.product, 3)));
    line.append(name, element("td", {}, f.attention.toFixed(2)), element("td", {}, signedText(f.contribution, 3)), bar);
    if (withEffect) line.append(element("td", {}, f.effect === null ? "" : signedText(f.effect, 3)));
    if (withRegion) line.append(element("td", {}, f.interaction === null ? "" : signedText(f.interaction, 3)));
    table.append(line);
  }
  const note = fields.length > 6 ? `The ${fields.length - 6} other known fields take less. ` : "";
  host.replaceChildren(top_line, table, element("p", { class: "note" }, `${note}Above 0: toward ${scene.brush?.target}. The product says how strongly field and place come together, not what causes disease.`));
  const lit = new Map(fields.filter((f) => f.attention > 1 && Math.abs(f.product) >= 0.1 * top).map((f) => [f.id, f]));
  for (const c of chips) {
    const f = lit.get(c.dataset.field ?? "");
    c.classList.toggle("lit", !!f);
    if (f) c.dataset.at = signedText(f.product, 2); else c.removeAttribute("data-at");
  }
}

/** One colour bar for each map on screen, in the map's own unit. @param {HTMLElement} host @param {any} viewer */
function showLegend(host, viewer) {
  const scene = /** @type {Scene} */ (viewer.scene), v = /** @type {View} */ (viewer.view);
  /** @type {Layer[]} */
  const shown = [];
  for (const pane of viewer.panes) { const l = pane.layerOf(scene, v); if (l && !shown.some((s) => s.unit === l.unit && s.reference === l.reference)) shown.push(l); }
  host.hidden = shown.length === 0;
  host.replaceChildren(...shown.map((layer) => {
    const row = element("div", { class: "scale" }), bar = /** @type {HTMLCanvasElement} */ (element("canvas", { class: "bar", width: "256", height: "1", "aria-hidden": "true" }));
    const g = /** @type {CanvasRenderingContext2D} */ (bar.getContext("2d")), strip = g.createImageData(256, 1), table = scene.colourMaps[v.colourMap];
    for (let i = 0; i < 256; i++) {
      // As it looks over mid-grey tissue, so that the legend's colours are those on the image.
      const s = layer.signed ? (i - 127.5) / 127.5 : i / 255, a = v.colours ? opacityOf(Math.abs(s), v.opacity, v.threshold) : 0;
      const c = layer.signed ? scene.signedColours[s > 0 ? 0 : 1] : table.subarray(3 * i, 3 * i + 3);
      for (let k = 0; k < 3; k++) strip.data[4 * i + k] = 90 * (1 - a) + c[k] * a;
      strip.data[4 * i + 3] = 255;
    }
    g.putImageData(strip, 0, 0);
    const reference = Number(layer.reference.toPrecision(3));
    const most = layer.unit.startsWith("probability") && reference >= 1; // nothing lies above
    row.append(element("span", { class: "low" }, layer.signed ? `−${reference}` : String(Number(layer.floor.toPrecision(3)))), bar, element("span", { class: "high" }, most ? String(reference) : `${reference} or more`));
    row.append(element("span", { class: "unit" }, `${layer.unit} (${layer.signed ? "strongest" : "highest"} here: ${layer.peak.toPrecision(2)})`));
    return row;
  }));
}
