// The button that changes the page's language.

import * as api from "./api.js";
import { byId } from "./dom.js";
import * as i18n from "./i18n.js";
import { say } from "./notice.js";
import { on } from "./state.js";
import { trouble } from "./trouble.js";

const other = () => (i18n.language() === "en" ? "zh" : "en");

export function start() {
  byId("language").addEventListener("click", async () => {
    const wanted = other();
    try {
      await i18n.load(wanted);
      i18n.remember(wanted);
    } catch (error) {
      if (error instanceof api.Unreachable) say("info", () => i18n.t("offline.short"));
      await trouble(error);
    }
  });
  on("language", draw);
  draw();
}

function draw() {
  const button = byId("language");
  button.textContent = i18n.LANGUAGES[other()];
  button.lang = i18n.tag(other());
}
