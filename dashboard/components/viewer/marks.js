// @ts-check
// What the reader draws: length, ellipse, rectangle, and where the lesion is (box or outline); with undo.

/**
 * @typedef {{kind: "length" | "ellipse" | "rectangle" | "region" | "outline", slice: number, points: number[][],
 *   text: string[]}} Mark
 * `points`: picture pixels. Two ends; for an outline the whole line.
 */

/** Smallest box a reader can draw, picture pixels; and how near a handle counts as hit, CSS pixels. */
const SMALLEST_REGION = 8, HIT = 9;
/** Between the lines of a label, CSS pixels. */
const LINE = 15;
const MARK_COLOURS = { length: "#ffe08a", ellipse: "#8ad8ff", rectangle: "#8ad8ff", region: "#ffd479", outline: "#ffd479" };

class Marks {
  constructor() {
    /** @type {Mark[]} */ this.list = [];
    /** @type {Mark[][]} */ this.past = [];
    /** @type {Mark | null} */ this.draft = null;
    /** @type {Mark | null} */ this.chosen = null;
  }

  /** @param {number} slice */
  drawn(slice) { return (this.draft ? [...this.list, this.draft] : this.list).filter((m) => m.slice === slice); }

  get lesion() { return this.list.find((m) => m.kind === "region" || m.kind === "outline") ?? null; }

  copy() {
    const to = new Marks(), clone = (/** @type {Mark[]} */ list) => list.map((m) => ({ ...m, points: m.points.map((p) => [...p]) }));
    to.list = clone(this.list); to.past = this.past.map(clone);
    return to;
  }

  remember() { this.past.push(this.list.map((m) => ({ ...m, points: m.points.map((p) => [...p]) }))); if (this.past.length > 50) this.past.shift(); }

  /** One lesion mark a picture set: the newest. @param {Mark} mark */
  add(mark) {
    this.remember();
    if (mark.kind === "region" || mark.kind === "outline") this.list = this.list.filter((m) => m.kind !== "region" && m.kind !== "outline");
    this.list.push(mark);
    this.chosen = mark;
  }

  /** @param {Mark | null} mark */
  remove(mark) {
    if (!mark) return false;
    this.remember();
    this.list = this.list.filter((m) => m !== mark);
    this.chosen = null;
    return true;
  }

  undo() {
    const before = this.past.pop();
    if (!before) return false;
    this.list = before;
    this.chosen = null;
    return true;
  }

  clear() { if (this.list.length) this.remember(); this.list = []; this.chosen = null; }

  /** The mark and handle under a place. @param {number} slice @param {number} x @param {number} y @param {number} reach picture pixels @returns {{mark: Mark, handle: number} | null} */
  hit(slice, x, y, reach) {
    for (const mark of [...this.list].reverse()) {
      if (mark.slice !== slice || mark.kind === "outline") continue;
      const handle = mark.points.findIndex(([px, py]) => Math.hypot(px - x, py - y) < reach);
      if (handle >= 0) return { mark, handle };
      if (mark.kind === "length" && toSegment(x, y, mark.points[0], mark.points[1]) < reach) return { mark, handle: -1 };
      if (mark.kind !== "length") {
        const [x0, y0, x1, y1] = boxOf(mark);
        const edge = Math.min(Math.abs(x - x0), Math.abs(x - x1)) < reach && y > y0 - reach && y < y1 + reach;
        const side = Math.min(Math.abs(y - y0), Math.abs(y - y1)) < reach && x > x0 - reach && x < x1 + reach;
        if (edge || side) return { mark, handle: -1 };
      }
    }
    return null;
  }
}

/** @param {number} x @param {number} y @param {number[]} a @param {number[]} b */
function toSegment(x, y, a, b) {
  const dx = b[0] - a[0], dy = b[1] - a[1], t = Math.min(Math.max(((x - a[0]) * dx + (y - a[1]) * dy) / (dx * dx + dy * dy || 1), 0), 1);
  return Math.hypot(x - a[0] - t * dx, y - a[1] - t * dy);
}

/** Box round a mark. @param {Mark} mark @returns {[number, number, number, number]} */
function boxOf(mark) {
  const x = mark.points.map((p) => p[0]), y = mark.points.map((p) => p[1]);
  return [Math.min(...x), Math.min(...y), Math.max(...x), Math.max(...y)];
}

/** A length with its unit: mm where the spacing is known, else pixels. @param {PictureHead} head @param {Mark} mark */
function lengthText(head, mark) {
  const [[x0, y0], [x1, y1]] = mark.points, [sy, sx] = head.spacing ?? [1, 1];
  const length = Math.hypot((x1 - x0) * sx, (y1 - y0) * sy);
  return head.spacing ? `${length.toFixed(1)} mm` : `${length.toFixed(1)} pixels (no spacing in the file)`;
}

/** Area of a mark in the square of its unit. @param {PictureHead} head @param {Mark} mark */
function areaText(head, mark) {
  const [x0, y0, x1, y1] = boxOf(mark), [sy, sx] = head.spacing ?? [1, 1];
  const area = (x1 - x0) * sx * (y1 - y0) * sy * (mark.kind === "ellipse" ? Math.PI / 4 : 1);
  return head.spacing ? `Area ${area.toFixed(area < 10 ? 2 : 1)} mm²` : `Area ${Math.round(area)} pixels (no spacing in the file)`;
}

/**
 * Mean and standard deviation (over n) of the values whose centres lie inside.
 * @param {Picture} picture at full resolution there
 * @param {Mark} mark
 * @returns {{n: number, mean: number, sd: number} | null} null where a pixel is not there yet
 */
function statistics(picture, mark) {
  const { head } = picture, level = picture.pyramid.get(0);
  if (!level) return null;
  const [x0, y0, x1, y1] = boxOf(mark), cx = (x0 + x1) / 2, cy = (y0 + y1) / 2, rx = (x1 - x0) / 2 || 1e-9, ry = (y1 - y0) / 2 || 1e-9;
  const columns = Math.ceil(level.w / head.tile), c = head.channels;
  let n = 0, sum = 0, squares = 0;
  for (let y = Math.max(0, Math.ceil(y0 - 0.5)); y < Math.min(level.h, y1 - 0.5 + 1e-9); y++) {
    for (let x = Math.max(0, Math.ceil(x0 - 0.5)); x < Math.min(level.w, x1 - 0.5 + 1e-9); x++) {
      if (mark.kind === "ellipse" && ((x + 0.5 - cx) / rx) ** 2 + ((y + 0.5 - cy) / ry) ** 2 > 1) continue;
      if (!level.have[Math.floor(y / head.tile) * columns + Math.floor(x / head.tile)]) return null;
      const i = (y * level.w + x) * c;
      if (head.padding && level.data[i] >= head.padding[0] && level.data[i] <= head.padding[1]) continue;
      const steps = c === 3 ? 0.299 * level.data[i] + 0.587 * level.data[i + 1] + 0.114 * level.data[i + 2] : level.data[i];
      n++; sum += steps; squares += steps * steps;
    }
  }
  if (!n) return { n, mean: NaN, sd: NaN };
  const mean = sum / n;
  return { n, mean: picture.value(mean), sd: Math.abs(head.slope) * Math.sqrt(Math.max(squares / n - mean * mean, 0)) };
}

/** Fills in a mark's text; asks for the pixels it needs. @param {Picture} picture @param {Mark} mark @param {() => void} done */
function measure(picture, mark, done) {
  const { head } = picture;
  if (mark.kind === "length") { mark.text = [lengthText(head, mark)]; return; }
  if (mark.kind === "region" || mark.kind === "outline") { mark.text = ["Lesion, marked by the reader"]; return; }
  const write = () => {
    const found = statistics(picture, mark), unit = head.unit ? ` ${head.unit}` : "";
    const numbers = !found ? "Reading full resolution" : found.n ? `Mean ${found.mean.toFixed(1)}, SD ${found.sd.toFixed(1)}${unit}` : "No pixel inside";
    mark.text = [numbers, areaText(head, mark)];
    return found !== null;
  };
  if (!write()) void picture.need(0, boxOf(mark)).then(() => { write(); done(); });
}

/** @param {Pane} pane @param {CanvasRenderingContext2D} g @param {ReturnType<Pane["frame"]>} f @param {PictureHead} head @param {Mark} mark @param {boolean} chosen */
function drawMark(pane, g, f, head, mark, chosen) {
  const colour = MARK_COLOURS[mark.kind];
  /** @param {number[]} p */
  const at = (p) => Pane.place(f, p[0] / head.width, p[1] / head.height);
  if (mark.kind === "length") pane.shape(g, f, head, mark.points, colour, [], true);
  else if (mark.kind === "outline") pane.shape(g, f, head, mark.points, colour, []);
  else if (mark.kind === "ellipse") {
    const [x0, y0, x1, y1] = boxOf(mark), ring = [];
    for (let i = 0; i < 64; i++) ring.push([(x0 + x1) / 2 + ((x1 - x0) / 2) * Math.cos((i * Math.PI) / 32), (y0 + y1) / 2 + ((y1 - y0) / 2) * Math.sin((i * Math.PI) / 32)]);
    pane.shape(g, f, head, ring, colour, []);
  } else pane.shape(g, f, head, corners(boxOf(mark)), colour, []);
  if (mark.kind !== "outline") {
    for (const p of mark.points) {
      const [x, y] = at(p), r = chosen ? 4.5 : 3;
      g.fillStyle = colour; g.strokeStyle = "rgba(0,0,0,0.7)"; g.lineWidth = 1;
      g.fillRect(x - r, y - r, 2 * r, 2 * r); g.strokeRect(x - r, y - r, 2 * r, 2 * r);
    }
  }
  const ends = mark.points.map(at), left = Math.min(...ends.map((p) => p[0])), top = Math.min(...ends.map((p) => p[1])), right = Math.max(...ends.map((p) => p[0])), bottom = Math.max(...ends.map((p) => p[1]));
  const w = pane.canvas.clientWidth, h = pane.canvas.clientHeight;
  if (left > w || top > h || right < 0 || bottom < 0) return; // out of view: its label would only push others away
  g.font = "12px sans-serif";
  const wide = Math.max(...mark.text.map((t) => g.measureText(t).width), 0);
  const x = Math.min(Math.max(right + 6, 4), Math.max(w - wide - 4, 4)), last = h - LINE * mark.text.length;
  const y = clearLine(pane.labels, x, Math.min(Math.max(bottom + 4, 14), last), wide, mark.text.length, last);
  mark.text.forEach((t, i) => pane.text(g, t, x, y + LINE * i, colour));
  pane.labels.push([x, y - 12, x + wide, y - 12 + LINE * mark.text.length]);
}

/** Where lines of text lie over no other label: the nearest line to `y`; `y` itself where there is no room.
 * @param {number[][]} labels left, top, right, bottom of each @param {number} x @param {number} y of the first baseline
 * @param {number} wide @param {number} lines @param {number} last the lowest first baseline */
function clearLine(labels, x, y, wide, lines, last) {
  const free = (/** @type {number} */ at) => labels.every(([l, t, r, b]) => x >= r || x + wide <= l || at - 12 >= b || at - 12 + LINE * lines <= t);
  const near = [0, ...Array.from({ length: 18 }, (_, i) => i + 1).flatMap((i) => [i * 5, -i * 5])].map((d) => y + d);
  return near.find((at) => at >= 14 && at <= Math.max(last, 14) && free(at)) ?? y;
}
