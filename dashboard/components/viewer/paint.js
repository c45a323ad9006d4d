// @ts-check
// Pixels: window and level on the image, colour on a map, contour lines. Pure functions, no page.

/**
 * Window and level, in display values 0 to 255 (DICOM PS3.3 C.11.2.1.2, linear, without the half-pixel shift).
 * @param {ImageData} source
 * @param {ImageData} target
 * @param {number} centre
 * @param {number} width
 * @param {boolean} invert
 */
function applyWindow(source, target, centre, width, invert) {
  const lut = new Uint8ClampedArray(256);
  for (let v = 0; v < 256; v++) {
    const y = ((v - centre) / Math.max(width, 1) + 0.5) * 255;
    lut[v] = invert ? 255 - y : y;
  }
  const a = source.data, b = target.data;
  for (let i = 0; i < a.length; i += 4) {
    b[i] = lut[a[i]]; b[i + 1] = lut[a[i + 1]]; b[i + 2] = lut[a[i + 2]]; b[i + 3] = 255;
  }
}

/**
 * Share of the absolute scale: floor 0, reference 1.
 * @param {Layer} layer
 * @param {number} value
 */
function share(layer, value) {
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
 * @param {Layer} layer
 * @param {Uint8Array} table 256 x 3
 * @param {number} opacity
 * @param {number} threshold
 * @returns {ImageData}
 */
function colourLayer(layer, table, opacity, threshold) {
  const out = new ImageData(layer.width, layer.height);
  for (let i = 0; i < layer.values.length; i++) {
    const s = share(layer, layer.values[i]);
    const c = 3 * Math.round(s * 255);
    out.data[4 * i] = table[c]; out.data[4 * i + 1] = table[c + 1]; out.data[4 * i + 2] = table[c + 2];
    out.data[4 * i + 3] = Math.round(255 * opacityOf(s, opacity, threshold));
  }
  return out;
}

/**
 * The map's value at an image position, bilinear between cell centres.
 * @param {Layer} layer
 * @param {number} u across, 0 to 1
 * @param {number} v down, 0 to 1
 */
function valueAt(layer, u, v) {
  const x = Math.min(Math.max(u * layer.width - 0.5, 0), layer.width - 1);
  const y = Math.min(Math.max(v * layer.height - 0.5, 0), layer.height - 1);
  const x0 = Math.floor(x), y0 = Math.floor(y);
  const x1 = Math.min(x0 + 1, layer.width - 1), y1 = Math.min(y0 + 1, layer.height - 1);
  const at = (/** @type {number} */ r, /** @type {number} */ c) => layer.values[r * layer.width + c];
  const upper = at(y0, x0) * (1 - (x - x0)) + at(y0, x1) * (x - x0);
  const lower = at(y1, x0) * (1 - (x - x0)) + at(y1, x1) * (x - x0);
  return upper * (1 - (y - y0)) + lower * (y - y0);
}

/**
 * Line segments where the map crosses a level (marching squares, Lorensen & Cline 1987 in two dimensions).
 * @param {Layer} layer
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
