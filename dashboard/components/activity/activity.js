/**
 * Tells the server how long the reader was at work: one heartbeat each `everyS` seconds, with the seconds in which
 * there was a sign of the reader and those in which there was none. Shows nothing.
 *
 * A second is active while the page is visible and the last key, pointer or wheel event is less than `idleS` ago;
 * the rest is idle. A hidden tab is idle. The counts start again with every new `step`.
 */

/** @typedef {{step: string, everyS: number, idleS: number}} Settings */
/** @typedef {{step: string, active: number, idle: number, lastSign: number, timer: number, off: () => void}} Clock */

/** @type {WeakMap<object, Clock>} */
const clocks = new WeakMap();
const SIGNS = ["pointerdown", "pointermove", "keydown", "wheel", "touchstart"];

export default function activity({ data, parentElement, setStateValue }) {
  /** @type {Settings} */
  const settings = data;
  const before = clocks.get(parentElement);
  if (before && before.step === settings.step) return;
  if (before) before.off();

  /** @type {Clock} */
  const clock = { step: settings.step, active: 0, idle: 0, lastSign: performance.now(), timer: 0, off: () => {} };
  const sign = () => { clock.lastSign = performance.now(); };
  let last = performance.now();
  let told = last;
  const tick = () => {
    const now = performance.now();
    const span = (now - last) / 1000;
    last = now;
    const busy = document.visibilityState === "visible" && now - clock.lastSign < settings.idleS * 1000;
    // A gap much longer than a tick is a machine that slept: nobody was reading.
    if (busy && span < 5) clock.active += span;
    else clock.idle += span;
    if (now - told >= settings.everyS * 1000) {
      told = now;
      setStateValue("beat", { step: clock.step, active_s: clock.active, idle_s: clock.idle });
    }
  };
  clock.timer = window.setInterval(tick, 500);
  for (const name of SIGNS) window.addEventListener(name, sign, { passive: true, capture: true });
  clock.off = () => {
    window.clearInterval(clock.timer);
    for (const name of SIGNS) window.removeEventListener(name, sign, { capture: true });
  };
  clocks.set(parentElement, clock);
  return () => { clock.off(); clocks.delete(parentElement); };
}
