// What is chosen and on its way to the server. One rule for pictures, signals and truths: the newest choice wins, an older
// one is given up, and what could not be sent for lack of a server is sent once it is back.

import * as api from "./api.js";
import * as connection from "./connection.js";
import { t } from "./i18n.js";
import { announce, hush, say } from "./notice.js";
import { set, state } from "./state.js";
import { trouble } from "./trouble.js";

const SETTLED = ["brought", "refusal", "signal", "address"]; // what was said of older choices

/** @type {Record<string, AbortController>} */
const newest = {}; // by what it is a choice of: image, signal, truth

/**
 * The page's own choice of `slots` (image, signal, truth), as its address asks: older ones under way are given up.
 * @param {...string} slots
 */
export function claim(...slots) {
  const mine = new AbortController();
  for (const slot of slots) {
    newest[slot]?.abort();
    newest[slot] = mine;
  }
  return mine.signal;
}

/** A person's choice: what was said of older ones goes as well. @param {...string} slots */
export function choose(...slots) {
  for (const about of SETTLED) hush(about);
  return claim(...slots);
}

export const isChosen = (slot) => slot in newest;

/**
 * Choose what `work(signal)` gets from the server: its answer, or null where it was refused, which is said, or given up.
 * @param {{slots: string[], name?: string, file?: Blob, limit?: string,
 *   actions?: (problem: api.Problem) => object[]}} what `name` is shown on its way and in a refusal, whose notice offers
 *   `actions`; `limit` names that of the `file`
 */
export async function send({ slots, name, file, limit, actions }, work) {
  const mine = choose(...slots);
  if (limit && !isSmallEnough(file, name, limit)) return null;
  const trying = async (isAgain = false) => {
    try {
      return await work(mine);
    } catch (error) {
      if (!(error instanceof api.Unreachable) || mine.aborted) throw error;
    }
    const wasAway = await connection.lost();
    mine.throwIfAborted();
    if (isAgain && !wasAway && name) throw unsent(name); // the server is there: it is the file, or what lies between
    return trying(!wasAway);
  };
  try {
    const answer = await (name ? sending(name, trying(), mine) : trying());
    return mine.aborted ? null : answer;
  } catch (error) {
    if (!mine.aborted) await trouble(error, { about: "brought", actions: actions?.(error) });
    return null;
  }
}

const unsent = (name) => Object.assign(new api.Problem(0, { code: "unsent" }), { words: () => t("error.unsent", { name }) });

/** Count `name` among what is being sent until `work` is done, well or badly, or given up. */
export async function sending(name, work, signal = null) {
  const mine = { name };
  const done = () => set({ sending: state.sending.filter((one) => one !== mine) });
  set({ sending: [...state.sending, mine] });
  announce(t("picture.sending", { name }));
  signal?.addEventListener("abort", done);
  try {
    return await work;
  } catch (error) {
    if (error instanceof api.Problem) error.file = name; // which of those that were brought
    throw error;
  } finally {
    done();
  }
}

/** Whether the server takes a file of this size; why not is said. */
function isSmallEnough(file, name, limit) {
  const most = state.info.limits?.[limit];
  if (!most || file.size <= most) return true;
  const sizes = { name, size: Math.round(file.size / 1e6), limit: Math.round(most / 1e6) };
  say("error", () => t("error.fileTooLarge", sizes), { about: "brought" });
  return false;
}
