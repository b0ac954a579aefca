// The strip of all panels of a group: each with its name, buttons for either side, and its picture to save.

import { byId, h } from "./dom.js";
import { t } from "./i18n.js";
import { colourOf } from "./methods.js";
import { nameIn, sentence, source, title } from "./panels.js";

/** Draw (or redraw in place, so that pictures change without a flash) the strip of `chosen.panels`. */
export function drawStrip(chosen, result, pick) {
  const strip = byId("strip");
  const names = chosen.panels.map((p) => p.name);
  const old = [...strip.children].map((node) => node.dataset.panel);
  if (old.join() !== names.join()) strip.replaceChildren(...chosen.panels.map(() => cell()));
  chosen.panels.forEach((panel, i) => fill(strip.children[i], panel, chosen, result, pick));
}

function cell() {
  return h(
    "li",
    { class: "cell" },
    h("button", { type: "button", class: "face" }),
    h("span", { class: "name" }, h("span", { class: "dot" }), h("span", { class: "words" })),
    h(
      "span",
      { class: "sides" },
      h("button", { type: "button", class: "side" }, "◂"),
      h("button", { type: "button", class: "side" }, "▸"),
      h("a", { class: "save" }, "↓"),
    ),
  );
}

function fill(node, panel, chosen, result, pick) {
  const { job } = result;
  const words = title(panel);
  node.dataset.panel = panel.name;
  const face = node.querySelector(".face");
  face.title = sentence(panel);
  face.setAttribute("aria-label", words);
  face.onclick = () => pick("right", panel.name);
  node.querySelector(".name").title = words;
  node.querySelector(".words").textContent = nameIn(panel, chosen.panels, result);
  node.querySelector(".dot").className = `dot ${colourOf(result, panel)}`;
  const [left, right] = node.querySelectorAll(".side");
  for (const [button, side, label] of [
    [left, "left", t("strip.left", { panel: words })],
    [right, "right", t("strip.right", { panel: words })],
  ]) {
    button.setAttribute("aria-label", label);
    button.title = label;
    button.setAttribute("aria-pressed", String(chosen[side].name === panel.name));
    button.onclick = () => pick(side, panel.name);
  }
  const save = node.querySelector(".save");
  save.hidden = Boolean(panel.canvas);
  if (panel.canvas) {
    // the map changes with the point: a copy, drawn again each time
    let copy = face.querySelector("canvas");
    if (!copy) face.replaceChildren((copy = h("canvas", { width: 224, height: 144, "aria-hidden": "true" })));
    cover(copy, panel.canvas);
    return;
  }
  save.href = source(panel, job);
  save.download = `${panel.name}.png`;
  save.setAttribute("aria-label", t("strip.save", { panel: words }));
  save.title = save.getAttribute("aria-label");
  let image = face.querySelector("img");
  if (!image) face.replaceChildren((image = h("img", { alt: "" })));
  image.classList.toggle("coarse", panel.width < 128);
  const address = source(panel, job);
  if (image.getAttribute("src") !== address) image.src = address;
}

/** Draw the middle of `from` over all of `to`. */
function cover(to, from) {
  const scale = Math.max(to.width / from.width, to.height / from.height);
  const [width, height] = [to.width / scale, to.height / scale];
  const [left, top] = [(from.width - width) / 2, (from.height - height) / 2];
  to.getContext("2d").drawImage(from, left, top, width, height, 0, 0, to.width, to.height);
}
