// Results out: everything as a zip, single panels (in the strip), and the snippets that give the same again.

import * as api from "./api.js";
import { byId } from "./dom.js";
import { t } from "./i18n.js";
import { say } from "./notice.js";
import { run } from "./runner.js";
import { command, curl, python } from "./snippets.js";
import { on, set, state } from "./state.js";
import { write } from "./url.js";

const SNIPPETS = { "copy-command": command, "copy-python": python, "copy-curl": curl };

export function start() {
  on("result", draw);
  on(["view", "result", "language"], needs);
  byId("return-files").addEventListener("change", () => {
    set({ returnFiles: byId("return-files").checked });
    if (state.returnFiles) run();
  });
  for (const [id, make] of Object.entries(SNIPPETS)) byId(id).addEventListener("click", () => copy(make(state)));
  const menu = byId("copy-menu");
  const fold = () => {
    menu.open = false;
  };
  addEventListener("pointerdown", (event) => {
    if (!menu.contains(event.target)) fold();
  });
  menu.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    fold();
    menu.firstElementChild.focus();
  });
  menu.addEventListener("click", (event) => {
    if (event.target.closest(".sheet button")) fold();
  });
  byId("copied-dialog").addEventListener("close", () => {
    if (document.activeElement === document.body) menu.firstElementChild.focus(); // its opener is folded away
  });
  byId("copy-link").addEventListener("click", () => {
    write.now(); // the address follows the view with a delay
    copy(location.href);
  });
  draw();
}

function draw() {
  const { result } = state;
  const all = byId("download");
  all.toggleAttribute("aria-disabled", !result);
  if (result) all.href = api.downloadUrl(result.job);
  else all.removeAttribute("href");
  for (const id of Object.keys(SNIPPETS)) byId(id).disabled = !result;
}

/** Why two of the buttons do nothing now: a title alone is not seen by everybody. */
function needs() {
  const line = byId("out-needs");
  line.hidden = !state.result || !byId("cut").disabled || !byId("relief").disabled;
}

async function copy(text) {
  byId("copied").textContent = text;
  try {
    await navigator.clipboard.writeText(text);
    say("info", () => t("copy.done"));
  } catch {
    // no permission, or not a secure address: show it to be copied by hand
    byId("copied-dialog").showModal();
  }
}
