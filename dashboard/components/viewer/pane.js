// @ts-check
// One pane: a canvas with the image, a map, contours, the box and a scale bar, under a shared view.

/**
 * @typedef {{zoom: number, x: number, y: number, centre: number, width: number, invert: boolean, layer: string,
 *   opacity: number, threshold: number, colourMap: string, colours: boolean, contours: boolean, boxes: boolean,
 *   tool: "window" | "pan" | "region", region: [number, number, number, number] | null}} View
 * `x`, `y`: image position, as a share, at the middle of the pane. `region`: image pixels.
 */

const CONTOUR_SHARES = [0.25, 0.5, 0.75];

class Pane {
  /**
   * @param {HTMLCanvasElement} canvas
   * @param {boolean} withLayer
   */
  constructor(canvas, withLayer) {
    this.canvas = canvas;
    this.withLayer = withLayer;
  }

  /** CSS pixels per image pixel when the whole image fits. @param {Scene} scene */
  fit(scene) {
    return Math.min(this.canvas.clientWidth / scene.width, this.canvas.clientHeight / scene.height);
  }

  /** Where the image lies, CSS pixels. @param {Scene} scene @param {View} view */
  frame(scene, view) {
    const scale = this.fit(scene) * view.zoom;
    const w = scene.width * scale, h = scene.height * scale;
    return { left: this.canvas.clientWidth / 2 - view.x * w, top: this.canvas.clientHeight / 2 - view.y * h, w, h, scale };
  }

  /** Image position, as shares, under a pointer. @param {PointerEvent | WheelEvent | MouseEvent} event @param {Scene} scene @param {View} view */
  locate(event, scene, view) {
    const rect = this.canvas.getBoundingClientRect();
    const f = this.frame(scene, view);
    return { u: (event.clientX - rect.left - f.left) / f.w, v: (event.clientY - rect.top - f.top) / f.h };
  }

  /**
   * @param {Scene} scene
   * @param {View} view
   * @param {HTMLCanvasElement} base the windowed image
   * @param {{layer: Layer, picture: HTMLCanvasElement, lines: number[][]} | null} over
   * @param {{u: number, v: number} | null} cursor
   */
  draw(scene, view, base, over, cursor) {
    const ratio = window.devicePixelRatio || 1;
    const w = Math.round(this.canvas.clientWidth * ratio), h = Math.round(this.canvas.clientHeight * ratio);
    if (!w || !h) return;
    if (this.canvas.width !== w || this.canvas.height !== h) { this.canvas.width = w; this.canvas.height = h; }
    const g = /** @type {CanvasRenderingContext2D} */ (this.canvas.getContext("2d"));
    g.setTransform(ratio, 0, 0, ratio, 0, 0);
    g.fillStyle = "#000";
    g.fillRect(0, 0, w, h);
    const f = this.frame(scene, view);
    g.imageSmoothingEnabled = f.scale < 3;
    g.imageSmoothingQuality = "high";
    g.drawImage(base, f.left, f.top, f.w, f.h);
    if (this.withLayer && over) {
      g.imageSmoothingEnabled = true;
      if (view.colours) g.drawImage(over.picture, f.left, f.top, f.w, f.h);
      if (view.contours) over.lines.forEach((line, i) => this.lines(g, f, line, 0.8 + 0.5 * i));
    }
    if (view.boxes && scene.box) this.box(g, f, scene, scene.box, "#7fe0c3", [6, 4]);
    if (view.region) this.box(g, f, scene, view.region, "#ffd479", []);
    this.scaleBar(g, f, scene);
    if (cursor) this.cross(g, f.left + cursor.u * f.w, f.top + cursor.v * f.h);
  }

  /** @param {CanvasRenderingContext2D} g @param {{left: number, top: number, w: number, h: number}} f @param {number[]} line @param {number} width */
  lines(g, f, line, width) {
    g.beginPath();
    for (let i = 0; i < line.length; i += 4) {
      g.moveTo(f.left + line[i] * f.w, f.top + line[i + 1] * f.h);
      g.lineTo(f.left + line[i + 2] * f.w, f.top + line[i + 3] * f.h);
    }
    // A dark edge keeps a white line readable on bright tissue.
    g.setLineDash([]); g.lineCap = "round";
    g.lineWidth = width + 1.6; g.strokeStyle = "rgba(0,0,0,0.55)"; g.stroke();
    g.lineWidth = width; g.strokeStyle = "#fff"; g.stroke();
  }

  /** @param {CanvasRenderingContext2D} g @param {{left: number, top: number, w: number, h: number}} f @param {Scene} scene @param {number[]} b @param {string} colour @param {number[]} dash */
  box(g, f, scene, b, colour, dash) {
    const x = f.left + (b[0] / scene.width) * f.w, y = f.top + (b[1] / scene.height) * f.h;
    const w = ((b[2] - b[0]) / scene.width) * f.w, h = ((b[3] - b[1]) / scene.height) * f.h;
    g.setLineDash(dash);
    g.lineWidth = 3; g.strokeStyle = "rgba(0,0,0,0.5)"; g.strokeRect(x, y, w, h);
    g.lineWidth = 1.5; g.strokeStyle = colour; g.strokeRect(x, y, w, h);
    g.setLineDash([]);
  }

  /** A ruler at the foot, where the spacing is known. @param {CanvasRenderingContext2D} g @param {{scale: number}} f @param {Scene} scene */
  scaleBar(g, f, scene) {
    if (!scene.spacing) return;
    const perMm = f.scale / scene.spacing[1];
    const mm = [1, 2, 5, 10, 20, 50, 100].find((m) => m * perMm > 48) || 100;
    const x = 12 + mm * perMm, y = this.canvas.clientHeight - 10;
    g.lineWidth = 4; g.strokeStyle = "rgba(0,0,0,0.6)"; g.beginPath(); g.moveTo(x, y); g.lineTo(x - mm * perMm, y); g.stroke();
    g.lineWidth = 2; g.strokeStyle = "#fff"; g.stroke();
    g.font = "11px sans-serif"; g.textAlign = "left"; g.lineWidth = 3; g.strokeStyle = "rgba(0,0,0,0.7)";
    g.strokeText(`${mm} mm`, 12, y - 6); g.fillStyle = "#fff"; g.fillText(`${mm} mm`, 12, y - 6);
  }

  /** The same place in the other pane. @param {CanvasRenderingContext2D} g @param {number} x @param {number} y */
  cross(g, x, y) {
    g.lineWidth = 1; g.strokeStyle = "rgba(255,255,255,0.8)"; g.beginPath();
    g.moveTo(x - 9, y); g.lineTo(x - 3, y); g.moveTo(x + 3, y); g.lineTo(x + 9, y);
    g.moveTo(x, y - 9); g.lineTo(x, y - 3); g.moveTo(x, y + 3); g.lineTo(x, y + 9); g.stroke();
  }
}
