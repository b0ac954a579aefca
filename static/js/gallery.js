// Where pictures come from: built-in scenes, the picker, drag and drop, paste, the camera, and this visit's own.

import * as api from "./api.js";
import { byId, h, put } from "./dom.js";
import { served, t } from "./i18n.js";
import { hush, say } from "./notice.js";
import { sending } from "./sending.js";
import { on, set, state } from "./state.js";
import { trouble } from "./trouble.js";
import { isSignalFile, takeSignal } from "./signal.js";

const KEEP = 6; // recent pictures shown
const THUMB = 96; // px

let chosen = async () => {};
let turn = 0; // number of the newest choice; the answer to an older one is not chosen

export const chosenAny = () => turn > 0;

export function start(whenChosen) {
  chosen = whenChosen;
  const picker = byId("file");
  byId("upload").addEventListener("click", () => picker.click());
  picker.addEventListener("change", () => {
    if (picker.files[0]) takeFile(picker.files[0]);
    picker.value = "";
  });
  const over = (event) => {
    if (![...event.dataTransfer.types].includes("Files")) return;
    event.preventDefault();
    document.body.classList.add("dropping");
  };
  addEventListener("dragenter", over);
  addEventListener("dragover", over);
  addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) document.body.classList.remove("dropping");
  });
  addEventListener("drop", (event) => {
    event.preventDefault();
    document.body.classList.remove("dropping");
    const file = event.dataTransfer.files[0];
    if (!file) return;
    takeEither(file);
  });
  addEventListener("paste", (event) => {
    const file = [...(event.clipboardData?.files ?? [])][0];
    if (file) takeEither(file);
  });
  on(["image", "recent", "language"], draw);
}

/** A file that was dropped or pasted: its name says whether it is a signal. */
const takeEither = (file) => (isSignalFile(file) ? takeSignal(file) : takeFile(file));

/** Build the scenes' buttons (again, in another language). */
function draw() {
  put(
    byId("samples"),
    state.info.samples.map((sample) => {
      const title = served(`sample.${sample.name}.title`, sample.title);
      return h(
        "button",
        {
          type: "button",
          class: "thumb",
          title,
          "aria-label": t("picture.sample", { title }),
          "aria-pressed": String(state.image?.sample === sample.name),
          data: { sample: sample.name },
          on: { click: () => takeSample(sample.name) },
        },
        h("img", { src: sample.thumb_url, alt: "", width: 48, height: 48 }),
      );
    }),
  );
  put(
    byId("recent"),
    state.recent.map((image) =>
      h(
        "button",
        {
          type: "button",
          class: "thumb",
          title: image.name,
          "aria-label": t("picture.recent", { name: image.name }),
          "aria-pressed": String(state.image?.id === image.id),
          on: {
            click: () => {
              turn++;
              choose(image);
            },
          },
        },
        h("img", { src: image.thumb, alt: "", width: 32, height: 32 }),
      ),
    ),
  );
  byId("recent-row").hidden = state.recent.length === 0;
  const now = state.image;
  const scene = now?.sample && state.info.samples.find((one) => one.name === now.sample);
  byId("lookfor").textContent =
    `${scene ? `${served(`sample.${scene.name}.sentence`, scene.sentence)} ` : ""}${t("page.look")}`;
  byId("picture-now").hidden = !now;
  if (!now) return;
  byId("picture-thumb").src = now.thumb;
  byId("picture-name").textContent = now.sample ? served(`sample.${now.sample}.title`, now.name) : now.name;
  byId("picture-size").textContent = `${now.width} × ${now.height} px`;
}

async function choose(image) {
  hush("refusal");
  set({ image });
  await chosen();
}

/** Use a built-in scene. */
export async function takeSample(name) {
  const mine = ++turn;
  const sample = state.info.samples.find((one) => one.name === name);
  try {
    const { image_id: id, width, height } = await api.takeSample(name);
    if (mine !== turn) return;
    await choose({ id, width, height, name: sample.title, sample: name, thumb: sample.thumb_url });
  } catch (error) {
    if (mine === turn || error instanceof api.Unreachable) await trouble(error);
  }
}

/** Use a picture that a person brings. */
export async function takeFile(blob, name = blob.name || t("picture.pasted")) {
  const limit = state.info.limits?.image_bytes;
  if (limit && blob.size > limit) {
    const sizes = { size: Math.round(blob.size / 1e6), limit: Math.round(limit / 1e6) };
    say("error", () => t("error.fileTooLarge", sizes), { about: "refusal" });
    return;
  }
  const mine = ++turn;
  try {
    const file = blob instanceof File && blob.name ? blob : new File([blob], name, { type: blob.type });
    const { image_id: id, width, height } = await sending(name, api.sendImage(file));
    const image = { id, width, height, name, blob: file, thumb: await thumbnail(blob) };
    set({ recent: [image, ...state.recent].slice(0, KEEP) });
    if (mine === turn) await choose(image);
  } catch (error) {
    await trouble(error); // whatever was chosen meanwhile: who brought a file wants to know
  }
}

/** Use a picture that the server still holds, from the address; false if it holds it no longer. */
export async function takeKnown(id) {
  const mine = ++turn;
  try {
    const { width, height, name } = await api.readImage(id);
    if (mine === turn) await choose({ id, width, height, name: name ?? id, thumb: api.imageUrl(id) });
    return true;
  } catch (error) {
    if (!(error instanceof api.Problem)) throw error;
    return mine !== turn; // what was chosen meanwhile stays
  }
}

/** A small picture of a large one, as an address that stays good for this visit. */
async function thumbnail(blob) {
  const whole = await createImageBitmap(blob, { resizeWidth: THUMB, resizeQuality: "medium" }).catch(() => null);
  if (!whole) return "/static/icon.svg"; // the server could read it, this browser cannot
  const canvas = h("canvas", { width: whole.width, height: whole.height });
  canvas.getContext("2d").drawImage(whole, 0, 0);
  return canvas.toDataURL("image/jpeg", 0.8);
}
