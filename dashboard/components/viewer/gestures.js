// @ts-check
// Mouse, pen, touch and keys.

/** A press that moves less than this is a click, CSS pixels. */
const CLICK = 4;
/** @type {Tool[]} */
const DRAWING = ["length", "ellipse", "rectangle", "region", "outline"];

class Gestures {
  /** @param {any} viewer @param {Pane} pane */
  constructor(viewer, pane) {
    this.viewer = viewer;
    this.pane = pane;
    /** @type {Map<number, {x: number, y: number}>} */ this.down = new Map();
    /** @type {{mode: string, x: number, y: number, moved: number, mark?: Mark, handle?: number, from?: number[]} | null} */ this.drag = null;
    const canvas = pane.canvas;
    canvas.addEventListener("pointerdown", (e) => this.press(e));
    canvas.addEventListener("pointermove", (e) => this.move(e));
    canvas.addEventListener("pointerup", (e) => this.release(e, true));
    canvas.addEventListener("pointercancel", (e) => this.release(e, false));
    canvas.addEventListener("pointerleave", () => { if (!this.down.size) viewer.point(null, null); });
    canvas.addEventListener("contextmenu", (e) => e.preventDefault());
    canvas.addEventListener("dblclick", () => { if (!DRAWING.includes(viewer.view.tool)) viewer.fit(); });
    // The wheel scrolls the page until the reader has clicked into a pane, or holds Ctrl.
    canvas.addEventListener("wheel", (e) => this.wheel(e), { passive: false });
  }

  get head() { return this.pane.head(this.viewer.scene, this.viewer.view); }

  /** @param {{clientX: number, clientY: number}} e picture pixels */
  pixel(e) {
    const at = this.pane.locate(e, this.head, this.viewer.view);
    return [Math.min(Math.max(at.u, 0), 1) * this.head.width, Math.min(Math.max(at.v, 0), 1) * this.head.height];
  }

  /** @param {PointerEvent} e */
  press(e) {
    const v = this.viewer;
    if (!v.scene) return;
    try { this.pane.canvas.setPointerCapture(e.pointerId); } catch { /* a pointer that is gone already */ }
    this.pane.canvas.focus({ preventScroll: true });
    e.preventDefault();
    v.active = this.pane;
    this.down.set(e.pointerId, { x: e.clientX, y: e.clientY });
    if (this.down.size === 2) { this.abandon(); return; } // two fingers: pan and pinch
    /** @type {string} */
    let mode = v.view.tool;
    if (e.button === 1 || e.shiftKey) mode = "pan";
    if (e.button === 2) mode = "zoom";
    this.drag = { mode, x: e.clientX, y: e.clientY, moved: 0 };
    const slice = this.pane.pictureIndex(v.scene, v.view), [x, y] = this.pixel(e);
    const reach = HIT / this.pane.frame(this.head, v.view).scale;
    const hit = mode === "pan" && e.shiftKey ? null : e.button === 0 && !["region", "outline"].includes(mode) ? v.marks.hit(slice, x, y, reach) : null;
    if (hit) {
      v.marks.remember();
      v.marks.chosen = hit.mark;
      this.drag = { ...this.drag, mode: "edit", mark: hit.mark, handle: hit.handle, from: [x, y] };
    } else if (DRAWING.includes(/** @type {Tool} */ (mode))) {
      v.marks.chosen = null;
      v.marks.draft = { kind: /** @type {Mark["kind"]} */ (mode), slice, points: [[x, y], [x, y]], text: [] };
    } else v.marks.chosen = null;
    v.redraw();
  }

  /** @param {PointerEvent} e */
  move(e) {
    const v = this.viewer;
    if (!v.scene) return;
    const before = this.down.get(e.pointerId);
    if (before) {
      const dx = e.clientX - before.x, dy = e.clientY - before.y;
      if (this.down.size >= 2) this.pinch(e, before);
      else if (this.drag) {
        this.drag.moved = Math.max(this.drag.moved, Math.hypot(e.clientX - this.drag.x, e.clientY - this.drag.y));
        this.dragBy(e, dx, dy);
      }
      this.down.set(e.pointerId, { x: e.clientX, y: e.clientY });
    }
    const at = this.pane.locate(e, this.head, v.view), inside = at.u >= 0 && at.u < 1 && at.v >= 0 && at.v < 1;
    v.point(inside ? at : null, this.pane);
  }

  /** @param {PointerEvent} e @param {number} dx @param {number} dy */
  dragBy(e, dx, dy) {
    const v = this.viewer, drag = /** @type {NonNullable<Gestures["drag"]>} */ (this.drag);
    if (drag.mode === "edit" && drag.mark && drag.from) {
      const [x, y] = this.pixel(e), mark = drag.mark;
      if (drag.handle !== undefined && drag.handle >= 0) mark.points[drag.handle] = [x, y];
      else mark.points = mark.points.map(([px, py]) => [px + x - /** @type {number[]} */ (drag.from)[0], py + y - /** @type {number[]} */ (drag.from)[1]]);
      drag.from = [x, y];
      measure(v.pictures[mark.slice], mark, () => v.redraw());
      v.redraw();
    } else if (v.marks.draft) {
      const mark = v.marks.draft, at = this.pixel(e);
      if (mark.kind === "outline") mark.points.push(at); else mark.points[1] = at;
      if (mark.kind !== "outline") measure(v.pictures[mark.slice], mark, () => v.redraw());
      v.redraw();
    } else if (drag.mode === "pan") v.pan(this.pane, dx, dy);
    else if (drag.mode === "zoom") v.zoomAt(this.pane, Math.exp(-dy * 0.008), this.pane.locate({ clientX: drag.x, clientY: drag.y }, this.head, v.view));
    else if (drag.mode === "window") v.windowBy(dx, dy);
  }

  /** @param {PointerEvent} e @param {boolean} done */
  release(e, done) {
    const v = this.viewer, drag = this.drag;
    this.down.delete(e.pointerId);
    if (!drag || !v.scene) return;
    this.drag = null;
    const draft = v.marks.draft;
    v.marks.draft = null;
    if (drag.mode === "edit" && drag.mark) {
      if (drag.moved < CLICK) v.marks.past.pop(); // chosen, not changed
      else if (drag.mark.kind === "region") v.reportLesion();
    } else if (draft && done) v.finish(draft);
    else if (done && drag.moved < CLICK && e.button === 0 && !e.shiftKey) v.ask(this.pane.locate(e, this.head, v.view), this.pane);
    v.tell(); v.redraw();
  }

  abandon() { this.drag = null; this.viewer.marks.draft = null; }

  /** Two fingers: their gap zooms, their middle pans. @param {PointerEvent} e @param {{x: number, y: number}} before */
  pinch(e, before) {
    const v = this.viewer, other = [...this.down.entries()].find(([id]) => id !== e.pointerId)?.[1];
    if (!other) return;
    const gap = (/** @type {{x: number, y: number}} */ p) => Math.hypot(p.x - other.x, p.y - other.y);
    const now = { x: e.clientX, y: e.clientY };
    v.pan(this.pane, (now.x - before.x) / 2, (now.y - before.y) / 2);
    const middle = { clientX: (now.x + other.x) / 2, clientY: (now.y + other.y) / 2 };
    v.zoomAt(this.pane, gap(now) / Math.max(gap(before), 1), this.pane.locate(middle, this.head, v.view));
  }

  /** @param {WheelEvent} e */
  wheel(e) {
    const v = this.viewer, root = /** @type {ShadowRoot | Document} */ (this.pane.canvas.getRootNode());
    if (!v.scene || !(root.activeElement === this.pane.canvas || e.ctrlKey || v.fullscreen())) return;
    e.preventDefault();
    if (v.stacked() && !e.ctrlKey) {
      // A wheel notch is about 100; a touchpad sends many small steps.
      this.turned = (this.turned ?? 0) + e.deltaY;
      const steps = Math.trunc(this.turned / 40) && Math.sign(this.turned) * Math.max(1, Math.floor(Math.abs(this.turned) / 100));
      if (steps) { this.turned = 0; v.toSlice(v.view.slice + steps); }
    } else v.zoomAt(this.pane, Math.exp(-e.deltaY * 0.0016), this.pane.locate(e, this.head, v.view));
  }
}

/** Arrow keys and Enter with the chosen tool. @param {any} v @param {Pane} pane @param {KeyboardEvent} e @returns {boolean} */
function arrowKeys(v, pane, e) {
  const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[e.key];
  const tool = /** @type {Tool} */ (v.view.tool), head = pane.head(v.scene, v.view), pen = DRAWING.includes(tool) || tool === "place";
  if (e.key === "Enter" && pen) {
    const at = v.pen ?? { u: v.view.x, v: v.view.y }, point = [at.u * head.width, at.v * head.height];
    if (tool === "place") v.ask(at, pane);
    else if (!v.marks.draft) v.marks.draft = { kind: tool, slice: pane.pictureIndex(v.scene, v.view), points: [point, point], text: [] };
    else if (tool === "outline" && !e.ctrlKey && !near(v.marks.draft.points[0], point)) v.marks.draft.points.push(point);
    else { const draft = v.marks.draft; v.marks.draft = null; if (tool !== "outline") draft.points[1] = point; v.finish(draft); }
    v.pen = at;
  } else if (!step) return false;
  else if (pen) {
    const far = (e.shiftKey ? 20 : 4) / pane.frame(head, v.view).scale;
    const f = pane.frame(head, v.view), at = v.pen ?? { u: v.view.x, v: v.view.y };
    const [x, y] = Pane.place(f, at.u, at.v), moved = Pane.share(f, x + step[0] * far * f.scale, y + step[1] * far * f.scale);
    v.pen = { u: Math.min(Math.max(moved.u, 0), 1), v: Math.min(Math.max(moved.v, 0), 1) };
    const draft = v.marks.draft;
    if (draft && draft.kind !== "outline") {
      draft.points[1] = [v.pen.u * head.width, v.pen.v * head.height];
      measure(v.pictures[draft.slice], draft, () => v.redraw());
    }
    v.point(v.pen, null);
  } else if (tool === "window") v.windowBy(step[0] * 12, step[1] * 12);
  else if (tool === "zoom") v.zoomAt(pane, step[1] + step[0] * -1 < 0 ? 1.1 : 1 / 1.1, { u: v.view.x, v: v.view.y });
  else v.pan(pane, -40 * step[0], -40 * step[1]);
  v.redraw();
  return true;
}

/** @param {number[]} a @param {number[]} b */
function near(a, b) { return Math.hypot(a[0] - b[0], a[1] - b[1]) < SMALLEST_REGION; }
