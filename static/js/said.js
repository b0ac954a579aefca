// What the server says is English. A language's file static/lang/said/<code>.json has its words for the templates of
// those sentences, as they stand in the Python sources: "The signal has {} channels; at most {} are read.".

import { h } from "./dom.js";

let templates = []; // {pieces: what stands between the holes, longest: of them, words, weight: their letters}
const whole = new Map(); // the templates without holes
const known = new Map(); // the best reading of each text so far
const MOST = 2000; // texts kept

/** Take a language's words for the server's sentences; none for English. @param {Record<string, string>} catalogue */
export function learn(catalogue) {
  templates = [];
  whole.clear();
  known.clear();
  for (const [english, words] of Object.entries(catalogue)) {
    const pieces = english.toLowerCase().split(/(?:\{\})+/); // holes beside each other are one
    const weight = letters(pieces.join(""));
    if (pieces.length === 1) whole.set(pieces[0], { words, score: weight });
    else templates.push({ pieces, longest: pieces.toSorted((a, b) => b.length - a.length)[0], words, weight });
  }
}

const PLACE = /(\p{sc=Han}?)\{(\w+)\}(?=(\p{sc=Han}?))/gu;
/** What is filled in stands apart from a Chinese character beside it where it begins or ends with a Latin letter. */
const apart = (before, value, after) =>
  `${before && /^[\w[.'−-]/.test(value) ? " " : ""}${value}${after && /[\w'\]]$/.test(value) ? " " : ""}`;

/** `text` with each {name} filled in by `of(name)`. */
export const fill = (text, of) =>
  text.replace(PLACE, (_, before, name, after) => before + apart(before, of(name), after));

// A text is read as a template whose holes are read in turn, or as parts with a sign between them. Of all readings that
// counts which knows most letters; words that nothing is known of are left, marked, and count against it. Of equals,
// the one that parts longer texts: signs bind less than what stands in a template.

const [OPEN, CLOSE] = ["\uE000", "\uE001"]; // around what stays English
const LEFT = -8;
const MANY = 60; // signs: a text of more is somebody's list of names
const EFFORT = 20_000; // readings of one text: names that somebody's file brings may have any number of signs
const FEW = 6; // letters: "{} of {}" is within one sentence
const BETWEEN = { ".": "{1}{2}", ";": "{1}；{2}", ":": "{1}：{2}", ",": "{1}，{2}", and: "{1}和{2}", or: "{1}或{2}" };
const SIGN = /([.;:,])\s+|\s(and|or)\s/g;

const letters = (text) => text.match(/\p{L}/gu)?.length ?? 0;
const BEGINS = /^(?:[.;:,]\s|(?:and|or)\s)/;
const isProse = (text) => /[a-z]{2,} [a-z]{2,}/i.test(text);

let left = 0; // of EFFORT

function best(text) {
  const before = known.get(text);
  if (before) return before;
  let found = isProse(text) || BEGINS.test(text) ? { words: OPEN + text + CLOSE, score: LEFT } : { words: text, score: 0 };
  for (const one of readings(text)) {
    if (one.score >= 1 && one.score > found.score) found = one;
    if (--left < 0) break;
  }
  if (known.size > MOST) known.clear();
  known.set(text, found);
  return found;
}

function* readings(text) {
  const low = text.toLowerCase();
  if (whole.has(low)) yield whole.get(low);
  if (whole.has(low) || !/[a-z]{2}/.test(low)) return;
  const begins = BEGINS.test(low); // with a sign: only what is written so
  const isSeveral = /[.] /.test(low);
  for (const { pieces, longest, words, weight } of templates) {
    if (!low.includes(longest) || (begins && !pieces[0]) || (weight < FEW && isSeveral)) continue;
    for (const holes of between(pieces, low)) yield filled(words, weight, holes.map(([a, b]) => text.slice(a, b)));
  }
  if (begins) return;
  if (/[^.]\.$/.test(text)) yield filled("{1}。", 1e-4 * text.length, [text.slice(0, -1)]);
  const signs = [...text.matchAll(SIGN)].filter(({ index }) => index > 0);
  for (const { index, 0: sign, 1: point, 2: word } of signs.length > MANY ? [] : signs) {
    const left = text.slice(0, index + (point === "." ? 1 : 0));
    yield filled(BETWEEN[point ?? word], 1e-4 * text.length, [left, text.slice(index + sign.length)]);
    // a part may begin with the sign
    yield filled("{1}{2}", 1e-4 * text.length, [text.slice(0, index), text.slice(index).trim()]);
  }
}

/** Every way that the holes between `pieces` may lie in `text`: [from, to] each. */
function* between(pieces, text, n = 1, from = pieces[0].length) {
  if (n === 1 && !text.startsWith(pieces[0])) return;
  const piece = pieces[n];
  if (n === pieces.length - 1) {
    const to = text.length - piece.length;
    if (to >= from && text.endsWith(piece)) yield [[from, to]];
    return;
  }
  for (let at = text.indexOf(piece, from); at >= 0; at = text.indexOf(piece, at + 1)) {
    for (const others of between(pieces, text, n + 1, at + piece.length)) yield [[from, at], ...others];
  }
}

/** `words` with each hole read in turn, {1}; what is named {1r} is taken as it is: a file's name, an argument. */
function filled(words, weight, holes) {
  let score = weight;
  const of = (name) => {
    const hole = holes[parseInt(name, 10) - 1];
    const raw = name.endsWith("r");
    const one = best(hole.trim());
    score += raw && isProse(hole) ? LEFT : raw ? Math.max(0, one.score) : one.score;
    return raw ? hole : one.words;
  };
  return { words: fill(words, of), score };
}

/** Sentence by sentence, which is quick; as one text where that leaves something: a template may have two sentences. */
function read(text) {
  left = EFFORT;
  const each = text.trim().split(/(?<=[^.]\.)\s+(?=[A-Z])/).map((one) => best(one).words);
  return each.some((words) => words.includes(OPEN)) ? best(text.trim()).words : each.join("");
}

/** A text of the server in the page's language. @param {string} text */
export const said = (text) => (templates.length ? read(text).replaceAll(/[\uE000\uE001]/g, "") : text);

/** The same for the page: parts that stay English say so. @param {string} text @returns {(string | HTMLElement)[]} */
export function inWords(text) {
  if (!templates.length) return [text];
  return read(text)
    .split(/(\uE000[^\uE001]*\uE001)/)
    .filter(Boolean)
    .map((part) => (part.startsWith(OPEN) ? h("span", { lang: "en" }, part.slice(1, -1)) : part));
}
