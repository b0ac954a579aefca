// A panel's own numbers, as the server has them: fetched once, and kept for the result on show.

import * as api from "./api.js";
import { t } from "./i18n.js";
import { cells } from "./panels.js";
import { on, state } from "./state.js";
import { isForgotten } from "./trouble.js";

const kept = new Map(); // "job name" -> promise of {width, height, values}

on("result", () => {
  for (const key of kept.keys()) if (!key.startsWith(`${state.result?.job} `)) kept.delete(key);
});

/** All numbers of a panel that has a scale: {width, height, values}, NaN where there is none. */
export function numbersOf(panel, resultJob) {
  const { job, name } = panel.of ?? { job: resultJob, name: panel.name };
  const key = `${job} ${name}`;
  if (!kept.has(key)) {
    const asked = api.values(job, name).catch((error) => {
      kept.delete(key); // they may come another time
      return refused(error, job);
    });
    kept.set(key, asked);
  }
  return kept.get(key);
}

/** Numbers may have made room where the result is still held: another run would lose them as well. */
async function refused(error, job) {
  if (!isForgotten(error)) throw error;
  await api.readJob(job); // or the whole result has gone
  throw Object.assign(new api.Problem(error.status, { code: "values" }), { words: () => t("error.values") });
}

/** A function that gives a panel's number at its own pixel (px, py): NaN where there is none. */
export async function valuesOf(panel, job) {
  if (panel.read) return (px, py) => panel.read(px, py)[0];
  const { values, width } = await numbersOf(panel, job);
  return (px, py) => values[py * width + px];
}

/** The same at the pixel (x, y) of the image. */
export async function valuesOver(panel, { job, image, settings }) {
  const value = await valuesOf(panel, job);
  const [columns, rows] = cells(panel, image, settings);
  return (x, y) => value(columns[x], rows[y]);
}
