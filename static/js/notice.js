// One place for what the page has to say: refusals, going offline, coming back. One sentence and what to do.

import { byId, h, put } from "./dom.js";
import { hasServed, language, served, t } from "./i18n.js";

let showing = null;

/** Show `text` ({kind: "error" | "info", text, detail, action: {label, run}}); a later notice takes its place. */
export function say(kind, text, { detail, action, about } = {}) {
  showing = { kind, about };
  const box = byId("notice");
  box.className = `notice ${kind}`;
  put(
    box,
    h("p", {}, text, detail && h("span", { class: "detail", lang: "en" }, ` ${detail}`)),
    action &&
      h(
        "button",
        {
          type: "button",
          on: {
            click: () => {
              hush();
              action.run();
            },
          },
        },
        action.label,
      ),
    h(
      "button",
      {
        type: "button",
        class: "close",
        "aria-label": t("notice.close"),
        title: t("notice.close"),
        on: { click: () => hush() },
      },
      "×",
    ),
  );
  box.hidden = false;
}

/** Take the notice away; with `about`, only if it is about that. */
export function hush(about) {
  if (!showing || (about && showing.about !== about)) return;
  showing = null;
  const box = byId("notice");
  box.hidden = true;
  put(box);
}

/** Show a refusal in the person's language; the server's exact sentence stands beside a translated one. */
export function refuse(problem, options = {}) {
  if (problem.code === "unreachable") return; // the offline notice says it
  const key = `error.${problem.code}`;
  if (language() !== "en" && hasServed(key))
    say("error", served(key), { detail: problem.message, about: "refusal", ...options });
  else say("error", problem.message, { about: "refusal", ...options });
}

/** Speak to screen readers without showing. */
export function announce(text) {
  byId("announcer").textContent = text;
}
