// @ts-check
// Mouse, pen, touch and keys.

/** Smallest box a reader can draw, image pixels. */
const SMALLEST_REGION = 8;

Object.assign(Viewer.prototype, {
  /** @this {Viewer} @param {Pane} pane */
  listen(pane) {
    const canvas = pane.canvas;
    /** @type {Map<number, PointerEvent>} */
    const down = new Map();
    /** @type {{u: number, v: number} | null} */
    let anchor = null;
    canvas.addEventListener("pointerdown", (e) => {
      canvas.setPointerCapture(e.pointerId);
      canvas.focus({ preventScroll: true });
      down.set(e.pointerId, e);
      if (this.view.tool === "region" && this.scene) anchor = pane.locate(e, this.scene, this.view);
      e.preventDefault();
    });
    canvas.addEventListener("pointermove", (e) => {
      if (!this.scene) return;
      const at = pane.locate(e, this.scene, this.view);
      const before = down.get(e.pointerId);
      if (before) {
        const dx = e.clientX - before.clientX, dy = e.clientY - before.clientY;
        if (down.size === 2) this.pinch(pane, down, e);
        else if (this.view.tool === "pan" || e.shiftKey || e.buttons & 6) this.pan(pane, dx, dy);
        else if (this.view.tool === "region" && anchor) this.view.region = this.boxOf(anchor, at);
        else this.windowBy(dx, dy);
        down.set(e.pointerId, e);
      }
      const inside = at.u >= 0 && at.u < 1 && at.v >= 0 && at.v < 1;
      this.cursor = inside ? at : null;
      this.hovered = pane;
      this.read();
      this.redraw();
    });
    const up = (/** @type {PointerEvent} */ e) => {
      down.delete(e.pointerId);
      if (anchor && this.view.tool === "region") {
        const b = this.view.region;
        this.region(b && b[2] - b[0] >= SMALLEST_REGION && b[3] - b[1] >= SMALLEST_REGION ? b : null);
      }
      anchor = null;
    };
    canvas.addEventListener("pointerup", up);
    canvas.addEventListener("pointercancel", up);
    canvas.addEventListener("pointerleave", () => { this.cursor = null; this.hovered = null; this.read(); this.redraw(); });
    canvas.addEventListener("contextmenu", (e) => e.preventDefault());
    canvas.addEventListener("dblclick", () => this.fit());
    // The wheel scrolls the page until the reader has clicked into a pane, or holds Ctrl.
    canvas.addEventListener("wheel", (e) => {
      const active = /** @type {ShadowRoot | Document} */ (canvas.getRootNode()).activeElement === canvas;
      if (!this.scene || !(active || e.ctrlKey)) return;
      e.preventDefault();
      this.zoomAt(pane, Math.exp(-e.deltaY * 0.0016), pane.locate(e, this.scene, this.view));
    }, { passive: false });
  },

  /** @this {Viewer} @param {Pane} pane @param {number} dx @param {number} dy */
  pan(pane, dx, dy) {
    const f = pane.frame(/** @type {Scene} */ (this.scene), this.view);
    this.view.x = Math.min(Math.max(this.view.x - dx / f.w, 0), 1);
    this.view.y = Math.min(Math.max(this.view.y - dy / f.h, 0), 1);
    this.redraw();
  },

  /** @this {Viewer} @param {number} dx @param {number} dy */
  windowBy(dx, dy) {
    this.view.width = Math.min(Math.max(this.view.width + dx, 4), 1024);
    this.view.centre = Math.min(Math.max(this.view.centre - dy * 0.6, -64), 320);
    this.rewindow();
  },

  /** Keeps the place under the pointer where it is. @this {Viewer} @param {Pane} pane @param {number} by @param {{u: number, v: number}} at */
  zoomAt(pane, by, at) {
    const old = this.view.zoom;
    this.view.zoom = Math.min(Math.max(old * by, 1), 24);
    const k = 1 - old / this.view.zoom;
    this.view.x = Math.min(Math.max(this.view.x + (at.u - this.view.x) * k, 0), 1);
    this.view.y = Math.min(Math.max(this.view.y + (at.v - this.view.y) * k, 0), 1);
    if (this.view.zoom === 1) { this.view.x = 0.5; this.view.y = 0.5; }
    this.redraw();
  },

  /** @this {Viewer} @param {Pane} pane @param {Map<number, PointerEvent>} down @param {PointerEvent} moved */
  pinch(pane, down, moved) {
    const other = [...down.values()].find((p) => p.pointerId !== moved.pointerId);
    const before = down.get(moved.pointerId);
    if (!other || !before || !this.scene) return;
    const gap = (/** @type {PointerEvent} */ p) => Math.hypot(p.clientX - other.clientX, p.clientY - other.clientY);
    this.zoomAt(pane, gap(moved) / Math.max(gap(before), 1), pane.locate(other, this.scene, this.view));
  },

  /** @this {Viewer} @param {{u: number, v: number}} a @param {{u: number, v: number}} b @returns {[number, number, number, number]} */
  boxOf(a, b) {
    const { width: w, height: h } = /** @type {Scene} */ (this.scene);
    const x = [a.u, b.u].map((u) => Math.min(Math.max(u, 0), 1) * w), y = [a.v, b.v].map((v) => Math.min(Math.max(v, 0), 1) * h);
    return [Math.min(...x), Math.min(...y), Math.max(...x), Math.max(...y)];
  },

  /** Position and values under the pointer. @this {Viewer} */
  read() {
    const scene = /** @type {Scene} */ (this.scene), at = this.cursor, layer = this.layer();
    const line = this.part(".readout");
    if (!at || !this.source) { return; }
    const x = Math.floor(at.u * scene.width), y = Math.floor(at.v * scene.height);
    const i = 4 * (Math.floor(at.v * this.source.height) * this.source.width + Math.floor(at.u * this.source.width));
    const mm = scene.spacing ? ` | ${(at.u * scene.width * scene.spacing[1]).toFixed(1)}, ${(at.v * scene.height * scene.spacing[0]).toFixed(1)} mm` : "";
    const map = layer ? ` | ${layer.label} ${valueAt(layer, at.u, at.v).toPrecision(2)}` : "";
    line.textContent = `x ${x}, y ${y}${mm} | grey ${this.source.data[i]} of 255${map}`;
  },

  /** @this {Viewer} @param {KeyboardEvent} event */
  key(event) {
    const target = /** @type {HTMLElement} */ (event.target);
    if (!this.scene || event.ctrlKey || event.metaKey || event.altKey || ["INPUT", "SELECT"].includes(target.tagName)) return;
    const pane = this.panes[0], v = this.view, middle = { u: v.x, v: v.y };
    const onCanvas = target.tagName === "CANVAS";
    /** @type {Record<string, () => void>} */
    const keys = {
      "+": () => this.zoomAt(pane, 1.25, middle), "=": () => this.zoomAt(pane, 1.25, middle), "-": () => this.zoomAt(pane, 0.8, middle),
      0: () => this.fit(), 1: () => this.actual(), f: () => this.full(),
      i: () => { v.invert = !v.invert; this.rewindow(); }, c: () => { v.contours = !v.contours; this.redraw(); },
      b: () => { v.boxes = !v.boxes; this.redraw(); },
    };
    if (onCanvas) {
      Object.assign(keys, {
        ArrowLeft: () => this.pan(pane, 40, 0), ArrowRight: () => this.pan(pane, -40, 0),
        ArrowUp: () => this.pan(pane, 0, 40), ArrowDown: () => this.pan(pane, 0, -40),
      });
    }
    const run = keys[event.key];
    if (!run) return;
    event.preventDefault(); event.stopPropagation();
    run(); this.mark();
  },
});

/** One viewer an element; Streamlit calls again, with the same element, whenever the page runs. @type {WeakMap<object, Viewer>} */
const VIEWERS = new WeakMap();

/** @param {{data: ArrayBuffer | ArrayBufferView, parentElement: ParentNode & object, setStateValue: (name: string, value: unknown) => void}} component */
export default function mount(component) {
  const { data, parentElement, setStateValue } = component;
  const root = /** @type {HTMLElement} */ (parentElement.querySelector(".viewer"));
  let viewer = VIEWERS.get(root);
  if (!viewer) { viewer = new Viewer(root, setStateValue); VIEWERS.set(root, viewer); }
  viewer.send = setStateValue;
  const shown = viewer;
  void viewer.show(data).catch((error) => { root.querySelector(".semantics").textContent = String(error.message || error); });
  return () => { if (!root.isConnected) { shown.close(); VIEWERS.delete(root); } };
}
