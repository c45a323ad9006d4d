// @ts-check
// How Streamlit starts a viewer, and starts it again.

/** One viewer an element; Streamlit calls again, with the same element, whenever the page runs. @type {WeakMap<object, Viewer>} */
const VIEWERS = new WeakMap();

/** @param {{data: any, parentElement: ParentNode & object, setStateValue: (name: string, value: unknown) => void}} component */
export default function mount(component) {
  const { data, parentElement, setStateValue } = component;
  const root = /** @type {HTMLElement} */ (parentElement.querySelector(".viewer"));
  let viewer = VIEWERS.get(root);
  if (!viewer) { viewer = new Viewer(root, setStateValue); VIEWERS.set(root, viewer); }
  viewer.send = setStateValue;
  const shown = viewer;
  void viewer.show(data).catch((error) => { shown.latest = undefined; shown.fail(error); });
  return () => { if (!root.isConnected) { shown.close(); VIEWERS.delete(root); } };
}
