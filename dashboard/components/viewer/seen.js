// @ts-check
// What the reader did with the scenes seen so far. Each is shown again as it was left, and how a picture was looked at
// goes with it to the next scene that shows it, where both say so: a window set for the reading holds for the evidence.

/** Positions and settings, no pixels; `view` and `marks` are those on screen while the scene is.
 * @typedef {{id: string, follows: boolean, regionTool: boolean, pictures: PictureHead[], view: View, marks: Marks, sources: string[], place: Place | null}} Seen */

/** By the scene's id, the one opened last at the end. @type {Map<string, Seen>} */
const SEEN = new Map();
const MOST_SEEN = 20;

/** A scene is on screen now. @param {Seen} seen */
function opened(seen) {
  SEEN.delete(seen.id);
  SEEN.set(seen.id, seen);
  if (SEEN.size > MOST_SEEN) SEEN.delete([...SEEN.keys()][0]);
}

/** @param {Mark} mark */
const isLesion = (mark) => mark.kind === "region" || mark.kind === "outline";

/** Values that are black and white in a picture: those chosen, or its own as far along its own scale.
 * @param {View} view @param {PictureHead[]} pictures @param {PictureHead} head @returns {[number, number]} */
function windowIn({ window, windowOf }, pictures, head) {
  if (!window) return head.window;
  const source = pictures[windowOf] ?? head;
  if (source === head || (source.unit ? source.unit === head.unit : source.slope === head.slope && source.intercept === head.intercept)) return window;
  const [a, b] = source.window, [c, d] = head.window, along = (/** @type {number} */ v) => c + ((v - a) / (b - a || 1)) * (d - c);
  return [along(window[0]), along(window[1])];
}

/** Takes over how the picture on screen, and what was drawn on the scene's pictures, was left elsewhere since.
 * The lesion is marked where it can be; elsewhere its outline is only shown. @param {Scene} scene @param {View} view @param {Marks} marks */
function follow(scene, view, marks) {
  const key = scene.pictures[view.slice]?.key;
  const last = [...SEEN.values()].reverse().find((s) => s.follows && s.pictures.some((p) => p.key === key));
  if (!scene.follows || !last || last.id === scene.id) return;
  const { zoom, x, y, turn, flip, invert } = last.view, head = /** @type {PictureHead} */ (last.pictures.find((p) => p.key === key));
  Object.assign(view, { zoom, x, y, turn, flip, invert, window: null, windowOf: view.slice });
  if (last.view.window) { // in the values of the picture there; here it may be told in others
    const there = { ...last.view, window: windowIn(last.view, last.pictures, head), windowOf: 0 };
    view.window = windowIn(there, [head], scene.pictures[view.slice]);
  }
  const taken = (/** @type {Mark} */ m) => !isLesion(m) || (m.kind === "outline" && last.regionTool && !scene.regionTool);
  const places = scene.pictures.map((p) => last.pictures.findIndex((q) => q.key === p.key));
  const own = marks.list.filter((m) => places[m.slice] < 0 || (isLesion(m) && scene.regionTool));
  const theirs = places.flatMap((at, slice) => last.marks.list.filter((m) => m.slice === at && taken(m)).map((m) => ({ ...m, slice, points: m.points.map((p) => [...p]) })));
  const list = [...own, ...theirs], told = (/** @type {Mark[]} */ all) => JSON.stringify(all.map((m) => [m.kind, m.slice, m.points]).sort());
  if (told(list) !== told(marks.list)) Object.assign(marks, { list, past: [], chosen: null }); // else undo goes on as before
}
