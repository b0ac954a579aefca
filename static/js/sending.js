// What is on its way to the server: said to screen readers here, and shown beside the progress of a run.

import { t } from "./i18n.js";
import { announce } from "./notice.js";
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
