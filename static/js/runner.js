// Runs: one at a time, the newest wins. A quick run starts by itself; a slow one waits for the button.

import * as api from "./api.js";
import * as connection from "./connection.js";
import { refuse } from "./notice.js";
import { debounce, wait } from "./dom.js";
import { label, shownValue, take } from "./controls.js";
import { set, state } from "./state.js";
import { t } from "./i18n.js";
import { isForgotten, sendAgain, trouble } from "./trouble.js";

const SLOW = 5; // seconds; above this a run waits to be asked for
const BUSY = 429; // the server has no place for this run now, as others of this visitor or all run
const QUIET = 120; // ms without a further change before a run starts while a slider is still held

let turn = 0; // number of the newest request; older ones give way
let brokeOff = false; // whether the run before was lost with an answer
let flight = null; // {id, events, key} of the job that is running
let posting = Promise.resolve(); // the job that is on its way to the server
/**
 * What shows the pictures of a run whose figures are still made, and what puts a finished result on the page: a run
 * counts as done once it is there. What mends a refusal may be known elsewhere: the options of its notice, or null.
 * @type {{pictures: (early: {job: string, from: object, panels: object[]}) => Promise<void>,
 *   result: (result: object, stillWanted: () => boolean) => Promise<void>,
 *   refusal: (problem: api.Problem) => {actions: {label: () => string, run: () => void}[]} | null}}
 */
let show;

export function start(showing) {
  show = showing;
}

const body = () => ({
  image_id: state.image.id,
  settings: state.settings,
  panels: "links", // the page loads only the pictures it shows
  ...(state.signal ? { signal_id: state.signal.id } : {}),
  ...(state.truth ? { truth_id: state.truth.id } : {}),
  ...(state.returnFiles ? { return_files: true } : {}),
});

/** Run as things stand now. With `asked`, even if it is slow. */
export async function run({ asked = false } = {}) {
  if (!state.image) return;
  later.cancel();
  const wanted = body();
  const key = JSON.stringify(wanted);
  if (flight?.key === key) return; // just that is running already
  const mine = ++turn;
  try {
    const sent = { image: state.image, signal: state.signal, truth: state.truth };
    drop();
    await posting; // one at a time, and of those that wait the newest
    if (mine !== turn) return;
    const run = { phase: "running", progress: null, losses: [], settings: wanted.settings };
    set({ run });
    const { job_id, estimate } = await accepted(asked ? wanted : { ...wanted, patience_s: SLOW }, mine, run);
    if (mine !== turn) {
      if (job_id) api.dropJob(job_id).catch(ignoreGone);
      return;
    }
    set({ estimate, run: job_id ? run : { phase: "waiting" } });
    if (job_id) follow(job_id, key, mine, sent);
  } catch (error) {
    await failed(error, mine);
  }
}

/** The server's answer to a new job; where it is busy it is asked again as long as nothing newer is wished for. */
async function accepted(wanted, mine, run) {
  for (;;) {
    const answer = api.startJob(wanted);
    posting = answer.catch(() => {}); // who posted it hears of it
    try {
      return await answer;
    } catch (error) {
      if (mine !== turn || error.status !== BUSY) throw error;
      set({ run: { ...run, busy: true } });
      await wait(1000 * error.retryAfter);
      if (mine !== turn) return {};
    }
  }
}

/** The same once the person has stopped moving for a moment. */
export const later = debounce(() => run(), QUIET);

function ignoreGone(error) {
  // a job that ended before we could cancel it is what we wanted; anything else is worth knowing
  if (error instanceof api.Problem && error.status < 500) return;
  if (error instanceof api.Unreachable) connection.lost();
  else throw error;
}

function drop() {
  if (!flight) return;
  const { id, events } = flight;
  flight = null;
  events.close();
  api.dropJob(id).catch(ignoreGone);
}

/** Stop what is running without a word: something newer comes. */
export function giveWay() {
  turn++;
  drop();
}

/** Stop what is running, because the person said so. */
export function cancel() {
  later.cancel();
  giveWay();
  set({ run: { phase: "cancelled" } });
}

function follow(id, key, mine, sent) {
  const events = api.events(id);
  flight = { id, events, key };
  set({ run: { ...state.run, job: id } });
  const { settings } = state.run;
  let losses = []; // of the fit under way
  let progress = null;
  let frame = 0; // events come faster than frames: the page is drawn once a frame
  events.addEventListener("progress", (event) => {
    if (flight?.id !== id) return;
    progress = JSON.parse(event.data);
    const { stage, step, loss } = progress;
    if (typeof loss === "number") {
      if (losses.length && step <= losses.at(-1).step) losses = []; // a run may fit more than once
      losses.push({ stage, step, loss });
    }
    frame ||= requestAnimationFrame(() => {
      frame = 0;
      if (flight?.id === id) set({ run: { phase: "running", job: id, progress, losses, settings } });
    });
  });
  for (const kind of ["queued", "running"]) {
    events.addEventListener(kind, () => {
      if (flight?.id === id) set({ run: { ...state.run, queued: kind === "queued" } });
    });
  }
  events.addEventListener("pictures", (event) => {
    if (flight?.id === id) show.pictures({ job: id, from: sent.image, ...JSON.parse(event.data) });
  });
  const end = (fn) => async (event) => {
    if (flight?.id !== id) return;
    events.close();
    flight = null;
    try {
      await fn(event);
    } catch (error) {
      await failed(error, mine);
    }
  };
  events.addEventListener(
    "done",
    end(async () => {
      const done = await api.readJob(id);
      if (mine !== turn) return;
      const result = { ...done.result, job: id, from: sent.image, signal: sent.signal, truth: sent.truth };
      await show.result(result, () => mine === turn);
      brokeOff = false;
      if (mine === turn) set({ run: { phase: "idle" } });
    }),
  );
  events.addEventListener(
    "failed",
    end((event) => {
      const { error } = JSON.parse(event.data);
      if (error.status !== BUSY) throw new api.Problem(error.status, error);
      run({ asked: true }); // its place in the queue went to another address
    }),
  );
  events.addEventListener(
    "cancelled",
    end(() => set({ run: { phase: "cancelled" } })),
  );
  events.onerror = () => {
    if (flight?.id !== id) return;
    if (events.readyState === EventSource.CLOSED) flight = null; // the server does not know the job any more
    connection.lost().then(() => {
      if (!flight && mine === turn) sendAgain();
    });
  };
}

/** Whether a result is of the chosen picture, sent once or again. */
const isOfPicture = ({ from: { sample, blob, id } }, image) =>
  (sample ?? blob ?? id) === (image.sample ?? image.blob ?? image.id);

async function failed(error, mine) {
  if (mine !== turn) return;
  if (error instanceof api.Unreachable) {
    set({ run: { phase: "failed", problem: error } });
    const wasAway = await connection.lost(); // who comes back runs again
    if (wasAway || brokeOff || mine !== turn) return;
    brokeOff = true; // an answer alone was lost: once more
    await run({ asked: true });
    return;
  }
  if (!(error instanceof api.Problem)) {
    set({ run: { phase: "failed", problem: error } });
    throw error;
  }
  if (isForgotten(error)) {
    await trouble(error);
    return;
  }
  const remedied = show.refusal(error);
  const older = state.result && !isOfPicture(state.result, state.image); // of another picture than is chosen now
  set({ run: { phase: "failed", problem: error }, ...(older ? { result: null } : {}) });
  const [first] = error.advice;
  refuse(
    error,
    remedied ?? (first && {
      actions: [
        {
          label: () => t("advice.take", { setting: label(first.setting), value: shownValue(first.value) }),
          run: () => {
            take(first.setting, first.value);
            run();
          },
        },
      ],
    }),
  );
}
