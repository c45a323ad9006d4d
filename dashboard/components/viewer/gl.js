// @ts-check
// Draws a picture and a map on the graphics card (WebGL 2), or on the processor where there is none. Both have
// draw(level, channels, drawing, pane), which returns a canvas whose upper left corner holds the result.

const VERTEX = `#version 300 es
void main() { gl_Position = vec4(gl_VertexID == 1 ? 3. : -1., gl_VertexID == 2 ? 3. : -1., 0., 1.); }`;

const FRAGMENT = `#version 300 es
precision highp float; precision highp int; precision highp usampler2D; precision highp sampler2D;
uniform usampler2D pixels; uniform sampler2D map; uniform sampler2D colours;
uniform vec3 ax, ay; uniform float screen, gain, offset, opacity, threshold, floorValue, reference;
uniform ivec2 size, mapSize, padding; uniform bool smoothly, colour, withMap, signedMap; uniform vec3 toward, away;
out vec4 result;
vec3 texel(ivec2 p) { return vec3(texelFetch(pixels, clamp(p, ivec2(0), size - 1), 0).rgb); }
float cell(ivec2 p) { return texelFetch(map, clamp(p, ivec2(0), mapSize - 1), 0).r; }
void main() {
  vec3 s = vec3(gl_FragCoord.x, screen - gl_FragCoord.y, 1.);
  vec2 p = vec2(dot(ax, s), dot(ay, s));
  result = vec4(0., 0., 0., 1.);
  if (any(lessThan(p, vec2(0.))) || any(greaterThanEqual(p, vec2(size)))) return;
  vec3 v = texel(ivec2(p));
  if (padding.x <= padding.y && int(v.r) >= padding.x && int(v.r) <= padding.y) return;
  if (smoothly) {
    vec2 q = max(p - .5, 0.); ivec2 i = ivec2(q); vec2 f = q - vec2(i);
    v = mix(mix(texel(i), texel(i + ivec2(1, 0)), f.x), mix(texel(i + ivec2(0, 1)), texel(i + ivec2(1, 1)), f.x), f.y);
  }
  vec3 grey = clamp((colour ? v : v.rrr) * gain + offset, 0., 1.);
  if (withMap) {
    vec2 q = clamp(p / vec2(size) * vec2(mapSize) - .5, vec2(0.), vec2(mapSize - 1)); ivec2 i = ivec2(q); vec2 f = q - vec2(i);
    float value = mix(mix(cell(i), cell(i + ivec2(1, 0)), f.x), mix(cell(i + ivec2(0, 1)), cell(i + ivec2(1, 1)), f.x), f.y);
    float share = signedMap ? clamp(value / reference, -1., 1.) : clamp((value - floorValue) / (reference - floorValue), 0., 1.);
    float a = abs(share) > max(threshold, 1e-6) ? opacity * sqrt(abs(share)) : 0.;
    vec3 tint = signedMap ? (share > 0. ? toward : away) : texelFetch(colours, ivec2(int(share * 255. + .5), 0), 0).rgb;
    grey = mix(grey, tint, a);
  }
  result = vec4(grey, 1.);
}`;

const UNIFORMS = ["pixels", "map", "colours", "ax", "ay", "screen", "gain", "offset", "opacity", "threshold", "floorValue", "reference", "size", "mapSize", "padding", "smoothly", "colour", "withMap", "signedMap", "toward", "away"];
/** Pictures kept on the graphics card. */
const TEXTURES = 12;

class GlRenderer {
  /** @param {HTMLCanvasElement} canvas @param {WebGL2RenderingContext} gl */
  constructor(canvas, gl) {
    this.canvas = canvas;
    this.gl = gl;
    this.name = "webgl2";
    const program = /** @type {WebGLProgram} */ (gl.createProgram());
    for (const [kind, source] of /** @type {[number, string][]} */ ([[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]])) {
      const shader = /** @type {WebGLShader} */ (gl.createShader(kind));
      gl.shaderSource(shader, source); gl.compileShader(shader); gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(program) || "shader");
    gl.useProgram(program);
    gl.bindVertexArray(gl.createVertexArray());
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
    this.largest = gl.getParameter(gl.MAX_TEXTURE_SIZE);
    /** @type {Record<string, WebGLUniformLocation | null>} */
    this.at = Object.fromEntries(UNIFORMS.map((n) => [n, gl.getUniformLocation(program, n)]));
    /** @type {Map<object, {texture: WebGLTexture, version: number}>} */ this.textures = new Map();
    gl.uniform1i(this.at.pixels, 0); gl.uniform1i(this.at.map, 1); gl.uniform1i(this.at.colours, 2);
  }

  get lost() { return this.gl.isContextLost(); }

  /** @param {object} owner @param {number} unit @param {number} version @param {() => void} upload */
  bind(owner, unit, version, upload) {
    const gl = this.gl;
    let held = this.textures.get(owner);
    gl.activeTexture(gl.TEXTURE0 + unit);
    if (!held) {
      for (const [old, { texture }] of this.textures) { // the one used longest ago
        if (this.textures.size < TEXTURES) break;
        gl.deleteTexture(texture); this.textures.delete(old);
      }
      held = { texture: /** @type {WebGLTexture} */ (gl.createTexture()), version: -1 };
      gl.bindTexture(gl.TEXTURE_2D, held.texture);
      for (const p of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) gl.texParameteri(gl.TEXTURE_2D, p, gl.NEAREST);
    }
    gl.bindTexture(gl.TEXTURE_2D, held.texture);
    if (held.version !== version) { upload(); held.version = version; }
    this.textures.delete(owner); this.textures.set(owner, held);
  }

  /** @param {Level} level @param {number} channels @param {Drawing} d */
  draw(level, channels, d) {
    const gl = this.gl, at = this.at, colour = channels === 3;
    if (this.canvas.width < d.width || this.canvas.height < d.height) {
      this.canvas.width = Math.max(this.canvas.width, d.width); this.canvas.height = Math.max(this.canvas.height, d.height);
    }
    gl.viewport(0, this.canvas.height - d.height, d.width, d.height);
    this.bind(level, 0, level.version, () => gl.texImage2D(gl.TEXTURE_2D, 0, colour ? gl.RGB16UI : gl.R16UI, level.w, level.h, 0, colour ? gl.RGB_INTEGER : gl.RED_INTEGER, gl.UNSIGNED_SHORT, level.data));
    const layer = d.layer;
    if (layer) {
      this.bind(layer, 1, 0, () => gl.texImage2D(gl.TEXTURE_2D, 0, gl.R32F, layer.width, layer.height, 0, gl.RED, gl.FLOAT, layer.values));
      this.bind(d.table, 2, 0, () => gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGB8, 256, 1, 0, gl.RGB, gl.UNSIGNED_BYTE, d.table));
      gl.uniform2i(at.mapSize, layer.width, layer.height);
      gl.uniform1f(at.floorValue, layer.floor); gl.uniform1f(at.reference, layer.reference);
      gl.uniform3f(at.toward, d.signed[0][0] / 255, d.signed[0][1] / 255, d.signed[0][2] / 255);
      gl.uniform3f(at.away, d.signed[1][0] / 255, d.signed[1][1] / 255, d.signed[1][2] / 255);
    }
    gl.uniform3f(at.ax, d.ax[0], d.ax[1], d.ax[2]); gl.uniform3f(at.ay, d.ay[0], d.ay[1], d.ay[2]);
    gl.uniform1f(at.screen, this.canvas.height); gl.uniform1f(at.gain, d.gain); gl.uniform1f(at.offset, d.offset);
    gl.uniform1f(at.opacity, d.opacity); gl.uniform1f(at.threshold, d.threshold);
    gl.uniform2i(at.size, level.w, level.h);
    gl.uniform2i(at.padding, d.padding ? d.padding[0] : 1, d.padding ? d.padding[1] : 0);
    gl.uniform1i(at.smoothly, +d.smooth); gl.uniform1i(at.colour, +colour);
    gl.uniform1i(at.withMap, +!!layer); gl.uniform1i(at.signedMap, +!!layer?.signed);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
    return this.canvas;
  }
}

/** The same sums on the processor. */
class PixelRenderer {
  constructor() {
    this.name = "canvas";
    this.lost = false;
    this.largest = Infinity;
    /** @type {WeakMap<object, {canvas: HTMLCanvasElement, image: ImageData, geometry: string, level: Level, steps: Int32Array, layer: Layer | null, shares: Int16Array | null}>} */
    this.held = new WeakMap();
  }

  /** @param {Level} level @param {number} channels @param {Drawing} d @param {object} pane whose last drawing may be used again */
  draw(level, channels, d, pane) {
    let held = this.held.get(pane);
    const geometry = [d.width, d.height, d.smooth, level.version, ...d.ax, ...d.ay].join();
    if (!held || held.image.width !== d.width || held.image.height !== d.height) {
      const canvas = held?.canvas ?? document.createElement("canvas");
      canvas.width = d.width; canvas.height = d.height;
      held = { canvas, image: new ImageData(d.width, d.height), geometry: "", level, steps: new Int32Array(0), layer: null, shares: null };
      this.held.set(pane, held);
    }
    if (held.geometry !== geometry || held.level !== level) { held.geometry = geometry; held.level = level; held.steps = resample(level, channels, d); held.shares = null; }
    if (d.layer && (held.layer !== d.layer || !held.shares)) { held.layer = d.layer; held.shares = resampleMap(d.layer, level, d); }
    compose(held.image, held.steps, d.layer ? held.shares : null, channels, d);
    /** @type {CanvasRenderingContext2D} */ (held.canvas.getContext("2d", { willReadFrequently: true })).putImageData(held.image, 0, 0);
    return held.canvas;
  }
}

/** One for the page: browsers allow few contexts. @type {GlRenderer | PixelRenderer | null} */
let RENDERER = null;

/** WebGL where a graphics card stands behind it; a card that is imitated in software is slower than our own sums. */
function renderer() {
  if (!RENDERER || RENDERER.lost) RENDERER = onCard(false) ?? new PixelRenderer();
  return RENDERER;
}

/** @param {boolean} imitated take an imitated card too @returns {GlRenderer | null} */
function onCard(imitated) {
  const canvas = document.createElement("canvas");
  const gl = canvas.getContext("webgl2", { alpha: false, antialias: false, depth: false, preserveDrawingBuffer: true });
  if (!gl) return null;
  const about = gl.getExtension("WEBGL_debug_renderer_info"), name = String(gl.getParameter(about ? about.UNMASKED_RENDERER_WEBGL : gl.RENDERER));
  try {
    if (imitated || !/swiftshader|llvmpipe|software|basic render/i.test(name)) return new GlRenderer(canvas, gl);
  } catch { /* a driver that cannot: the processor can */ }
  gl.getExtension("WEBGL_lose_context")?.loseContext();
  return null;
}
