// @ts-check
// Reads the bytes that scene.py packs.

/**
 * @typedef {{id: string, label: string, group: string, width: number, height: number, top: number, floor: number,
 *   reference: number, unit: string, semantics: string, values: Float32Array}} Layer
 * @typedef {{id: string, width: number, height: number, sent: [number, number], spacing: [number, number] | null,
 *   picture: Blob, colourMaps: Record<string, Uint8Array>, layers: Layer[],
 *   box: [number, number, number, number] | null, boxLabel: string, height_px: number, regionTool: boolean,
 *   title: string}} Scene
 */

/**
 * @param {ArrayBuffer | ArrayBufferView} data
 * @returns {Scene}
 */
function decodeScene(data) {
  const bytes = data instanceof ArrayBuffer ? new Uint8Array(data) : new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (String.fromCharCode(...bytes.subarray(0, 4)) !== "MXV1") throw new Error("The viewer was sent something it cannot read.");
  const length = view.getUint32(4, true);
  const head = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)));
  const start = 8 + length;
  /** @param {[number, number]} at */
  const block = (at) => bytes.subarray(start + at[0], start + at[0] + at[1]);
  const layers = head.layers.map((/** @type {any} */ l) => {
    const raw = block(l.at);
    const steps = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
    const values = new Float32Array(l.width * l.height);
    for (let i = 0; i < values.length; i++) values[i] = (steps.getUint16(2 * i, true) / 65535) * l.top;
    return { ...l, values };
  });
  /** @type {Record<string, Uint8Array>} */
  const colourMaps = {};
  for (const name of Object.keys(head.colourMaps)) colourMaps[name] = block(head.colourMaps[name]);
  return {
    id: head.id, width: head.image.width, height: head.image.height, sent: head.image.sent, spacing: head.image.spacing,
    picture: new Blob([block(head.image.at)], { type: "image/png" }), colourMaps, layers, box: head.box,
    boxLabel: head.boxLabel, height_px: head.height, regionTool: head.regionTool, title: head.title,
  };
}
