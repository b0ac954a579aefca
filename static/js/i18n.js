// Words of the page itself: static/lang/<code>.json. What the server says has its words in said.js.

import * as api from "./api.js";
import { fill, learn } from "./said.js";
import { set } from "./state.js";
import { keep, recall } from "./storage.js";

export const LANGUAGES = { en: "English", zh: "中文" };

export const isLanguage = (name) => Object.hasOwn(LANGUAGES, name);

/** A language as HTML names it. */
export const tag = (language) => (language === "zh" ? "zh-Hans" : language);

let words = {};
let code = "en";
export const language = () => code;

/** Fetch a language's words and put them on the page; what was written by script listens to "language". */
export async function load(wanted) {
  const next = isLanguage(wanted) ? wanted : "en";
  // if they do not come, the page stays in its language
  const [own, servers] = await Promise.all([api.words(next), next === "en" ? {} : api.serversWords(next)]);
  words = own;
  learn(servers);
  code = next;
  document.documentElement.lang = tag(code);
  translate(document);
  set({ language: code });
}

/** The words for `key`, with {names} filled in. */
export function t(key, values) {
  const text = words[key];
  if (text === undefined) {
    console.error(`no words for ${key} in ${code}`);
    return key;
  }
  return values ? fill(text, (name) => String(values[name] ?? "")) : text;
}

/** Names or figures one after the other, as the language lists them. @param {string[]} all */
export const list = (all) => all.join(t("list.comma"));

/** Sentences one after the other. @param {string[]} all */
export const sentences = (all) => all.filter(Boolean).join(t("list.space"));

/** Several names as one phrase. @param {string[]} names */
export const listed = (names) =>
  new Intl.ListFormat(code === "en" ? "en-GB" : tag(code), { type: "conjunction" }).format(names);

/** Fill in data-i18n (text) and data-i18n-label (accessible name, and title where it can be pressed). */
function translate(root) {
  for (const node of root.querySelectorAll("[data-i18n]")) node.textContent = t(node.dataset.i18n);
  for (const node of root.querySelectorAll("[data-i18n-label]")) {
    node.setAttribute("aria-label", t(node.dataset.i18nLabel));
    if (node.matches("button, a")) node.title = t(node.dataset.i18nLabel);
  }
}

/** The language to begin with: the address, then the last choice, then the browser's. */
export function firstLanguage(fromAddress) {
  const known = (value) => (isLanguage(value) ? value : null);
  const browser = (navigator.language ?? "en").toLowerCase().startsWith("zh") ? "zh" : "en";
  return known(fromAddress ?? "") ?? known(recall("gsjbu.language") ?? "") ?? browser;
}

export const remember = (next) => keep("gsjbu.language", next);
