// The classes of what is on show, each with its colour and share; pressed, it is left out of every panel.

import { isHidden } from "./classes.js";
import { button, byId, h, put } from "./dom.js";
import { fixed } from "./format.js";
import { t } from "./i18n.js";
import { classWords } from "./panels.js";
import { set, state } from "./state.js";

const MOST = 256; // classes named, the largest first

/** Draw the legend of what is on show; `redraw()` shows it anew without the classes that are hidden. */
export function drawLegend({ left, right }, redraw) {
  const entries = right.legend ?? left.legend;
  byId("legend").hidden = !entries;
  if (!entries) return;
  const more = entries.length - MOST;
  put(
    byId("legend"),
    entries.slice(0, MOST).map((one) => h("li", {}, entry(one, redraw))),
    more > 0 && h("li", { class: "quiet" }, t("legend.more", { count: more })),
  );
}

function entry(one, redraw) {
  const named = {
    "aria-pressed": String(!isHidden(one)),
    title: t(isHidden(one) ? "legend.show" : "legend.hide", { name: classWords(one) }),
    data: { class: one.name },
  };
  const press = () => {
    toggle(one);
    redraw();
  };
  const chip = h("span", { class: "chip", style: { backgroundColor: one.colour } });
  const share = one.share !== undefined && h("span", { class: "quiet" }, ` ${fixed(one.share * 100, 1)} %`);
  return button(named, press, chip, classWords(one), share);
}

/** Show or hide a class in every panel. */
function toggle(one) {
  const { hiddenClasses } = state;
  const without = hiddenClasses.filter((name) => name !== one.name);
  set({ hiddenClasses: without.length < hiddenClasses.length ? without : [...hiddenClasses, one.name] });
}
