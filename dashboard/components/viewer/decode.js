// @ts-check
// Reads what the server sends: a scene (scene.py), and tiles of its pictures (dashboard/tiles.py).

/**
 * @typedef {{width: number, height: number, channels: number, tile: number, levels: number, title: string, key: string, of: string,
 *   spacing: [number, number] | null, slope: number, intercept: number, unit: string, inverted: boolean,
 *   padding: [number, number] | null, window: [number, number], range: [number, number]}} PictureHead
 * `window`, `range`: low and high end, in values; `padding`: in stored steps; `key`: of these pixels; `of`: of whose
 * picture they are, which may be shown grey.
 * @typedef {{id: string, label: string, group: string, width: number, height: number, floor: number, reference: number,
 *   unit: string, semantics: string, signed: boolean, field: string, peak: number, values: Float32Array}} Layer
 * `peak`: the value farthest from 0.
 * @typedef {{id: string, label: string, contribution: number, effect: Float32Array | null, effectSize: [number, number]}} BrushField
 * @typedef {{target: string, fields: BrushField[], regions: string[], labels: Uint16Array | null,
 *   labelsSize: [number, number], interactions: number[][]}} Brush
 * @typedef {{id: string, url: string, pictures: PictureHead[], start: number, layerPicture: number, modality: string,
 *   colourMaps: Record<string, Uint8Array>, signedColours: [number[], number[]], layers: Layer[], brush: Brush | null,
 *   box: [number, number, number, number] | null, boxLabel: string, maxHeight: number, regionTool: boolean,
 *   panes: string[], follows: boolean}} Scene
 */

/** Waits before a request is tried again, ms: a connection that was cut comes back within seconds. */
const AGAIN = [500, 1500, 3000];

/** @param {string} url @param {number} [tries] @returns {Promise<Uint8Array>} */
async function fetchBytes(url, tries = 0) {
  const answer = await fetch(url, { cache: "no-store", credentials: "same-origin" }).catch(() => null);
  if (!answer?.ok && tries < AGAIN.length) {
    await new Promise((go) => setTimeout(go, AGAIN[tries]));
    return fetchBytes(url, tries + 1);
  }
  if (!answer) throw new Error("The server does not answer.");
  if (answer.status === 404) throw new Error("The picture is no longer on the server. Open the case again.");
  if (!answer.ok) throw new Error(`The server did not send the picture (status ${answer.status}).`);
  return new Uint8Array(await answer.arrayBuffer());
}

/** @param {Uint8Array} bytes a zlib stream @returns {Promise<Uint8Array>} */
async function inflate(bytes) {
  const stream = new Blob([/** @type {BlobPart} */ (bytes)]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/**
 * Undoes the median edge predictor (LOCO-I, Weinberger et al. 2000).
 * @param {Uint8Array} raw planes of high and low bytes
 * @param {number} w @param {number} h @param {number} channels
 * @returns {Uint16Array} (h, w, channels)
 */
function unpredict(raw, w, h, channels) {
  const out = new Uint16Array(w * h * channels), n = w * h;
  const row = new Int32Array(w + 1), last = new Int32Array(w + 1);
  for (let c = 0; c < channels; c++) {
    const high = 2 * c * n, low = high + n;
    last.fill(0);
    for (let y = 0, i = 0; y < h; y++) {
      row[0] = 0;
      for (let x = 1; x <= w; x++, i++) {
        const left = row[x - 1], above = last[x], corner = last[x - 1];
        const lo = left < above ? left : above, hi = left < above ? above : left;
        const guess = corner >= hi ? lo : corner <= lo ? hi : left + above - corner;
        const folded = (raw[high + i] << 8) | raw[low + i];
        const value = (guess + ((folded >> 1) ^ -(folded & 1))) & 0xffff;
        row[x] = value;
        out[i * channels + c] = value;
      }
      last.set(row);
    }
  }
  return out;
}

/** @param {Uint8Array} bytes @param {number} w @param {number} h @param {number} channels */
async function decodeTile(bytes, w, h, channels) {
  const raw = await inflate(bytes);
  if (raw.length !== 2 * w * h * channels) throw new Error("The server sent a tile of another size.");
  return unpredict(raw, w, h, channels);
}

/** @param {string} url @param {Uint8Array} bytes @returns {Promise<Scene>} */
async function decodeScene(url, bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (String.fromCharCode(...bytes.subarray(0, 4)) !== "MXV2") throw new Error("The viewer was sent something it cannot read.");
  const length = view.getUint32(4, true), start = 8 + length;
  const head = JSON.parse(new TextDecoder().decode(await inflate(bytes.subarray(8, start))));
  /** @param {{at: [number, number], size: [number, number]}} grid */
  const grid = (grid) => decodeTile(bytes.subarray(start + grid.at[0], start + grid.at[0] + grid.at[1]), grid.size[0], grid.size[1], 1);
  /** Steps of a map -> values. @param {{at: [number, number], size: [number, number], low: number, high: number}} map */
  const map = async (map) => Float32Array.from(await grid(map), (s) => map.low + (s / 65535) * (map.high - map.low));
  for (const layer of head.layers) {
    layer.values = await map(layer.map);
    layer.peak = Math.abs(layer.map.low) > Math.abs(layer.map.high) ? layer.map.low : layer.map.high;
    [layer.width, layer.height] = layer.map.size;
  }
  if (head.brush) {
    head.brush.labels = head.brush.regionMap ? await grid(head.brush.regionMap) : null;
    head.brush.labelsSize = head.brush.regionMap?.size ?? [0, 0];
    for (const field of head.brush.fields) {
      field.effectSize = field.effectMap?.size ?? [0, 0];
      field.effect = field.effectMap ? await map(field.effectMap) : null;
    }
  }
  for (const name of Object.keys(head.colourMaps)) head.colourMaps[name] = Uint8Array.from(atob(head.colourMaps[name]), (c) => c.charCodeAt(0));
  return { ...head, url };
}
