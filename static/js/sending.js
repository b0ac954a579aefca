// What is on its way to the server: said to screen readers here, and shown beside the progress of a run.

import { t } from "./i18n.js";
import { announce, say } from "./notice.js";
import { set, state } from "./state.js";

/** Count `name` among what is being sent until `work` is done, well or badly. */
export async function sending(name, work) {
  const mine = { name };
  set({ sending: [...state.sending, mine] });
  announce(t("picture.sending", { name }));
  try {
    return await work;
  } finally {
    set({ sending: state.sending.filter((one) => one !== mine) });
  }
}

/**
 * Whether the server takes a file of this size; why not is said.
 * @param {"image_bytes" | "signal_bytes"} limit
 */
export function isSmallEnough(file, limit) {
  const most = state.info.limits?.[limit];
  if (!most || file.size <= most) return true;
  const sizes = { size: Math.round(file.size / 1e6), limit: Math.round(most / 1e6) };
  say("error", () => t("error.fileTooLarge", sizes), { about: "refusal" });
  return false;
}
