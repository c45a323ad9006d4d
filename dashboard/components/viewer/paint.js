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
 * Draws one level on the processor: what gl.js does where there is no WebGL.
 * @param {ImageData} target
 * @param {Level} level
 * @param {number} channels
 * @param {Drawing} d
 */
function paintPixels(target, level, channels, d) {
  const out = new Uint32Array(target.data.buffer), { w, h, data } = level, { width, height } = d;
  const [ax, bx, cx] = d.ax, [ay, by, cy] = d.ay, gain = 255 * d.gain, offset = 255 * d.offset;
  const low = d.padding ? d.padding[0] : 1, high = d.padding ? d.padding[1] : 0;
  const clamp = (/** @type {number} */ y) => (y < 0 ? 0 : y > 255 ? 255 : y + 0.5) | 0;
  for (let sy = 0, i = 0; sy < height; sy++) {
    let px = ax * 0.5 + bx * (sy + 0.5) + cx, py = ay * 0.5 + by * (sy + 0.5) + cy;
    for (let sx = 0; sx < width; sx++, i++, px += ax, py += ay) {
      if (px < 0 || py < 0 || px >= w || py >= h) { out[i] = 0xff000000; continue; }
      const nx = px | 0, ny = py | 0, near = (ny * w + nx) * channels;
      if (low <= high && data[near] >= low && data[near] <= high) { out[i] = 0xff000000; continue; }
      let r = data[near], g = channels === 3 ? data[near + 1] : r, b = channels === 3 ? data[near + 2] : r;
      if (d.smooth) {
        const qx = px - 0.5 < 0 ? 0 : px - 0.5, qy = py - 0.5 < 0 ? 0 : py - 0.5;
        const x0 = qx | 0, y0 = qy | 0, fx = qx - x0, fy = qy - y0;
        const x1 = x0 + 1 < w ? x0 + 1 : x0, y1 = y0 + 1 < h ? y0 + 1 : y0;
        const p = (y0 * w + x0) * channels, q = (y0 * w + x1) * channels, s = (y1 * w + x0) * channels, t = (y1 * w + x1) * channels;
        const kp = (1 - fx) * (1 - fy), kq = fx * (1 - fy), ks = (1 - fx) * fy, kt = fx * fy;
        r = data[p] * kp + data[q] * kq + data[s] * ks + data[t] * kt;
        if (channels === 3) {
          g = data[p + 1] * kp + data[q + 1] * kq + data[s + 1] * ks + data[t + 1] * kt;
          b = data[p + 2] * kp + data[q + 2] * kq + data[s + 2] * ks + data[t + 2] * kt;
        } else { g = r; b = r; }
      }
      let red = clamp(r * gain + offset), green = red, blue = red;
      if (channels === 3) { green = clamp(g * gain + offset); blue = clamp(b * gain + offset); }
      if (d.layer) {
        const s = share(d.layer, valueAt(d.layer, px / w, py / h)), a = opacityOf(Math.abs(s), d.opacity, d.threshold);
        if (a > 0) {
          const k = 3 * Math.round(s * 255), t = d.layer.signed ? d.signed[s > 0 ? 0 : 1] : [d.table[k], d.table[k + 1], d.table[k + 2]];
          red += (t[0] - red) * a; green += (t[1] - green) * a; blue += (t[2] - blue) * a;
        }
      }
      out[i] = 0xff000000 | (Math.round(blue) << 16) | (Math.round(green) << 8) | Math.round(red);
    }
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
