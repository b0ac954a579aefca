// What to do about an error from the server, wherever it came up.

import * as api from "./api.js";
import * as connection from "./connection.js";
import { refuse } from "./notice.js";

const FORGOTTEN = new Set(["not_found", "expired"]); // the server no longer has the picture, signal or job

/** @type {() => Promise<void>} */
let again = async () => {};

/** `fn()` sends again what the server has forgotten, and runs. */
export function onForgotten(fn) {
  again = fn;
}

export const isForgotten = (error) => error instanceof api.Problem && FORGOTTEN.has(error.code);

/** Send again what the server has forgotten, and run. */
export const sendAgain = () => again();

/** @param {{about?: string, actions?: object[]}} [notice] options of the notice of a refusal */
export async function trouble(error, notice = {}) {
  if (error instanceof api.Unreachable) await connection.lost();
  else if (isForgotten(error)) await sendAgain();
  else if (error instanceof api.Problem) refuse(error, notice);
  else throw error;
}
