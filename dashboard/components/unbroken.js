// @ts-check
// A number and its per cent sign stay on one line, by whatever part of the page they were written and whenever: the
// space between them becomes one that does not break. What can be copied to run, or was typed, is left as it is.
(() => {
  /** @type {any} */ const page = window;
  if (page.mmxUnbroken) return;
  page.mmxUnbroken = true;
  const LEFT_ALONE = "script, style, textarea, code, pre, svg, [contenteditable]";
  const join = (/** @type {Node} */ node) => {
    const text = node.nodeValue ?? "";
    if (!/\d %/.test(text) || node.parentElement?.closest(LEFT_ALONE)) return;
    node.nodeValue = text.replace(/(\d) %/g, "$1\u00a0%");
  };
  const joinBelow = (/** @type {Node} */ root) => {
    if (root.nodeType === Node.TEXT_NODE) return join(root);
    const texts = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) join(texts.currentNode);
  };
  // Before the next painting, so that nothing is seen to move; what is joined once matches no more.
  new MutationObserver((changes) => {
    for (const change of changes) {
      if (change.type === "characterData") join(change.target);
      else change.addedNodes.forEach(joinBelow);
    }
  }).observe(document.body, { childList: true, characterData: true, subtree: true });
  joinBelow(document.body);
})();
