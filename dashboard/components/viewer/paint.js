// @ts-check
// Pixels: window and level on the image, colour on a map, contour lines. Pure functions, no page.

/**
 * What a drawing needs besides the pixels. `ax`, `ay`: level pixel = ax[0] * sx + ax[1] * sy + ax[2] for a screen pixel.
 * @typedef {{width: number, height: number, ax: number[], ay: number[], gain: number, offset: number, smooth: boolean,
 *   padding: [number, number] | null, layer: Layer | null, table: Uint8Array, signed: [number[], number[]],
 *   opacity: number, threshold: number}} Drawing
 */

/**
 * Window and level as a straight line on stored steps (DICOM PS3.3 C.11.2.1.2.1, linear exact).
 * @param {PictureHead} head
 * @param {number} low @param {number} high values that become black and white
 * @param {boolean} invert
 * @returns {{gain: number, offset: number}} display in [0, 1] = gain * steps + offset
 */
function windowLine(head, low, high, invert) {
  const span = high - low || 1e-9;
  const gain = head.slope / span, offset = (head.intercept - low) / span;
  return invert !== head.inverted ? { gain: -gain, offset: 1 - offset } : { gain, offset };
}

/**
 * Share of the absolute scale: floor 0, reference 1; below 0 for signed maps under their zero.
 * @param {Layer} layer
 * @param {number} value
 */
function share(layer, value) {
  if (layer.signed) return Math.min(Math.max(value / layer.reference, -1), 1);
  return Math.min(Math.max((value - layer.floor) / (layer.reference - layer.floor), 0), 1);
}

/**
 * Opacity without evidence is none, and rises as the square root (figures/colour.py has the same rule).
 * @param {number} s
 * @param {number} opacity
 * @param {number} threshold
 */
function opacityOf(s, opacity, threshold) {
  return s > Math.max(threshold, 1e-6) ? opacity * Math.sqrt(s) : 0;
}

/**
 * The map's value at an image position, bilinear between cell centres.
 * @param {{width: number, height: number, values: Float32Array}} layer
 * @param {number} u across, 0 to 1
 * @param {number} v down, 0 to 1
 */
function valueAt(layer, u, v) {
  const x = Math.min(Math.max(u * layer.width - 0.5, 0), layer.width - 1);
  const y = Math.min(Math.max(v * layer.height - 0.5, 0), layer.height - 1);
  const x0 = Math.floor(x), y0 = Math.floor(y);
  const x1 = Math.min(x0 + 1, layer.width - 1), y1 = Math.min(y0 + 1, layer.height - 1);
  const z = layer.values, a = y0 * layer.width, b = y1 * layer.width;
  const upper = z[a + x0] * (1 - (x - x0)) + z[a + x1] * (x - x0);
  const lower = z[b + x0] * (1 - (x - x0)) + z[b + x1] * (x - x0);
  return upper * (1 - (y - y0)) + lower * (y - y0);
}

/**
 * A level as the screen's pixels see it: stored steps, -1 where there is no picture. Depends on the geometry alone, so
 * that a window or an opacity costs no more than a table look-up a pixel.
 * @param {Level} level @param {number} channels @param {Drawing} d
 * @returns {Int32Array} (height, width, channels)
 */
function resample(level, channels, d) {
  const { w, h, data } = level, { width, height } = d, out = new Int32Array(width * height * channels).fill(-1);
  const [ax, bx, cx] = d.ax, [ay, by, cy] = d.ay, low = d.padding ? d.padding[0] : 1, high = d.padding ? d.padding[1] : 0;
  for (let sy = 0, i = 0; sy < height; sy++) {
    let px = ax * 0.5 + bx * (sy + 0.5) + cx, py = ay * 0.5 + by * (sy + 0.5) + cy;
    for (let sx = 0; sx < width; sx++, i += channels, px += ax, py += ay) {
      if (px < 0 || py < 0 || px >= w || py >= h) continue;
      const near = ((py | 0) * w + (px | 0)) * channels;
      if (data[near] >= low && data[near] <= high) continue;
      if (!d.smooth) { for (let c = 0; c < channels; c++) out[i + c] = data[near + c]; continue; }
      const qx = px < 0.5 ? 0 : px - 0.5, qy = py < 0.5 ? 0 : py - 0.5, x0 = qx | 0, y0 = qy | 0, fx = qx - x0, fy = qy - y0;
      const p = (y0 * w + x0) * channels, q = x0 + 1 < w ? p + channels : p, r = y0 + 1 < h ? w * channels : 0;
      for (let c = 0; c < channels; c++) {
        const top = data[p + c] + (data[q + c] - data[p + c]) * fx, foot = data[p + r + c] + (data[q + r + c] - data[p + r + c]) * fx;
        out[i + c] = (top + (foot - top) * fy + 0.5) | 0;
      }
    }
  }
  return out;
}

/** Steps of the map's absolute scale in `resampleMap`. */
const SHARES = 1023;

/**
 * A map as the screen's pixels see it: its share of the scale, in SHARES.
 * @param {Layer} layer @param {Level} level @param {Drawing} d
 * @returns {Int16Array}
 */
function resampleMap(layer, level, d) {
  const { width, height } = d, out = new Int16Array(width * height), [ax, bx, cx] = d.ax, [ay, by, cy] = d.ay;
  const z = layer.values, mw = layer.width, mh = layer.height, kx = mw / level.w, ky = mh / level.h;
  const zero = layer.signed ? 0 : layer.floor, scale = SHARES / (layer.reference - zero), least = layer.signed ? -SHARES : 0;
  for (let sy = 0, i = 0; sy < height; sy++) {
    let px = ax * 0.5 + bx * (sy + 0.5) + cx, py = ay * 0.5 + by * (sy + 0.5) + cy;
    for (let sx = 0; sx < width; sx++, i++, px += ax, py += ay) {
      if (px < 0 || py < 0 || px >= level.w || py >= level.h) continue;
      let x = px * kx - 0.5, y = py * ky - 0.5;
      if (x < 0) x = 0; else if (x > mw - 1) x = mw - 1;
      if (y < 0) y = 0; else if (y > mh - 1) y = mh - 1;
      const x0 = x | 0, y0 = y | 0, p = y0 * mw + x0, q = x0 + 1 < mw ? p + 1 : p, r = y0 + 1 < mh ? mw : 0, fx = x - x0;
      const top = z[p] + (z[q] - z[p]) * fx, foot = z[p + r] + (z[q + r] - z[p + r]) * fx;
      const s = (top + (foot - top) * (y - y0) - zero) * scale;
      out[i] = s > SHARES ? SHARES : s < least ? least : Math.round(s);
    }
  }
  return out;
}

/**
 * Window, colours and opacity on what `resample` and `resampleMap` found.
 * @param {ImageData} target @param {Int32Array} steps @param {Int16Array | null} shares @param {number} channels @param {Drawing} d
 */
function compose(target, steps, shares, channels, d) {
  const out = new Uint32Array(target.data.buffer), grey = new Uint8ClampedArray(65536), n = d.width * d.height;
  for (let s = 0; s < 65536; s++) grey[s] = 255 * (s * d.gain + d.offset);
  if (channels === 1) for (let i = 0; i < n; i++) { const s = steps[i], g = s < 0 ? 0 : grey[s]; out[i] = 0xff000000 | (g << 16) | (g << 8) | g; }
  else for (let i = 0, j = 0; i < n; i++, j += 3) out[i] = steps[j] < 0 ? 0xff000000 : 0xff000000 | (grey[steps[j + 2]] << 16) | (grey[steps[j + 1]] << 8) | grey[steps[j]];
  if (!shares || !d.layer) return;
  const alpha = new Float32Array(SHARES + 1), red = new Uint8Array(SHARES + 1), green = new Uint8Array(SHARES + 1), blue = new Uint8Array(SHARES + 1);
  for (let s = 0; s <= SHARES; s++) {
    const k = 3 * Math.round((s / SHARES) * 255);
    alpha[s] = opacityOf(s / SHARES, d.opacity, d.threshold);
    [red[s], green[s], blue[s]] = d.layer.signed ? d.signed[0] : [d.table[k], d.table[k + 1], d.table[k + 2]];
  }
  const away = d.signed[1];
  for (let i = 0; i < n; i++) {
    const s = shares[i], m = s < 0 ? -s : s, a = alpha[m];
    if (a === 0 || steps[i * channels] < 0) continue;
    const c = out[i], r = c & 255, g = (c >> 8) & 255, b = (c >> 16) & 255;
    const tr = s < 0 ? away[0] : red[m], tg = s < 0 ? away[1] : green[m], tb = s < 0 ? away[2] : blue[m];
    out[i] = 0xff000000 | ((b + (tb - b) * a + 0.5) << 16) | ((g + (tg - g) * a + 0.5) << 8) | (r + (tr - r) * a + 0.5);
  }
}

/**
 * Line segments where the map crosses a level (marching squares, Lorensen & Cline 1987 in two dimensions).
 * @param {{width: number, height: number, values: Float32Array}} layer
 * @param {number} level in the map's own unit
 * @returns {number[]} x0, y0, x1, y1, ... as shares of the image's width and height
 */
function contour(layer, level) {
  const { width: w, height: h, values: z } = layer;
  /** @type {number[]} */
  const out = [];
  for (let r = 0; r + 1 < h; r++) {
    for (let c = 0; c + 1 < w; c++) {
      const a = z[r * w + c], b = z[r * w + c + 1], d = z[(r + 1) * w + c], e = z[(r + 1) * w + c + 1];
      const code = +(a > level) | (+(b > level) << 1) | (+(e > level) << 2) | (+(d > level) << 3);
      if (code === 0 || code === 15) continue;
      const top = [c + (level - a) / (b - a), r], right = [c + 1, r + (level - b) / (e - b)];
      const bottom = [c + (level - d) / (e - d), r + 1], left = [c, r + (level - a) / (d - a)];
      /** @type {number[][][]} */
      let lines;
      if (code === 1 || code === 14) lines = [[left, top]];
      else if (code === 2 || code === 13) lines = [[top, right]];
      else if (code === 3 || code === 12) lines = [[left, right]];
      else if (code === 4 || code === 11) lines = [[right, bottom]];
      else if (code === 6 || code === 9) lines = [[top, bottom]];
      else if (code === 7 || code === 8) lines = [[left, bottom]];
      else if ((a + b + d + e) / 4 > level === (code === 5)) lines = [[left, bottom], [top, right]];
      else lines = [[left, top], [right, bottom]];
      for (const [p, q] of lines) out.push((p[0] + 0.5) / w, (p[1] + 0.5) / h, (q[0] + 0.5) / w, (q[1] + 0.5) / h);
    }
  }
  return out;
}
