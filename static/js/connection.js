// Whether the server is there. When it goes, say so and look for it; when it comes back, tell who waits.

import * as api from "./api.js";
import { wait } from "./dom.js";
import { set, state } from "./state.js";
import { announce, hush, say } from "./notice.js";
import { t } from "./i18n.js";

const EVERY = 1000; // ms between looks while the server is away
const SAME = 1500; // ms: start times that differ by less are one server process
let started = null; // when the server process that last answered began, by our clock
let looking = null; // the promise of its return, while the server is looked for
const returned = new Set();

/** `fn(restarted)` once the server answers again. */
export function onReturn(fn) {
  returned.add(fn);
}

/** Note which server process we talk to. */
export async function meet() {
  const answer = await api.health();
  started = began(answer);
  set({ warm: answer.warm });
}

/** Ask again whether the server has compiled all that makes runs fast. */
export async function look() {
  const answer = await health();
  if (answer) set({ warm: answer.warm });
}

const began = (health) => Date.now() - health.uptime_s * 1000;

/** How the server is, null while it is away. */
const health = () => api.health().catch(() => null);

/** Called on any sign that the server is gone; done once it is back: whether it was really away. */
export const lost = () => (looking ??= seek());

async function seek() {
  let answer = await health(); // perhaps only one answer was lost
  if (!answer) {
    set({ online: false });
    say("error", () => t("offline.gone"), { about: "offline" });
    announce(t("offline.gone"));
  }
  while (!answer) {
    await wait(EVERY);
    answer = await health();
  }
  return back(answer);
}

async function back(answer) {
  looking = null;
  const now = began(answer);
  const restarted = started !== null && Math.abs(now - started) > SAME;
  started = now;
  const wasAway = !state.online;
  set({ online: true });
  if (!wasAway && !restarted) return false;
  hush("offline");
  say("info", () => t(restarted ? "offline.restarted" : "offline.back"));
  for (const fn of returned) await fn(restarted);
  return true;
}
