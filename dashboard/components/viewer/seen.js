// @ts-check
// What the reader did, for when a scene or a picture is shown again; positions and settings, no pixels.
// A scene is shown again as it was left. How a picture is looked at, and what was drawn on it, goes with the picture
// into every scene that says `follows`, at once where two of them are on the page: a window set for the reading holds
// for the evidence, and two methods stay on the same place. A study's scenes do not follow, and each is one reading's.

/** Scenes as they were left, by id. @type {Map<string, {view: View, marks: Marks, sources: string[], place: Place | null}>} */
const KEPT = new Map();
/** @typedef {{zoom: number, x: number, y: number, turn: number, flip: boolean, invert: boolean, window: [number, number] | null, head: PictureHead}} Look */
/** How each picture was looked at last; the window in the values of `head`. @type {Map<string, Look>} */
const LOOKS = new Map();
/** What was drawn on each picture, but the lesion. @type {Map<string, Mark[]>} */
const DRAWN = new Map();
/** The lesion's outline on each picture, as the reader drew it where it can be marked. @type {Map<string, Mark>} */
const OUTLINES = new Map();
/** The viewers of this page. @type {Set<Viewer>} */
const LIVE = new Set();
const MOST_SCENES = 60, MOST_PICTURES = 5000;

/** @template V @param {Map<string, V>} map @param {string} key @param {V} value @param {number} most */
function put(map, key, value, most) {
  map.delete(key);
  map.set(key, value);
  if (map.size > most) map.delete([...map.keys()][0]);
}

/** @param {Viewer} viewer */
function keepScene({ scene, view, marks, panes, place }) {
  if (scene) put(KEPT, scene.id, { view: { ...view }, marks: marks.copy(), sources: panes.map((p) => p.source), place }, MOST_SCENES);
}

/** The scene as it was left, also by a viewer that is about to go. @param {Scene} scene @param {Viewer} viewer */
function keptScene(scene, viewer) {
  for (const other of LIVE) if (other !== viewer && other.scene?.id === scene.id) keepScene(other);
  return KEPT.get(scene.id);
}

/** @param {Mark} mark */
const isLesion = (mark) => mark.kind === "region" || mark.kind === "outline";

/** @param {Mark} mark @param {number} slice @returns {Mark} */
const copyTo = (mark, slice) => ({ ...mark, slice, points: mark.points.map((p) => [...p]) });

/** Tells whether two states differ. @param {View} view @param {Marks} marks */
function told(view, marks) {
  const { zoom, x, y, turn, flip, invert, window, windowOf } = view;
  return { look: JSON.stringify([zoom, x, y, turn, flip, invert, window, windowOf]), marks: JSON.stringify(marks.list.map((m) => [m.kind, m.slice, m.points])) };
}

/** Values that are black and white in a picture: those chosen, or its own as far along its own scale.
 * @param {{window: [number, number] | null, windowOf: number}} view @param {PictureHead[]} pictures @param {PictureHead} head @returns {[number, number]} */
function windowIn({ window, windowOf }, pictures, head) {
  if (!window) return head.window;
  const source = pictures[windowOf] ?? head;
  if (source === head || (source.unit ? source.unit === head.unit : source.slope === head.slope && source.intercept === head.intercept)) return window;
  const [a, b] = source.window, [c, d] = head.window;
  const [low, high] = window.map((v) => (v - a) / (b - a || 1)), along = (/** @type {number} */ t) => c + t * (d - c);
  return source.inverted === head.inverted ? [along(low), along(high)] : [along(1 - high), along(1 - low)];
}

/** Hands on what changed since the last time, to the pictures and to the other viewers on the page. @param {Viewer} viewer */
function handOn(viewer) {
  const { scene, view, marks } = viewer;
  if (!scene?.follows) return;
  const now = told(view, marks), before = viewer.shared;
  if (before && now.look === before.look && now.marks === before.marks) return;
  viewer.shared = now;
  const { zoom, x, y, turn, flip, invert } = view;
  if (now.look !== before?.look) {
    for (const head of scene.pictures) {
      put(LOOKS, head.of, { zoom, x, y, turn, flip, invert, window: view.window && windowIn(view, scene.pictures, head), head }, MOST_PICTURES);
    }
  }
  if (now.marks !== before?.marks) {
    scene.pictures.forEach((head, slice) => {
      const here = marks.list.filter((m) => m.slice === slice), drawn = here.filter((m) => !isLesion(m)), outline = here.find((m) => m.kind === "outline");
      if (drawn.length || DRAWN.has(head.of)) put(DRAWN, head.of, drawn.map((m) => copyTo(m, 0)), MOST_PICTURES);
      if (!scene.regionTool) return;
      if (outline) put(OUTLINES, head.of, copyTo(outline, 0), MOST_PICTURES); else OUTLINES.delete(head.of);
    });
  }
  for (const other of LIVE) {
    if (!other.root.isConnected) LIVE.delete(other);
    else if (other !== viewer && other.scene?.follows) {
      const drawn = other.shared?.marks, lines = JSON.stringify(other.outlines);
      if (follow(other)) other.followed(other.shared?.marks !== drawn || JSON.stringify(other.outlines) !== lines);
    }
  }
}

/** How any of a scene's pictures was looked at last, and its place among them. @param {Scene} scene */
function lastLook(scene) {
  const places = new Map(scene.pictures.map((p, i) => [p.of, i]));
  for (const [of, look] of [...LOOKS].reverse()) { const at = places.get(of); if (at !== undefined) return { look, at }; }
  return null;
}

/** Takes over how the scene's pictures were looked at last, and what was drawn on them.
 * The lesion is marked where it can be; elsewhere its outline is only shown.
 * @param {Viewer} viewer @param {boolean} [anew] where nothing of the scene itself was kept @returns {boolean} whether it changed anything */
function follow(viewer, anew = false) {
  const { scene, view, marks } = viewer, last = scene?.follows ? lastLook(scene) : null;
  viewer.outlines = [];
  if (!scene?.follows) return false;
  const before = told(view, marks);
  if (last) {
    const { zoom, x, y, turn, flip, invert } = last.look, head = scene.pictures[last.at];
    const window = last.look.window && windowIn({ window: last.look.window, windowOf: 0 }, [last.look.head], head);
    Object.assign(view, { zoom, x, y, turn, flip, invert, window, windowOf: last.at });
  }
  const list = scene.pictures.flatMap((p, slice) => {
    const own = marks.list.filter((m) => m.slice === slice), outline = OUTLINES.get(p.of);
    const drawn = DRAWN.get(p.of)?.map((m) => copyTo(m, slice)) ?? own.filter((m) => !isLesion(m));
    if (outline && !scene.regionTool) viewer.outlines.push({ ...copyTo(outline, slice), text: ["Outlined by the reader on Case"] });
    return [...drawn, ...own.filter(isLesion), ...(outline && scene.regionTool && anew ? [copyTo(outline, slice)] : [])];
  });
  const order = (/** @type {Mark[]} */ all) => JSON.stringify(all.map((m) => JSON.stringify([m.kind, m.slice, m.points])).sort());
  if (order(list) !== order(marks.list)) Object.assign(marks, { list, past: [], chosen: null }); // else undo goes on
  viewer.shared = told(view, marks);
  return viewer.shared.look !== before.look || viewer.shared.marks !== before.marks || viewer.outlines.length > 0;
}
