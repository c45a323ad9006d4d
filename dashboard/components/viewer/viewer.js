// @ts-check
// Puts the parts together: one view shared by all panes; nothing here costs a run of the server.

/** @returns {View} */
function freshView() {
  return {
    zoom: 1, x: 0.5, y: 0.5, centre: 127.5, width: 255, invert: false, layer: "", opacity: 0.6, threshold: 0, colourMap: "inferno",
    colours: true, contours: true, boxes: true, tool: "window", region: null,
  };
}

class Viewer {
  /** @param {HTMLElement} root @param {(name: string, value: unknown) => void} send */
  constructor(root, send) {
    this.root = root;
    this.send = send;
    this.view = freshView();
    /** @type {Scene | null} */ this.scene = null;
    /** @type {Pane[]} */ this.panes = [];
    this.base = document.createElement("canvas");
    /** @type {{layer: Layer, picture: HTMLCanvasElement, lines: number[][]} | null} */ this.over = null;
    /** @type {{u: number, v: number} | null} */ this.cursor = null;
    /** @type {Pane | null} */ this.hovered = null;
    this.pending = 0;
    this.mark = () => {};
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(root);
    root.addEventListener("keydown", (e) => this.key(e));
    document.addEventListener("fullscreenchange", this.onFull = () => this.resize());
  }

  close() {
    this.observer.disconnect();
    document.removeEventListener("fullscreenchange", this.onFull);
  }

  /** @template {HTMLElement} T @param {string} selector @returns {T} */
  part(selector) { return /** @type {T} */ (this.root.querySelector(selector)); }

  /** @param {ArrayBuffer | ArrayBufferView} data */
  async show(data) {
    const scene = decodeScene(data);
    if (this.scene && this.scene.id === scene.id) return;
    this.root.dataset.ready = "0";
    this.latest = scene.id;
    const bitmap = await createImageBitmap(scene.picture);
    if (this.latest !== scene.id) return; // a newer picture came while this one was decoded
    const sameImage = this.scene && this.scene.width === scene.width && this.scene.height === scene.height;
    if (!sameImage) Object.assign(this.view, { zoom: 1, x: 0.5, y: 0.5, centre: 127.5, width: 255, region: null });
    this.scene = scene;
    if (!scene.layers.some((l) => l.id === this.view.layer)) this.view.layer = scene.layers[0]?.id ?? "";
    this.base.width = bitmap.width; this.base.height = bitmap.height;
    const g = /** @type {CanvasRenderingContext2D} */ (this.base.getContext("2d", { willReadFrequently: true }));
    g.drawImage(bitmap, 0, 0);
    this.source = g.getImageData(0, 0, bitmap.width, bitmap.height);
    this.windowed = g.createImageData(bitmap.width, bitmap.height);
    this.buildPanes(scene);
    buildLayers(this.part(".layers"), scene, this.view, (id) => this.choose(id));
    this.mark = buildControls(this.part(".controls"), scene, this.view, {
      redraw: () => this.redraw(), recolour: () => this.recolour(), rewindow: () => this.rewindow(), fit: () => this.fit(),
      actual: () => this.actual(), full: () => this.full(), region: (b) => this.region(b),
    });
    this.resize(); this.rewindow(); this.recolour(); this.say();
    this.root.dataset.ready = "1";
  }

  /** @param {Scene} scene */
  buildPanes(scene) {
    const host = this.part(".panes");
    const wanted = scene.layers.length ? 2 : 1;
    host.replaceChildren();
    this.panes = [];
    for (let i = 0; i < wanted; i++) {
      const figure = document.createElement("figure");
      const canvas = /** @type {HTMLCanvasElement} */ (element("canvas", { tabindex: "0", role: "img", "data-pane": i ? "overlay" : "original" }));
      figure.append(element("figcaption", {}, i ? "" : scene.title), canvas);
      host.append(figure);
      const pane = new Pane(canvas, i === 1);
      this.panes.push(pane);
      this.listen(pane);
    }
  }

  layer() { return this.scene?.layers.find((l) => l.id === this.view.layer) ?? null; }

  /** @param {string} id */
  choose(id) {
    if (id === this.view.layer) return;
    this.view.layer = id;
    markLayer(this.part(".layers"), id);
    this.recolour(); this.say();
    this.send("layer", id);
  }

  /** Headings, legend and meaning of the chosen map. */
  say() {
    const layer = this.layer(), scene = /** @type {Scene} */ (this.scene);
    const reduced = scene.sent[0] < scene.width ? ` Shown at ${scene.sent[0]} x ${scene.sent[1]} of ${scene.width} x ${scene.height} pixels.` : "";
    this.part(".legend").hidden = !layer;
    this.part(".semantics").textContent = ((layer?.semantics ?? "") + reduced).trim();
    this.root.dataset.layer = layer?.id ?? "";
    this.panes[0].canvas.setAttribute("aria-label", `${scene.title}, ${scene.width} by ${scene.height} pixels`);
    if (!layer) return;
    const captions = this.root.querySelectorAll("figcaption");
    captions[1].textContent = layer.label;
    const top = layer.values.reduce((a, b) => Math.max(a, b), -Infinity);
    this.panes[1].canvas.setAttribute("aria-label", `${layer.label} over the image; highest value ${top.toPrecision(3)} of ${layer.reference} ${layer.unit}`);
    this.part(".low").textContent = String(layer.floor);
    this.part(".high").textContent = `${Number(layer.reference.toPrecision(3))} or more`;
    this.part(".unit").textContent = `${layer.unit} (highest here: ${top.toPrecision(2)})`;
  }

  recolour() {
    const layer = this.layer(), scene = this.scene, v = this.view;
    if (!layer || !scene) { this.over = null; this.redraw(); return; }
    const table = scene.colourMaps[v.colourMap];
    const data = colourLayer(layer, table, v.opacity, v.threshold);
    const picture = document.createElement("canvas");
    picture.width = layer.width; picture.height = layer.height;
    picture.getContext("2d")?.putImageData(data, 0, 0);
    const lines = CONTOUR_SHARES.filter((s) => s >= v.threshold).map((s) => contour(layer, layer.floor + s * (layer.reference - layer.floor)));
    this.over = { layer, picture, lines };
    const bar = this.part(".bar"), g = /** @type {CanvasRenderingContext2D} */ (/** @type {HTMLCanvasElement} */ (bar).getContext("2d"));
    const strip = g.createImageData(256, 1);
    for (let i = 0; i < 256; i++) {
      // As it looks over mid-grey tissue, so that the legend's colours are those on the image.
      const a = v.colours ? opacityOf(i / 255, v.opacity, v.threshold) : 0;
      for (let k = 0; k < 3; k++) strip.data[4 * i + k] = 90 * (1 - a) + table[3 * i + k] * a;
      strip.data[4 * i + 3] = 255;
    }
    g.putImageData(strip, 0, 0);
    this.redraw();
  }

  rewindow() {
    if (!this.source || !this.windowed) return;
    applyWindow(this.source, this.windowed, this.view.centre, this.view.width, this.view.invert);
    this.base.getContext("2d")?.putImageData(this.windowed, 0, 0);
    this.redraw();
  }

  redraw() {
    if (this.pending) return;
    this.pending = requestAnimationFrame(() => {
      this.pending = 0;
      if (!this.scene) return;
      for (const pane of this.panes) {
        pane.draw(this.scene, this.view, this.base, this.over, pane === this.hovered ? null : this.cursor);
      }
      this.root.dataset.zoom = this.view.zoom.toFixed(2);
    });
  }

  /** Panes are as tall as the image at their width, up to the scene's limit or the screen. */
  resize() {
    if (!this.scene) return;
    const limit = document.fullscreenElement ? window.innerHeight - 260 : this.scene.height_px;
    for (const { canvas } of this.panes) {
      const tall = Math.round(Math.min((canvas.clientWidth * this.scene.height) / this.scene.width, limit));
      if (tall > 0) canvas.style.height = `${tall}px`;
    }
    this.redraw();
  }

  fit() { Object.assign(this.view, { zoom: 1, x: 0.5, y: 0.5, centre: 127.5, width: 255, invert: false }); this.mark(); this.rewindow(); }

  actual() { if (this.scene) { this.view.zoom = 1 / (this.panes[0].fit(this.scene) * (window.devicePixelRatio || 1)); this.redraw(); } }

  full() {
    if (document.fullscreenElement) void document.exitFullscreen();
    else void this.root.requestFullscreen();
  }

  /** @param {View["region"]} box */
  region(box) { this.view.region = box; this.redraw(); this.send("region", box); }
}
