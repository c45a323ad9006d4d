// @ts-check
// One pane: a canvas with a picture, a map, contours, boxes, measurements and a scale bar, under a shared view.

/**
 * @typedef {"window" | "pan" | "zoom" | "scroll" | "length" | "ellipse" | "rectangle" | "place" | "region" | "outline"} Tool
 * @typedef {{zoom: number, x: number, y: number, turn: number, flip: boolean, window: [number, number] | null,
 *   windowOf: number, invert: boolean, slice: number, layer: string, field: string, opacity: number, threshold: number, colourMap: string, colours: boolean,
 *   contours: boolean, boxes: boolean, lesion: boolean, tool: Tool}} View
 * `x`, `y`: picture position, as a share, at the middle of every pane. `turn`: quarter turns clockwise, after `flip`,
 * which mirrors left and right. `window`: values that are black and white in picture `windowOf`; null: as stated.
 * `layer`, `field`: the map and the field the reader chose.
 * @typedef {{u: number, v: number}} Place shares of the picture's width and height
 */

const CONTOUR_SHARES = [0.25, 0.5, 0.75];
const COSINES = [1, 0, -1, 0];

class Pane {
  /** @param {HTMLCanvasElement} canvas @param {string} source "image", "image:N", "layer", "attention", "difference" or the id of a layer */
  constructor(canvas, source) {
    this.canvas = canvas;
    this.source = source;
    /** Where labels of marks lie, CSS pixels: left, top, right, bottom. @type {number[][]} */ this.labels = [];
  }

  /** Index of the picture shown. @param {Scene} scene @param {View} view */
  pictureIndex(scene, view) {
    if (this.source.startsWith("image:")) return Math.min(Number(this.source.slice(6)), scene.pictures.length - 1);
    return this.source === "image" ? view.slice : scene.layerPicture;
  }

  /** @param {Scene} scene @param {View} view */
  head(scene, view) { return scene.pictures[this.pictureIndex(scene, view)]; }

  /** Layer laid over the picture, or null. @param {Scene} scene @param {View} view */
  layerOf(scene, view) {
    if (this.source === "attention") return scene.layers.find((l) => l.field === view.field && l.field && !l.signed) ?? null;
    if (this.source === "difference") return scene.layers.find((l) => l.field === view.field && l.field && l.signed) ?? null;
    const id = this.source === "layer" ? view.layer : this.source;
    return scene.layers.find((l) => l.id === id) ?? null;
  }

  /** Screen pixels per picture column where the whole picture fits. @param {PictureHead} head @param {View} view */
  fit(head, view) {
    const tall = head.height * aspect(head);
    const [w, h] = view.turn % 2 ? [tall, head.width] : [head.width, tall];
    return Math.min(this.canvas.clientWidth / w, this.canvas.clientHeight / h);
  }

  /** The picture's place on the pane: screen = middle + matrix x (share - middle share). @param {PictureHead} head @param {View} view */
  frame(head, view) {
    const scale = this.fit(head, view) * view.zoom;
    const c = COSINES[view.turn], s = COSINES[(view.turn + 3) % 4], w = head.width * scale * (view.flip ? -1 : 1), h = head.height * aspect(head) * scale;
    return { scale, cx: this.canvas.clientWidth / 2, cy: this.canvas.clientHeight / 2, a: c * w, b: -s * h, c: s * w, d: c * h, x: view.x, y: view.y };
  }

  /** Share -> CSS pixels. @param {ReturnType<Pane["frame"]>} f @param {number} u @param {number} v @returns {[number, number]} */
  static place(f, u, v) {
    const du = u - f.x, dv = v - f.y;
    return [f.cx + f.a * du + f.b * dv, f.cy + f.c * du + f.d * dv];
  }

  /** CSS pixels -> share. @param {ReturnType<Pane["frame"]>} f @param {number} x @param {number} y @returns {Place} */
  static share(f, x, y) {
    const det = f.a * f.d - f.b * f.c, dx = x - f.cx, dy = y - f.cy;
    return { u: f.x + (f.d * dx - f.b * dy) / det, v: f.y + (f.a * dy - f.c * dx) / det };
  }

  /** @param {{clientX: number, clientY: number}} event @param {PictureHead} head @param {View} view */
  locate(event, head, view) {
    const rect = this.canvas.getBoundingClientRect();
    return Pane.share(this.frame(head, view), event.clientX - rect.left, event.clientY - rect.top);
  }

  /** Part of the picture on screen, picture pixels. @param {PictureHead} head @param {View} view @returns {[number, number, number, number]} */
  visible(head, view) {
    const f = this.frame(head, view), w = this.canvas.clientWidth, h = this.canvas.clientHeight;
    const ends = [Pane.share(f, 0, 0), Pane.share(f, w, 0), Pane.share(f, 0, h), Pane.share(f, w, h)];
    const u = ends.map((e) => Math.min(Math.max(e.u, 0), 1) * head.width), v = ends.map((e) => Math.min(Math.max(e.v, 0), 1) * head.height);
    return [Math.min(...u), Math.min(...v), Math.max(...u), Math.max(...v)];
  }

  /**
   * @param {import("./viewer.js").Viewer} viewer
   * @param {Place | null} cursor
   */
  draw(viewer, cursor) {
    const scene = viewer.scene, view = viewer.view;
    const ratio = window.devicePixelRatio || 1;
    const w = Math.round(this.canvas.clientWidth * ratio), h = Math.round(this.canvas.clientHeight * ratio);
    if (!w || !h || !scene) return;
    if (this.canvas.width !== w || this.canvas.height !== h) { this.canvas.width = w; this.canvas.height = h; }
    const g = /** @type {CanvasRenderingContext2D} */ (this.canvas.getContext("2d", { willReadFrequently: renderer().name === "canvas" }));
    g.setTransform(1, 0, 0, 1, 0, 0);
    g.fillStyle = "#000";
    g.fillRect(0, 0, w, h);
    const index = this.pictureIndex(scene, view), head = scene.pictures[index], picture = viewer.pictures[index];
    const f = this.frame(head, view), draw = renderer();
    let k = picture.levelFor(f.scale * ratio);
    while (Math.max(head.width, head.height) / 2 ** k > draw.largest) k++;
    void picture.need(k, this.visible(head, view));
    const level = picture.best(k), layer = this.layerOf(scene, view), on = layer && index === scene.layerPicture ? layer : null;
    this.shown = level ? { index, k: level.k, complete: level.left === 0 } : null;
    if (level) {
      const det = (f.a * f.d - f.b * f.c) * ratio, lw = head.width / 2 ** level.k, lh = head.height / 2 ** level.k;
      const ax = [(f.d / det) * lw, (-f.b / det) * lw, 0], ay = [(-f.c / det) * lh, (f.a / det) * lh, 0];
      ax[2] = f.x * lw - ax[0] * f.cx * ratio - ax[1] * f.cy * ratio; ay[2] = f.y * lh - ay[0] * f.cx * ratio - ay[1] * f.cy * ratio;
      const canvas = draw.draw(level, head.channels, {
        width: w, height: h, ax, ay, ...windowLine(head, ...viewer.windowOf(head), view.invert), smooth: f.scale * ratio < 4 * 2 ** level.k,
        padding: head.padding, layer: view.colours ? on : null, table: scene.colourMaps[view.colourMap], signed: scene.signedColours,
        opacity: view.opacity, threshold: view.threshold,
      }, this);
      g.drawImage(canvas, 0, 0, w, h, 0, 0, w, h);
    }
    g.setTransform(ratio, 0, 0, ratio, 0, 0);
    if (!level) this.say(g, `Loading ${head.title || "the image"}`);
    const own = index === scene.layerPicture;
    if (on && view.contours && !on.signed) {
      CONTOUR_SHARES.forEach((s, i) => { if (s >= view.threshold) this.lines(g, f, viewer.contourOf(on, on.floor + s * (on.reference - on.floor)), 0.8 + 0.5 * i, "#fff", []); });
    }
    const lesion = scene.layers.find((l) => l.id === "lesion");
    if (own && view.lesion && lesion) this.lines(g, f, viewer.contourOf(lesion, 0.5), 1.6, "#7fe0c3", []);
    if (own && view.boxes && scene.box) this.shape(g, f, head, corners(scene.box), "#7fe0c3", [6, 4]);
    if (view.boxes && viewer.look?.[4] === index && !viewer.marks.lesion) this.shape(g, f, head, corners(viewer.look), "#7fe0c3", [6, 4]);
    this.labels = [];
    const shown = viewer.outlines.filter((/** @type {Mark} */ m) => m.slice === index);
    for (const mark of [...viewer.marks.drawn(index), ...shown]) drawMark(this, g, f, head, mark, mark === viewer.marks.chosen);
    if (viewer.place && own) this.pin(g, ...Pane.place(f, viewer.place.u, viewer.place.v));
    this.scaleBar(g, f, head);
    if (cursor) this.cross(g, ...Pane.place(f, cursor.u, cursor.v));
    viewer.frames++;
  }

  /** @param {CanvasRenderingContext2D} g @param {string} text */
  say(g, text) {
    g.font = "13px sans-serif"; g.textAlign = "center"; g.fillStyle = "#9fb0bd";
    g.fillText(text, this.canvas.clientWidth / 2, this.canvas.clientHeight / 2);
    g.textAlign = "left";
  }

  /** @param {CanvasRenderingContext2D} g @param {ReturnType<Pane["frame"]>} f @param {number[]} line @param {number} width @param {string} colour @param {number[]} dash */
  lines(g, f, line, width, colour, dash) {
    g.beginPath();
    for (let i = 0; i < line.length; i += 4) {
      g.moveTo(...Pane.place(f, line[i], line[i + 1])); g.lineTo(...Pane.place(f, line[i + 2], line[i + 3]));
    }
    // A dark edge keeps a light line readable on bright tissue.
    g.setLineDash(dash); g.lineCap = "round";
    g.lineWidth = width + 1.6; g.strokeStyle = "rgba(0,0,0,0.55)"; g.stroke();
    g.lineWidth = width; g.strokeStyle = colour; g.stroke();
    g.setLineDash([]);
  }

  /** A closed line through picture pixels. @param {CanvasRenderingContext2D} g @param {ReturnType<Pane["frame"]>} f @param {PictureHead} head @param {number[][]} points @param {string} colour @param {number[]} dash @param {boolean} [open] */
  shape(g, f, head, points, colour, dash, open) {
    g.beginPath();
    points.forEach(([x, y], i) => { const at = Pane.place(f, x / head.width, y / head.height); if (i) g.lineTo(...at); else g.moveTo(...at); });
    if (!open) g.closePath();
    g.setLineDash(dash);
    g.lineWidth = 3; g.strokeStyle = "rgba(0,0,0,0.5)"; g.stroke();
    g.lineWidth = 1.5; g.strokeStyle = colour; g.stroke();
    g.setLineDash([]);
  }

  /** A ruler at the foot, where the spacing is known. @param {CanvasRenderingContext2D} g @param {ReturnType<Pane["frame"]>} f @param {PictureHead} head */
  scaleBar(g, f, head) {
    if (!head.spacing) return;
    const perMm = f.scale / head.spacing[1];
    const mm = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100].find((m) => m * perMm > 48) || 200;
    const x = 12 + mm * perMm, y = this.canvas.clientHeight - 10;
    g.lineWidth = 4; g.strokeStyle = "rgba(0,0,0,0.6)"; g.beginPath(); g.moveTo(x, y); g.lineTo(12, y); g.stroke();
    g.lineWidth = 2; g.strokeStyle = "#fff"; g.stroke();
    this.text(g, `${mm} mm`, 12, y - 6, "#fff");
  }

  /** @param {CanvasRenderingContext2D} g @param {string} text @param {number} x @param {number} y @param {string} colour */
  text(g, text, x, y, colour) {
    g.font = "12px sans-serif"; g.lineWidth = 3; g.strokeStyle = "rgba(0,0,0,0.75)"; g.lineJoin = "round";
    g.strokeText(text, x, y); g.fillStyle = colour; g.fillText(text, x, y);
  }

  /** The same place in the other panes. @param {CanvasRenderingContext2D} g @param {number} x @param {number} y */
  cross(g, x, y) {
    g.lineWidth = 1; g.strokeStyle = "rgba(255,255,255,0.8)"; g.beginPath();
    g.moveTo(x - 9, y); g.lineTo(x - 3, y); g.moveTo(x + 3, y); g.lineTo(x + 9, y);
    g.moveTo(x, y - 9); g.lineTo(x, y - 3); g.moveTo(x, y + 3); g.lineTo(x, y + 9); g.stroke();
  }

  /** The place whose fields are listed. @param {CanvasRenderingContext2D} g @param {number} x @param {number} y */
  pin(g, x, y) {
    for (const [width, colour] of /** @type {[number, string][]} */ ([[4, "rgba(0,0,0,0.6)"], [2, "#ffd479"]])) {
      g.lineWidth = width; g.strokeStyle = colour; g.beginPath(); g.arc(x, y, 7, 0, 2 * Math.PI);
      g.moveTo(x - 11, y); g.lineTo(x - 4, y); g.moveTo(x + 4, y); g.lineTo(x + 11, y); g.stroke();
    }
  }
}

/** Height of a pixel over its width. @param {PictureHead} head */
function aspect(head) { return head.spacing ? head.spacing[0] / head.spacing[1] : 1; }

/** @param {number[]} b */
function corners(b) { return [[b[0], b[1]], [b[2], b[1]], [b[2], b[3]], [b[0], b[3]]]; }
