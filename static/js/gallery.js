// Where pictures come from: built-in scenes, the picker, drag and drop, paste, the camera, and this visit's own.

import * as api from "./api.js";
import { button, byId, h, picks, put } from "./dom.js";
import { list, sentences, t } from "./i18n.js";
import { say } from "./notice.js";
import { run } from "./runner.js";
import { said } from "./said.js";
import { choose, claim, send } from "./sending.js";
import { on, set, state } from "./state.js";
import { isSignalFile, takeSignal } from "./signal.js";
import { isWhole, takeTruth } from "./truth.js";

const KEEP = 6; // recent pictures shown
const THUMB = 96; // px
const TAKEN = ["Files", "text/uri-list"]; // a link, to which the browser would go, is answered with what can be taken

export function start() {
  picks(byId("upload"), byId("file"), takeFile);
  const over = (event) => {
    if (!TAKEN.some((type) => event.dataTransfer.types.includes(type))) return;
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
    const files = [...event.dataTransfer.files];
    if (files.length) takeAll(files);
    else say("info", () => t("picture.noFile"), { about: "brought" });
  });
  addEventListener("paste", (event) => takeAll([...(event.clipboardData?.files ?? [])]));
  on(["image", "recent", "language"], draw);
}

/**
 * Files that were dropped or pasted, in any order: one picture and one signal, which names tell apart; beside a signal
 * an array as large as the picture is its truth. What is left out is named.
 */
async function takeAll(files) {
  const arrays = files.filter(isSignalFile).sort((a, b) => a.size - b.size); // the truth is the larger one
  const [picture, ...left] = files.filter((file) => !isSignalFile(file));
  const [signal, second, ...more] = arrays;
  left.push(...more);
  const asTruth = async (file, shape) => isWhole(shape) && (await takeTruth(file), true);
  if (picture && !(await takeFile(picture, picture.name, !signal))) return; // why has been said
  const worn = !picture && state.signal && !state.signal.made;
  const taken = signal && (await takeSignal(signal, (shape) => worn && asTruth(signal, shape)));
  if (picture && signal && !taken) await run();
  if (second && !taken) left.push(second);
  else if (second) await takeSignal(second, async (shape) => (await asTruth(second, shape)) || left.push(second));
  const names = () => list(left.map((file) => file.name));
  if (left.length > 0) say("info", () => t("picture.left", { names: names() }), { about: "brought" });
}

/** A picture to press. */
const thumb = (src, size, pressed, props, click) =>
  button(
    { class: "thumb", "aria-pressed": String(pressed), ...props },
    click,
    h("img", { src, alt: "", width: size, height: size }),
  );

/** Build the scenes' buttons (again, in another language). */
function draw() {
  put(
    byId("samples"),
    state.info.samples.map((sample) => {
      const title = said(sample.title);
      const named = { title, "aria-label": t("picture.sample", { title }), data: { sample: sample.name } };
      const take = () => takeSample(sample.name);
      return thumb(api.given(sample.thumb_url), 48, state.image?.sample === sample.name, named, take);
    }),
  );
  put(
    byId("recent"),
    state.recent.map((image) => {
      const { id, name } = image;
      const named = { title: name, "aria-label": t("picture.recent", { name }), data: { image: id } };
      const again = () => {
        choose("image");
        show(image);
      };
      return thumb(image.thumb, 32, state.image?.id === id, named, again);
    }),
  );
  byId("recent-row").hidden = state.recent.length === 0;
  const now = state.image;
  const scene = now?.sample && state.info.samples.find((one) => one.name === now.sample);
  byId("lookfor").textContent = sentences([scene && said(scene.sentence), t("page.look")]);
  byId("picture-now").hidden = !now;
  if (!now) return;
  byId("picture-thumb").src = now.thumb;
  byId("picture-name").textContent = now.sample ? said(now.name) : now.name;
  byId("picture-name").title = byId("picture-name").textContent;
  byId("picture-size").textContent = `${now.width} × ${now.height} ${said("px")}`;
}

async function show(image, andRun = true) {
  set({ image });
  if (andRun) await run();
}

/** Use a built-in scene. */
export async function takeSample(name) {
  const sample = state.info.samples.find((one) => one.name === name);
  const answer = await send({ slots: ["image"] }, (signal) => api.takeSample(name, signal));
  if (!answer) return;
  const { image_id: id, width, height } = answer;
  await show({ id, width, height, name: sample.title, sample: name, thumb: api.given(sample.thumb_url) });
}

/** Use a picture that a person brings; true if it was taken. */
export async function takeFile(blob, name = blob.name || t("picture.pasted"), andRun = true) {
  const file = blob instanceof File && blob.name ? blob : new File([blob], name, { type: blob.type });
  const image = await send({ slots: ["image"], name, file, limit: "image_bytes" }, async (signal) => {
    const { image_id: id, width, height } = await api.sendImage(file, signal);
    return { id, width, height, name, blob: file, thumb: await thumbnail(file) };
  });
  if (!image) return false;
  set({ recent: [image, ...state.recent].slice(0, KEEP) });
  await show(image, andRun);
  return true;
}

/** Use a picture that the server still holds, from the address; false if it holds it no longer. */
export async function takeKnown(id) {
  const mine = claim("image");
  try {
    const { width, height, name } = await api.readImage(id);
    if (!mine.aborted) await show({ id, width, height, name: name ?? id, thumb: api.imageUrl(id) });
    return true;
  } catch (error) {
    if (!(error instanceof api.Problem)) throw error;
    return mine.aborted; // what was chosen meanwhile stays
  }
}

/** A small picture of a large one, as an address that stays good for this visit. */
async function thumbnail(blob) {
  const whole = await createImageBitmap(blob, { resizeWidth: THUMB, resizeQuality: "medium" }).catch(() => null);
  if (!whole) return "static/icon.svg"; // the server could read it, this browser cannot
  const canvas = h("canvas", { width: whole.width, height: whole.height });
  canvas.getContext("2d").drawImage(whole, 0, 0);
  return canvas.toDataURL("image/jpeg", 0.8);
}
