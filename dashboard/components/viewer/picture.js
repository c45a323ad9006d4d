// @ts-check
// A picture in the browser: its pixels at full depth, tile by tile, at the resolution the screen needs.

/** Requests under way at once, and how many of them may be for slices that are not on screen. */
const REQUESTS = 6, AHEAD = 3;
/** Bytes of pixels kept; the slices farthest from the one on screen go first. */
const PIXEL_BYTES = 512 * 1024 * 1024;

/** Asks for what is on screen first, and fills the time with what may be wanted next. */
class Loader {
  constructor() {
    /** @type {(() => Promise<void>)[]} */ this.now = [];
    /** @type {(() => (() => Promise<void>) | null) | null} what to fetch when nothing is asked for */ this.ahead = null;
    this.running = 0;
    this.runningAhead = 0;
    this.bytes = 0;
    this.requests = 0;
    this.closed = false;
  }

  /** @param {() => Promise<void>} job */
  ask(job) { this.now.push(job); this.pump(); }

  pump() {
    while (!this.closed && this.running < REQUESTS) {
      const job = this.now.pop(); // the latest wish first: the reader has moved on from the others
      const early = job ? null : this.runningAhead < AHEAD && this.ahead ? this.ahead() : null;
      const run = job ?? early;
      if (!run) return;
      this.running++;
      if (early) this.runningAhead++;
      void run().finally(() => { this.running--; if (early) this.runningAhead--; this.pump(); });
    }
  }

  /** @param {string} url */
  async fetch(url) {
    const bytes = await fetchBytes(url);
    this.bytes += bytes.length;
    this.requests++;
    return bytes;
  }
}

/** @typedef {{k: number, w: number, h: number, data: Uint16Array, have: Uint8Array, left: number, filled: boolean, version: number}} Level */

class Picture {
  /** @param {PictureHead} head @param {string} url @param {Loader} loader @param {(error?: unknown) => void} arrived */
  constructor(head, url, loader, arrived) {
    this.head = head;
    this.url = url;
    this.loader = loader;
    this.arrived = arrived;
    /** @type {Map<number, Level>} */ this.pyramid = new Map();
    /** @type {Map<string, Promise<void>>} */ this.pending = new Map();
    this.coarsest = head.levels - 1;
    while (Math.max(head.width, head.height) / 2 ** this.coarsest > 256) this.coarsest++;
  }

  get bytes() { let sum = 0; for (const l of this.pyramid.values()) sum += l.data.byteLength; return sum; }

  /** Takes over the levels of the same picture in an earlier scene, but for what is still on its way there. @param {Map<number, Level>} pyramid */
  adopt(pyramid) { for (const [k, level] of pyramid) if (level.have.some((t) => t)) this.pyramid.set(k, { ...level, have: level.have.slice() }); }

  drop() { this.pyramid.clear(); }

  /** The level whose values are about one screen pixel each. @param {number} scale screen pixels a picture pixel */
  levelFor(scale) {
    return Math.min(Math.max(Math.round(Math.log2(1 / Math.max(scale, 1e-6))), 0), this.coarsest);
  }

  /** @param {number} k */
  level(k) {
    let level = this.pyramid.get(k);
    if (level) return level;
    const { width, height, channels, tile } = this.head;
    const w = Math.ceil(width / 2 ** k), h = Math.ceil(height / 2 ** k);
    const count = Math.ceil(w / tile) * Math.ceil(h / tile);
    level = { k, w, h, data: new Uint16Array(w * h * channels), have: new Uint8Array(count), left: count, filled: false, version: 0 };
    this.pyramid.set(k, level);
    const coarser = [...this.pyramid.values()].filter((l) => l.k > k && l.left === 0).sort((a, b) => a.k - b.k)[0];
    if (coarser) enlarge(coarser, level, channels);
    return level;
  }

  /**
   * Asks for the tiles of a level that a part of the picture needs.
   * @param {number} k
   * @param {[number, number, number, number]} part x0, y0, x1, y1, picture pixels
   * @returns {Promise<unknown>} settles when they are there
   */
  need(k, part) {
    if (k >= this.head.levels) return this.need(this.head.levels - 1, [0, 0, this.head.width, this.head.height]).then(() => this.derive(k));
    const level = this.level(k);
    if (level.left === 0) return Promise.resolve();
    const side = this.head.tile * 2 ** k, columns = Math.ceil(level.w / this.head.tile), rows = Math.ceil(level.h / this.head.tile);
    const jobs = [];
    for (let r = Math.max(0, Math.floor(part[1] / side)); r < Math.min(rows, Math.ceil(part[3] / side)); r++) {
      for (let c = Math.max(0, Math.floor(part[0] / side)); c < Math.min(columns, Math.ceil(part[2] / side)); c++) {
        if (!level.have[r * columns + c]) jobs.push(this.tile(level, c, r, columns));
      }
    }
    return Promise.all(jobs);
  }

  /** @param {Level} level @param {number} c @param {number} r @param {number} columns */
  tile(level, c, r, columns) {
    const key = `${level.k}/${c}/${r}`;
    const known = this.pending.get(key);
    if (known) return known;
    /** @type {() => void} */ let done = () => {};
    const job = new Promise((/** @type {(v: void) => void} */ resolve) => { done = resolve; });
    this.pending.set(key, job); // before it is asked for: the loader looks here when it fetches ahead
    this.loader.ask(() => this.fetchTile(level, c, r, columns, key).finally(done));
    return job;
  }

  /** Fetches one tile into its level. @param {Level} level @param {number} c @param {number} r @param {number} columns @param {string} key */
  async fetchTile(level, c, r, columns, key) {
    const { tile, channels } = this.head;
    const w = Math.min(tile, level.w - c * tile), h = Math.min(tile, level.h - r * tile);
    try {
      const values = await decodeTile(await this.loader.fetch(`${this.url}/${key}`), w, h, channels);
      for (let y = 0; y < h; y++) level.data.set(values.subarray(y * w * channels, (y + 1) * w * channels), ((r * tile + y) * level.w + c * tile) * channels);
      if (!level.have[r * columns + c]) { level.have[r * columns + c] = 1; level.left--; }
      level.version++;
      this.arrived();
    } catch (error) {
      this.arrived(error);
    } finally {
      this.pending.delete(key);
    }
  }

  /** Fetches the whole coarsest level the server has; for looking ahead. */
  async ahead() {
    const k = this.head.levels - 1, level = this.level(k);
    if (level.left && !this.pending.has(`${k}/0/0`)) {
      const job = this.fetchTile(level, 0, 0, 1, `${k}/0/0`);
      this.pending.set(`${k}/0/0`, job);
      await job;
    }
  }

  /** Halves what is here, where the server has no coarser level. @param {number} k */
  derive(k) {
    for (let j = this.head.levels; j <= k; j++) {
      const finer = this.pyramid.get(j - 1);
      if (!finer || finer.left || this.pyramid.get(j)?.left === 0) continue;
      const level = this.level(j);
      halve(finer, level, this.head.channels);
      level.have.fill(1); level.left = 0; level.version++;
    }
  }

  /** The best level to draw now: the wanted one, else the nearest that is there. @param {number} k @returns {Level | null} */
  best(k) {
    if (k >= this.head.levels) this.derive(k);
    const wanted = this.pyramid.get(k);
    if (wanted && (wanted.left === 0 || wanted.filled)) return wanted;
    const whole = [...this.pyramid.values()].filter((l) => l.left === 0).sort((a, b) => Math.abs(a.k - k) - Math.abs(b.k - k));
    if (whole.length) return whole[0];
    return wanted && wanted.have.some((t) => t) ? wanted : null;
  }

  /** Stored steps at a pixel, from the finest level that holds it. @param {number} x @param {number} y @returns {{steps: number[], exact: boolean} | null} */
  at(x, y) {
    const { tile, channels } = this.head;
    for (const level of [...this.pyramid.values()].sort((a, b) => a.k - b.k)) {
      const lx = Math.min(Math.floor(x / 2 ** level.k), level.w - 1), ly = Math.min(Math.floor(y / 2 ** level.k), level.h - 1);
      if (lx < 0 || ly < 0) return null;
      if (!level.have[Math.floor(ly / tile) * Math.ceil(level.w / tile) + Math.floor(lx / tile)]) continue;
      const i = (ly * level.w + lx) * channels;
      return { steps: [...level.data.subarray(i, i + channels)], exact: level.k === 0 };
    }
    return null;
  }

  /** @param {number} steps */
  value(steps) { return this.head.slope * steps + this.head.intercept; }
}

/** Fills a level with the nearest values of a coarser one, until its own arrive. @param {Level} from @param {Level} to @param {number} channels */
function enlarge(from, to, channels) {
  const step = from.k - to.k;
  for (let y = 0; y < to.h; y++) {
    const source = (y >> step) * from.w, target = y * to.w;
    for (let x = 0; x < to.w; x++) {
      const a = (source + (x >> step)) * channels, b = (target + x) * channels;
      for (let c = 0; c < channels; c++) to.data[b + c] = from.data[a + c];
    }
  }
  to.filled = true;
}

/** Means over 2 x 2. @param {Level} from @param {Level} to @param {number} channels */
function halve(from, to, channels) {
  for (let y = 0; y < to.h; y++) {
    const y0 = 2 * y * from.w, y1 = Math.min(2 * y + 1, from.h - 1) * from.w;
    for (let x = 0; x < to.w; x++) {
      const x0 = 2 * x, x1 = Math.min(x0 + 1, from.w - 1);
      for (let c = 0; c < channels; c++) {
        const sum = from.data[(y0 + x0) * channels + c] + from.data[(y0 + x1) * channels + c] + from.data[(y1 + x0) * channels + c] + from.data[(y1 + x1) * channels + c];
        to.data[(y * to.w + x) * channels + c] = (sum + 2) >> 2;
      }
    }
  }
}
