// Tabs as screen readers and keyboards expect them: one stop for the tab key, arrows, Home and End.

import { button, put } from "./dom.js";

/** A tab for each [name, words] in `holder`, with the ids `prefix`-name; they show in `panel`, and `choose(name)`. */
export function drawTabs(holder, panel, prefix, entries, present, choose) {
  put(
    holder,
    entries.map(([name, words]) =>
      button(
        {
          role: "tab",
          id: `${prefix}-${name}`,
          "aria-selected": String(name === present),
          "aria-controls": panel.id,
          tabindex: name === present ? 0 : -1,
        },
        () => choose(name),
        words,
      ),
    ),
  );
  panel.setAttribute("aria-labelledby", `${prefix}-${present}`);
}

/** Keys on the tabs: those beside, the first and the last. */
export function tabKeys(event) {
  const all = [...event.currentTarget.children];
  const at = all.indexOf(document.activeElement);
  const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: all.length - 1 }[event.key];
  if (to === undefined || at < 0) return;
  event.preventDefault();
  all[(to + all.length) % all.length].click();
}
