// @ts-check
// A group of buttons keeps Enter for itself: a reader who has just answered a field by one could not go on by Ctrl+Enter.
(() => {
  /** @type {any} */ const page = window;
  if (page.mmxShortcut) return;
  page.mmxShortcut = true;
  document.addEventListener("keydown", (event) => {
    const from = /** @type {Element | null} */ (event.target);
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || !from?.closest("[data-testid=stButtonGroup]")) return;
    const buttons = [...document.querySelectorAll("[data-testid=stMain] button:not(:disabled)")];
    const next = buttons.find((b) => /Enter/.test(b.querySelector("kbd")?.textContent ?? ""));
    if (!next) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    /** @type {HTMLElement} */ (next).click();
  }, true);
})();
