// @ts-check
// Puts the parts together: one view shared by all panes; nothing here costs a run of the server, but a chosen map and
// a marked lesion, which are reported.

/** @returns {View} */
function freshView() {
  return {
    zoom: 1, x: 0.5, y: 0.5, turn: 0, flip: false, window: null, windowOf: 0, invert: false, slice: 0, layer: "", field: "", opacity: 0.6,
    threshold: 0, colourMap: "inferno", colours: true, contours: true, boxes: true, lesion: true, tool: "window",
  };
}

class Viewer {
  /** @param {HTMLElement} root @param {(name: string, value: unknown) => void} send */
  constructor(root, send) {
    this.root = root;
    this.send = send;
    this.view = freshView();
    this.marks = new Marks();
    /** @type {Scene | null} */ this.scene = null;
    /** @type {Picture[]} */ this.pictures = [];
    /** @type {Pane[]} */ this.panes = [];
    /** @type {Pane | null} */ this.active = null;
    /** @type {Pane | null} */ this.hovered = null;
    /** @type {Place | null} */ this.cursor = null;
    /** @type {Place | null} */ this.pen = null;
    /** @type {Place | null} */ this.place = null;
    /** Box of the second look and its slice, where the page states it apart from the scene. @type {number[] | null} */ this.look = null;
    /** @type {Map<Layer, Map<number, number[]>>} */ this.contours = new Map();
    this.loader = new Loader();
    this.cineTimer = 0;
    this.cineSpeed = 15;
    this.pending = 0;
    this.frames = 0;
    this.firstPixel = 0;
    /** @type {(() => void)[]} */ this.markers = [];
    /** The lesion as the reader outlined it where it can be marked; here it is only shown. @type {Mark[]} */ this.outlines = [];
    /** What other scenes of the pictures know of this one. @type {{look: string, marks: string} | null} */ this.shared = null;
    LIVE.add(this);
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(root);
    root.addEventListener("keydown", (e) => this.key(e));
    root.addEventListener("pointerenter", () => { this.over = true; });
    root.addEventListener("pointerleave", () => { this.over = false; });
    document.addEventListener("fullscreenchange", this.onFull = () => this.resize());
    // Keys work under the pointer too, unless the reader is typing somewhere.
    document.addEventListener("keydown", this.onKey = (/** @type {KeyboardEvent} */ e) => { if (this.over && document.activeElement === document.body) this.key(e); }, true);
    /** @type {any} */ (root).viewer = this; // for tests and for the curious: what is on screen, in numbers
  }

  close() {
    handOn(this); keepScene(this);
    LIVE.delete(this);
    this.observer.disconnect();
    this.loader.closed = true;
    clearInterval(this.cineTimer);
    document.removeEventListener("fullscreenchange", this.onFull);
    document.removeEventListener("keydown", this.onKey, true);
  }

  /** @template {HTMLElement} T @param {string} selector @returns {T} */
  part(selector) { return /** @type {T} */ (this.root.querySelector(selector)); }

  /** @param {{scene: string, layer?: string | null, region?: number[] | null, picture?: number | null, look?: number[] | null}} wish */
  async show(wish) {
    const moved = String(wish.look) !== String(this.look);
    this.look = wish.look ?? null;
    if (this.scene?.url !== wish.scene && this.latest !== wish.scene) {
      this.root.dataset.ready = "0";
      this.latest = wish.scene;
      const scene = await decodeScene(wish.scene, await fetchBytes(wish.scene));
      if (this.latest !== wish.scene) return; // a newer picture came while this one was decoded
      this.open(scene);
    }
    if (!this.scene || this.scene.url !== wish.scene) return;
    if (wish.layer && wish.layer !== this.wished) this.choose(wish.layer);
    this.wished = wish.layer;
    if (wish.picture != null && wish.picture !== this.wishedPicture) this.toSlice(wish.picture);
    this.wishedPicture = wish.picture;
    if (wish.region && !this.marks.lesion && !this.cleared) this.restore(wish.region);
    if (moved) { buildHelp(this.part(".help"), this); this.redraw(); }
  }

  /** @param {Scene} scene */
  open(scene) {
    handOn(this); keepScene(this);
    const before = this.scene, same = before && before.pictures.length === scene.pictures.length && before.pictures.every((p, i) => p.of === scene.pictures[i].of);
    const kept = keptScene(scene, this);
    this.scene = scene;
    this.cleared = false;
    this.loader.closed = true;
    this.loader = new Loader();
    const earlier = this.pictures;
    this.pictures = scene.pictures.map((head, i) => new Picture(head, `${scene.url}/${i}`, this.loader, (error) => this.arrived(error)));
    this.loader.ahead = () => this.lookAhead();
    const had = new Map(earlier.map((p) => [`${p.head.key} ${p.head.width} ${p.head.height}`, p.pyramid]));
    for (const p of this.pictures) {
      const pyramid = had.get(`${p.head.key} ${p.head.width} ${p.head.height}`); // the same picture, with more maps
      if (pyramid) p.adopt(pyramid);
    }
    this.contours.clear();
    if (kept) { this.view = { ...kept.view }; this.marks = kept.marks.copy(); this.place = kept.place; }
    else if (!same) { this.view = { ...freshView(), slice: scene.start }; this.marks = new Marks(); this.place = null; }
    follow(this, !kept && !same);
    if (!scene.layers.some((l) => l.id === this.view.layer)) this.view.layer = scene.layers[0]?.id ?? "";
    if (!this.view.field || !scene.layers.some((l) => l.field === this.view.field)) this.view.field = this.strongestField();
    if (!scene.brush) this.place = null;
    const sources = kept?.sources ?? (same && this.panes.length ? this.panes.map((p) => p.source) : null) ?? this.layouts()[Math.min(1, this.layouts().length - 1)];
    this.buildPanes(sources);
    buildLayers(this.part(".layers"), this);
    this.markers = [buildToolbar(this.part(".controls"), this), buildSettings(this.part(".settings"), this), buildSlices(this.part(".slices"), this)];
    buildHelp(this.part(".help"), this);
    this.measureAll();
    this.resize(); this.tell(); this.ask(this.place, null);
  }

  /** Another viewer changed what is seen here. @param {boolean} drawn whether marks changed too */
  followed(drawn) { if (drawn) this.measureAll(); this.resize(); this.tell(); }

  /** What marks say, of this scene's own values. */
  measureAll() { for (const m of this.marks.list) measure(this.pictures[m.slice], m, () => this.redraw()); }

  strongestField() {
    const fields = [...(this.scene?.brush?.fields ?? [])].sort((a, b) => Math.abs(b.contribution) - Math.abs(a.contribution));
    return fields[0]?.id ?? this.scene?.layers.find((l) => l.field)?.field ?? "";
  }

  /** What one, two and four panes show at first. @returns {string[][]} */
  layouts() {
    const scene = /** @type {Scene} */ (this.scene), maps = scene.layers, has = (/** @type {boolean} */ s) => maps.some((l) => l.field && l.signed === s);
    const others = scene.pictures.map((_, i) => `image:${i}`);
    if (!maps.length) {
      if (scene.panes.length) return [["image"], scene.panes.slice(0, 2), ...(scene.panes.length > 2 ? [scene.panes.slice(0, 4)] : [])];
      return others.length === 2 ? [["image"], others] : [["image"]];
    }
    const four = ["image", maps[0].id, has(false) ? "attention" : "layer", has(true) ? "difference" : maps[1]?.id ?? "layer"];
    return [["layer"], ["image", "layer"], ...(maps.length > 2 ? [four] : [])];
  }

  nextLayout() {
    const all = this.layouts(), at = all.findIndex((l) => l.length === this.panes.length);
    this.buildPanes(all[(at + 1) % all.length]);
    this.resize(); this.tell();
    this.panes[0].canvas.focus({ preventScroll: true });
  }

  /** @param {string[]} sources */
  buildPanes(sources) {
    const host = this.part(".panes");
    host.replaceChildren();
    host.dataset.count = String(sources.length);
    this.panes = sources.map((source, i) => {
      const name = sources.length === 1 ? "original" : ["original", "overlay", "third", "fourth"][i];
      const canvas = /** @type {HTMLCanvasElement} */ (element("canvas", { tabindex: "0", role: "img", "data-pane": name })), caption = element("figcaption", {}), figure = element("figure", {});
      figure.append(caption, canvas);
      host.append(figure);
      const pane = new Pane(canvas, source);
      new Gestures(this, pane);
      canvas.addEventListener("focus", () => { this.active = pane; });
      return pane;
    });
    this.active = this.panes[0];
    this.panes.forEach((pane) => buildCaption(/** @type {HTMLElement} */ (pane.canvas.previousElementSibling), pane, this));
  }

  layer() { return this.scene?.layers.find((l) => l.id === this.view.layer) ?? null; }
  hasLesion() { return !!this.scene?.layers.some((l) => l.id === "lesion"); }
  stacked() { return (this.scene?.pictures.length ?? 0) > 1; }
  activeHead() { return (this.active ?? this.panes[0]).head(/** @type {Scene} */ (this.scene), this.view); }
  presets() { return presetsFor(/** @type {Scene} */ (this.scene), this.activeHead()); }
  fullscreen() { return !!document.fullscreenElement; }
  loadedSlices() { return this.pictures.filter((p) => p.pyramid.get(p.head.levels - 1)?.left === 0).length; }

  /** Values that are black and white in a picture: those chosen, or its own as far along its own scale. @param {PictureHead} head @returns {[number, number]} */
  windowOf(head) {
    return windowIn(this.view, /** @type {Scene} */ (this.scene).pictures, head);
  }

  /** @param {[number, number] | null} window */
  setWindow(window) {
    this.view.window = window;
    this.view.windowOf = (this.active ?? this.panes[0]).pictureIndex(/** @type {Scene} */ (this.scene), this.view);
    this.markers[1](); // the numbers alone: a drag comes here for every frame
    this.redraw();
  }

  /** @param {number} i */
  preset(i) { const p = this.presets()[i]; if (p) this.setWindow(p.window); }

  /** Across: contrast; down: darker. @param {number} dx @param {number} dy */
  windowBy(dx, dy) {
    const head = this.activeHead(), [low, high] = this.windowOf(head), span = Math.abs(head.range[1] - head.range[0]) || 1;
    const step = Math.max((high - low) / 300, span / 20000), width = Math.min(Math.max(high - low + dx * step, span / 4096), span * 4);
    const centre = Math.min(Math.max((low + high) / 2 + dy * step, head.range[0] - span), head.range[1] + span);
    this.setWindow([centre - width / 2, centre + width / 2]);
  }

  /** @param {string} id */
  choose(id) {
    const layer = this.scene?.layers.find((l) => l.id === id);
    if (!layer || id === this.view.layer) return;
    this.view.layer = id;
    if (layer.field) this.view.field = layer.field;
    markLayer(this.part(".layers"), id);
    this.tell(); this.redraw();
    this.send("layer", id);
  }

  /** @param {number} step */
  stepLayer(step) {
    const ids = [...this.root.querySelectorAll("[data-layer]")].map((b) => b.getAttribute("data-layer") ?? "");
    if (ids.length) this.choose(ids[(Math.max(ids.indexOf(this.view.layer), 0) + step + ids.length) % ids.length]);
  }

  /** @param {Tool} tool */
  choose_tool(tool) { this.view.tool = tool; this.marks.draft = null; this.pen = null; this.tell(); }

  /** @param {Layer} layer @param {number} level */
  contourOf(layer, level) {
    let lines = this.contours.get(layer);
    if (!lines) this.contours.set(layer, lines = new Map());
    let found = lines.get(level);
    if (!found) lines.set(level, found = contour(layer, level));
    return found;
  }

  /** Headings, legend, buttons and meaning of what is shown. */
  tell() {
    const scene = this.scene, layer = this.layer();
    if (!scene) return;
    const said = new Set();
    for (const pane of this.panes) {
      const on = pane.layerOf(scene, this.view), head = pane.head(scene, this.view), title = on ? this.nameOf(on) : ["attention", "difference", "layer"].includes(pane.source) ? `No ${pane.source === "layer" ? "" : `${pane.source} `}map of this field` : head.title || "Original";
      const caption = /** @type {HTMLElement} */ (pane.canvas.previousElementSibling);
      /** @type {HTMLElement} */ (caption.querySelector(".title")).textContent = title;
      pane.canvas.setAttribute("aria-label", on ? `${title} over the image; highest value ${on.peak.toPrecision(3)} of ${on.reference} ${on.unit}` : `${title}, ${head.width} by ${head.height} pixels`);
      if (on) said.add(on.semantics);
    }
    const [semantics, ...more] = said;
    this.part(".semantics").textContent = semantics ?? "";
    this.part(".semantics").title = more.join("\n\n");
    this.root.dataset.layer = layer?.id ?? "";
    this.root.dataset.slice = String(this.view.slice);
    this.root.dataset.renderer = renderer().name;
    this.markers.forEach((m) => m());
    this.legend();
  }

  /** @param {Layer} layer */
  nameOf(layer) {
    const of = this.scene?.layers.find((l) => l.field === layer.field && !l.signed);
    return layer.field && layer.signed && of ? `Difference without ${of.label}` : layer.label;
  }

  /** Draws on the processor ("canvas") or on a card, imitated or not ("webgl2"); "" chooses again. @param {string} name */
  drawWith(name) { RENDERER = name === "canvas" ? new PixelRenderer() : name ? onCard(true) : null; this.tell(); this.redraw(); }

  legend() { if (this.scene) showLegend(this.part(".legend"), this); }

  /** A tile is there, or could not be had. @param {unknown} [error] */
  arrived(error) {
    if (error) this.fail(error);
    else {
      this.part(".problem").hidden = true;
      if (!this.firstPixel) this.firstPixel = performance.now();
      this.markers[2]?.();
    }
    this.redraw();
  }

  /** @param {unknown} error */
  fail(error) {
    const line = this.part(".problem");
    line.textContent = String(/** @type {any} */ (error)?.message ?? error);
    line.hidden = false;
  }

  /** The slice to fetch next: the nearest one that is not here yet. */
  lookAhead() {
    const n = this.pictures.length;
    if (n < 2) return null;
    let bytes = 0;
    for (const p of this.pictures) bytes += p.bytes;
    if (bytes > PIXEL_BYTES) {
      const far = this.pictures.map((p, i) => ({ p, d: Math.abs(i - this.view.slice) })).filter((x) => x.p.pyramid.size).sort((a, b) => b.d - a.d)[0];
      far.p.drop();
      return null;
    }
    for (let d = 0; d < n; d++) {
      for (const i of [this.view.slice + d, this.view.slice - d]) {
        const p = this.pictures[i], k = p ? p.head.levels - 1 : 0;
        if (p && p.pyramid.get(k)?.left !== 0 && !p.pending.has(`${k}/0/0`)) return () => p.ahead();
      }
    }
    return null;
  }

  redraw() {
    if (this.pending) return;
    this.pending = requestAnimationFrame(() => {
      this.pending = 0;
      if (!this.scene) return;
      handOn(this);
      for (const pane of this.panes) pane.draw(this, pane === this.hovered ? null : this.cursor);
      this.root.dataset.zoom = this.view.zoom.toFixed(2);
      if (this.panes.every((p) => p.shown)) this.root.dataset.ready = "1";
    });
  }

  /** Panes are as tall as the image at their width, up to the scene's limit or the screen. */
  resize() {
    if (!this.scene) return;
    const four = this.panes.length === 4, rest = [".layers", ".legend", ".semantics", ".controls", ".settings", ".slices", ".readout"].reduce((h, s) => h + this.part(s).offsetHeight + 7, 40);
    const limit = (this.fullscreen() ? Math.max(window.innerHeight - rest, 200) : this.scene.maxHeight * (four ? 1.25 : 1)) / (four ? 2 : 1);
    let tall = 0;
    for (const pane of this.panes) {
      const head = pane.head(this.scene, this.view), h = head.height * aspect(head), [w, high] = this.view.turn % 2 ? [h, head.width] : [head.width, h];
      tall = Math.max(tall, Math.round(Math.min((pane.canvas.clientWidth * high) / w, limit)));
    }
    if (tall > 0) for (const { canvas } of this.panes) canvas.style.height = `${tall}px`;
    this.redraw();
  }

  fit() { Object.assign(this.view, { zoom: 1, x: 0.5, y: 0.5, turn: 0, flip: false, window: null, invert: false }); this.resize(); this.tell(); }

  actual() {
    const pane = this.active ?? this.panes[0];
    this.view.zoom = 1 / (pane.fit(this.activeHead(), this.view) * (window.devicePixelRatio || 1));
    this.redraw();
  }

  full() {
    if (document.fullscreenElement) void document.exitFullscreen();
    else void this.root.requestFullscreen();
  }

  /** Mirrors on the screen: left and right, or (2) up and down. @param {0 | 2} turn */
  mirror(turn) { this.view.flip = !this.view.flip; this.view.turn = (8 - this.view.turn + turn) % 4; this.redraw(); }

  /** @param {Pane} pane @param {number} dx @param {number} dy CSS pixels */
  pan(pane, dx, dy) {
    const f = pane.frame(pane.head(/** @type {Scene} */ (this.scene), this.view), this.view), det = f.a * f.d - f.b * f.c, v = this.view;
    v.x = Math.min(Math.max(v.x - (f.d * dx - f.b * dy) / det, 0), 1);
    v.y = Math.min(Math.max(v.y - (f.a * dy - f.c * dx) / det, 0), 1);
    this.redraw();
  }

  /** Keeps the place under the pointer where it is. @param {Pane} pane @param {number} by @param {Place} at */
  zoomAt(pane, by, at) {
    const v = this.view, old = v.zoom, most = Math.max(24, 16 / pane.fit(this.activeHead(), v));
    v.zoom = Math.min(Math.max(old * by, 1), most);
    const k = 1 - old / v.zoom;
    v.x = Math.min(Math.max(v.x + (at.u - v.x) * k, 0), 1);
    v.y = Math.min(Math.max(v.y + (at.v - v.y) * k, 0), 1);
    if (v.zoom === 1) { v.x = 0.5; v.y = 0.5; }
    this.redraw();
  }

  /** @param {number} by */
  zoomBy(by) { this.zoomAt(this.active ?? this.panes[0], by, { u: this.view.x, v: this.view.y }); }

  /** @param {number} i */
  toSlice(i) {
    const n = this.pictures.length, to = Math.min(Math.max(i, 0), n - 1);
    if (to === this.view.slice) return;
    this.view.slice = to;
    this.pen = null;
    this.loader.pump();
    this.tell(); this.read(); this.redraw();
  }

  /** Plays the slices that are here; waits for none. */
  cine() {
    if (this.cineTimer) { clearInterval(this.cineTimer); this.cineTimer = 0; this.tell(); return; }
    this.cineTimer = window.setInterval(() => {
      const n = this.pictures.length;
      for (let d = 1; d <= n; d++) {
        const i = (this.view.slice + d) % n, p = this.pictures[i];
        if (p.pyramid.get(p.head.levels - 1)?.left === 0) { this.toSlice(i); return; }
      }
    }, 1000 / this.cineSpeed);
    this.tell();
  }

  /** The pointer's place. @param {Place | null} at @param {Pane | null} pane */
  point(at, pane) { this.cursor = at; this.hovered = pane; this.read(); this.redraw(); }

  /** Position and values under the pointer. */
  read() {
    const scene = this.scene, at = this.cursor, line = this.part(".readout");
    if (!scene || !at) return;
    const pane = this.hovered ?? this.active ?? this.panes[0], index = pane.pictureIndex(scene, this.view), head = scene.pictures[index], picture = this.pictures[index];
    const x = Math.min(Math.floor(at.u * head.width), head.width - 1), y = Math.min(Math.floor(at.v * head.height), head.height - 1), found = picture.at(x, y);
    const mm = head.spacing ? ` | ${(at.u * head.width * head.spacing[1]).toFixed(1)}, ${(at.v * head.height * head.spacing[0]).toFixed(1)} mm` : " | no pixel spacing in the file";
    let value = "not loaded";
    if (found) {
      const none = head.padding && found.steps[0] >= head.padding[0] && found.steps[0] <= head.padding[1];
      const digits = Math.abs(head.slope) < 0.5 ? 3 : 0, number = (/** @type {number} */ s) => String(Number(picture.value(s).toFixed(digits)));
      value = none ? "no value (padding)" : `${found.exact ? "" : "about "}${found.steps.map(number).join(", ")}${head.unit ? ` ${head.unit}` : ""}`;
    }
    const map = pane.layerOf(scene, this.view) ?? this.layer();
    const evidence = map && index === scene.layerPicture ? ` | ${this.nameOf(map)} ${valueAt(map, at.u, at.v).toPrecision(2)}${map.unit.length < 24 ? ` ${map.unit}` : ""}` : "";
    line.textContent = `x ${x}, y ${y}${mm} | ${head.channels === 3 ? "red, green, blue" : "value"} ${value}${evidence}`;
  }

  /** Lists what the fields take from a place; null closes the list. @param {Place | null} at @param {Pane | null} [pane] */
  ask(at, pane = null) {
    const scene = this.scene;
    if (!scene?.brush) return;
    if (at && (at.u < 0 || at.u >= 1 || at.v < 0 || at.v >= 1 || (pane && pane.pictureIndex(scene, this.view) !== scene.layerPicture))) return;
    this.place = at;
    showFields(this.part(".fields"), this);
    this.redraw();
  }

  /** A drawn mark becomes one of the reader's. @param {Mark} mark */
  finish(mark) {
    const [x0, y0, x1, y1] = boxOf(mark), lesion = mark.kind === "region" || mark.kind === "outline";
    if (lesion ? Math.min(x1 - x0, y1 - y0) < SMALLEST_REGION : Math.max(x1 - x0, y1 - y0) < 1) { this.redraw(); return; }
    if (mark.kind === "outline") mark.points = thin(mark.points);
    this.marks.add(mark);
    measure(this.pictures[mark.slice], mark, () => this.redraw());
    if (lesion) { this.cleared = false; this.reportLesion(); }
    this.tell(); this.redraw();
  }

  undo() {
    const before = JSON.stringify(this.marks.lesion?.points ?? null);
    if (this.marks.undo() && JSON.stringify(this.marks.lesion?.points ?? null) !== before) this.reportLesion();
    this.measureAll();
    this.redraw();
  }

  removeMark() {
    const last = this.marks.chosen ?? this.marks.drawn(this.view.slice).at(-1) ?? null, lesion = last === this.marks.lesion;
    if (this.marks.remove(last) && lesion) this.reportLesion();
    this.redraw();
  }

  clearLesion() { if (this.marks.remove(this.marks.lesion)) this.reportLesion(); this.redraw(); }

  /** The lesion's box, its outline and its picture, to the server. */
  reportLesion() {
    const mark = this.marks.lesion;
    this.cleared = !mark;
    this.send("region", mark ? { box: boxOf(mark), picture: mark.slice, outline: mark.kind === "outline" ? mark.points : null } : { cleared: true });
  }

  /** A region the server knows: this page was opened again. @param {number[]} box */
  restore(box) {
    this.marks.add({ kind: "region", slice: box[4] ?? this.view.slice, points: [[box[0], box[1]], [box[2], box[3]]], text: ["Lesion, marked by the reader"] });
    this.marks.chosen = null;
    this.tell(); this.redraw();
  }

  help() {
    const dialog = /** @type {HTMLDialogElement} */ (this.part(".help"));
    if (dialog.open) dialog.close(); else dialog.showModal();
  }

  away() {
    if (this.cineTimer) this.cine();
    else if (this.marks.draft) this.marks.draft = null;
    else if (this.place) this.ask(null);
    else this.choose_tool("window");
    this.redraw();
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const target = /** @type {HTMLElement} */ (event.composedPath()[0]), help = /** @type {HTMLDialogElement} */ (this.part(".help"));
    if (!this.scene || event.ctrlKey || event.metaKey || event.altKey || ["INPUT", "SELECT"].includes(target.tagName)) return;
    if (help.open) { if (event.key === "?") { event.preventDefault(); event.stopPropagation(); help.close(); } return; }
    if (target.tagName === "BUTTON" && [" ", "Enter"].includes(event.key)) return;
    const pane = this.active ?? this.panes[0], plain = target.tagName !== "BUTTON";
    let done = plain && arrowKeys(this, pane, event);
    if (!done && /^[2-9]$/.test(event.key)) { this.preset(Number(event.key) - 2); done = true; }
    const command = done ? null : commandOf(this, event.key);
    if (command) { command.run(this); done = true; }
    if (!done) return;
    event.preventDefault(); event.stopPropagation();
    this.tell();
  }
}

/** Fewer points, each at least two pixels from the last. @param {number[][]} points */
function thin(points) {
  const kept = [points[0]];
  for (const p of points) { const q = kept[kept.length - 1]; if (Math.hypot(p[0] - q[0], p[1] - q[1]) >= 2) kept.push(p); }
  return kept;
}
