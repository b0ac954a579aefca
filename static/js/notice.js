// One place for what the page has to say: errors stay above the page until they are settled, news goes by itself.

import { button, byId, h, put } from "./dom.js";
import { t } from "./i18n.js";
import { inWords, said } from "./said.js";
import { on } from "./state.js";

const NEWS = 6000; // ms that news stays, longer while a pointer or the focus is on it

let showing = null; // the error that stands: {words, options}
let news = null; // the news that is shown, the same
let timer = 0;
let before = null; // what had the focus before it came to a notice

const now = (words) => (typeof words === "function" ? words() : words);

/**
 * Show an "error", which stays and takes an older one's place, or "info", which goes by itself. `words` and the labels
 * of `actions` ({label, run}) are functions of the present language, so that a notice that stands can be said again.
 * @param {"error" | "info"} kind
 * @param {{about?: string, actions?: {label: () => string, run: () => void}[]}} [options]
 */
export function say(kind, words, options = {}) {
  if (kind === "info") {
    news = { words, options };
    drawNews();
    announce(now(words));
    fade();
  } else {
    showing = { words, options };
    drawError();
  }
}

on("language", () => {
  if (showing) drawError();
  if (news) drawNews();
});

function drawError() {
  const { words, options } = showing;
  const box = byId("notice");
  box.className = "notice error";
  put(
    box,
    h("p", {}, now(words)),
    (options.actions ?? []).map(({ label, run }) => {
      const act = () => {
        leave(() => hush());
        run();
      };
      return button({}, act, now(label));
    }),
    close(() => leave(() => hush())),
  );
  box.hidden = false;
}

function drawNews() {
  const box = byId("toast");
  put(box, h("p", {}, now(news.words)), close(() => leave(quiet)));
  box.hidden = false;
}

for (const id of ["notice", "toast"]) {
  byId(id).addEventListener("focusin", ({ relatedTarget: from }) => {
    if (!from || !byId(id).contains(from)) before = from;
  });
}

/** Take a notice away by `fn`; the focus goes back to where it came from, or else to Run. */
function leave(fn) {
  const back = before?.isConnected ? before : byId("run");
  fn();
  back.focus();
}

for (const event of ["pointerenter", "focusin"]) byId("toast").addEventListener(event, () => clearTimeout(timer));
for (const event of ["pointerleave", "focusout"]) byId("toast").addEventListener(event, fade);

const close = (click) =>
  button({ class: "close", "aria-label": t("notice.close"), title: t("notice.close") }, click, "×");

function fade() {
  clearTimeout(timer);
  timer = setTimeout(quiet, NEWS);
}

function quiet() {
  news = null;
  byId("toast").hidden = true; // a focus within it goes with it: that starts the clock, so it stops last
  clearTimeout(timer);
}

/** Take what is shown away; with `about`, only if it is about that. */
export function hush(about = null) {
  if (about && news?.options.about === about) quiet();
  if (!showing || (about && showing.options.about !== about)) return;
  showing = null;
  const box = byId("notice");
  box.hidden = true;
  put(box);
}

/** What the page itself has to say of a problem. */
const own = (problem) => (problem.code in OWN ? t(OWN[problem.code]) : problem.words?.());
const OWN = { unreachable: "offline.short", foreign: "error.foreign" };

/** A refusal without the words of Python and the command line, whose place buttons take. */
const bare = ({ message, remedies = [] }) =>
  remedies.reduce((text, { sentence }) => (sentence ? text.replace(` ${sentence}`, "") : text), message);

/** The name of the refused file in front, unless the words have it. */
const ofFile = ({ file, message }) => (file && !message.includes(file) ? t("notice.file", { name: file }) : "");

/** A refusal, or that the server is away, in the person's language. */
export const told = (problem) => own(problem) ?? ofFile(problem) + said(bare(problem));

/** Show a refusal in the person's language. */
export function refuse(problem, options = {}) {
  if (problem.code === "unreachable") return; // the offline notice says it
  say("error", () => own(problem) ?? [ofFile(problem), ...inWords(bare(problem))], { about: "refusal", ...options });
}

/** Speak to screen readers without showing. */
export function announce(text) {
  byId("announcer").textContent = text;
}
