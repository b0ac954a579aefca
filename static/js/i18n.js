// Words. All of them are in static/lang/<code>.json; English texts that come from the server (settings,
// panels, errors) are used as they come, other languages carry theirs under "server.…".

import * as api from "./api.js";
import { set } from "./state.js";

export const LANGUAGES = { en: "English", zh: "中文" };

/** A language as HTML names it. */
export const tag = (language) => (language === "zh" ? "zh-Hans" : language);

let words = {};
let code = "en";
export const language = () => code;

/** Fetch a language's words and put them on the page; what was written by script listens to "language". */
export async function load(wanted) {
  const next = wanted in LANGUAGES ? wanted : "en";
  words = await api.words(next); // if they do not come, the page stays in its language
  code = next;
  document.documentElement.lang = tag(code);
  translate(document);
  set({ language: code });
}

const PLACE = /(\p{sc=Han}?)\{(\w+)\}(?=(\p{sc=Han}?))/gu;
/** What is filled in stands apart from a Chinese character beside it where it begins or ends with a Latin letter. */
const apart = (before, value, after) =>
  `${before && /^\w/.test(value) ? " " : ""}${value}${after && /\w$/.test(value) ? " " : ""}`;

/** The words for `key`, with {names} filled in. */
export function t(key, values) {
  const text = words[key];
  if (text === undefined) {
    console.error(`no words for ${key} in ${code}`);
    return key;
  }
  const filled = (_, before, name, after) => before + apart(before, String(values[name] ?? ""), after);
  return values ? text.replace(PLACE, filled) : text;
}

/** A text that the server sends in English: this language's own if it has one, otherwise the server's. */
export function served(key, english) {
  return words[`server.${key}`] ?? english;
}

export const unitWords = (unit) => served(`unit.${unit}`, unit);

export const hasServed = (key) => words[`server.${key}`] !== undefined;

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
  const known = (value) => (value in LANGUAGES ? value : null);
  const browser = (navigator.language ?? "en").toLowerCase().startsWith("zh") ? "zh" : "en";
  return known(fromAddress ?? "") ?? known(localStorage.getItem("gsjbu.language") ?? "") ?? browser;
}

export function remember(next) {
  localStorage.setItem("gsjbu.language", next);
}
