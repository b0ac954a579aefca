// The panels of a result: groups, words, and their pictures, decoded once.

import * as api from "./api.js";
import { cellsOf } from "./grid.js";
import { t } from "./i18n.js";
import { isMethod, methodIn, methodOf } from "./methods.js";
import { said } from "./said.js";

const pictures = new WeakMap();

const GROUPS = {
  rgb: "group.rgb",
  features: "group.features",
  segments: "group.segments",
  segmentation: "group.segmentation",
  signal: "group.signal",
  kernel: "group.kernel",
  similarity: "group.similarity",
  runs: "group.runs",
};

export const isGroup = (group) => Object.hasOwn(GROUPS, group);
export const groupTitle = (group) => (isGroup(group) ? t(GROUPS[group]) : group);

export const title = (panel) => said(panel.title);
/**
 * What a panel is called among those of its group, in lists and on the picture: by its method where no other has the
 * same; otherwise "Segments, bilinear" begins with what tells it from "Segments, auto".
 */
export function nameIn(panel, panels, result) {
  const method = methodOf(panel.name);
  const another = panels.some((p) => p !== panel && methodOf(p.name) === method && isMain(p) === isMain(panel));
  const called = isMethod(method) && methodIn(result, panel.group, method);
  if (called && isMain(panel) && !another) return called;
  const [, what, other] = title(panel).match(/^([^,，]+)(?:, |，)([^,，]+)$/) ?? [];
  if (!what) return title(panel);
  const first = called || other;
  return `${first[0].toUpperCase()}${first.slice(1)} · ${what}`;
}
export const sentence = (panel) => said(panel.sentence ?? "");
export const classWords = (entry) => said(entry.name);

/** Groups in the order of the tabs, each with its panels. */
export function groups(result) {
  const out = new Map();
  for (const panel of result.panels) {
    if (!out.has(panel.group)) out.set(panel.group, []);
    out.get(panel.group).push(panel);
  }
  return out;
}

/** Where a panel's picture is. */
export function source(panel, job) {
  if (panel.png) return `data:image/png;base64,${panel.png}`;
  return panel.url ? api.given(panel.url) : api.panelUrl(job, panel.name);
}

/** A panel's picture, decoded (an image, or the canvas of a map made on this page). */
export function picture(panel, job) {
  if (panel.canvas) return Promise.resolve(panel.canvas);
  let loading = pictures.get(panel);
  if (!loading) {
    const image = new Image();
    image.src = source(panel, job);
    loading = image.decode().then(
      () => image,
      (error) => {
        pictures.delete(panel); // it may come another time
        throw error;
      },
    );
    pictures.set(panel, loading);
  }
  return loading;
}

/** Panels `to` have the pictures of those `from` that have the same name. */
export function inherit(to, from) {
  for (const panel of to) {
    const known = pictures.get(from.find(({ name }) => name === panel.name));
    if (known) pictures.set(panel, known);
  }
}

const probe = Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d", {
  willReadFrequently: true,
});

/** The bytes [r, g, b] of one pixel of a picture. */
export function bytesAt(picture, x, y) {
  probe.drawImage(picture, x, y, 1, 1, 0, 0, 1, 1);
  return [...probe.getImageData(0, 0, 1, 1).data.subarray(0, 3)];
}

/** HR pixels per panel pixel, both ways. */
export function steps(panel, image, settings) {
  if (panel.width === image.width && panel.height === image.height) return [1, 1];
  const step = (size, lr, whole, given) => {
    if (given && size === lr) return given;
    return size === Math.ceil(whole / settings.stride) ? settings.stride : whole / size;
  };
  return [
    step(panel.width, image.lr_width, image.width, image.step_x),
    step(panel.height, image.lr_height, image.height, image.step_y),
  ];
}

/** For each column and each row of the image, that of the panel which stands there. */
export function cells(panel, image, settings) {
  const [across, down] = steps(panel, image, settings);
  return [cellsOf(image.width, panel.width, across), cellsOf(image.height, panel.height, down)];
}

/** Whether a panel shows how far off a method is. */
export const isError = ({ name }) => /(^|_)error_/.test(name);
/** Whether a panel is a method's own result, not something said of it. */
const isMain = (panel) => !isError(panel) && !panel.name.includes("_confidence_");

/** The two panels that a group shows first: bilinear against what measured best, or the first two. */
export function firstPair(panels, best) {
  const by = (method, also) => panels.find((p) => methodOf(p.name) === method && (!also || also(p)));
  const plain = (p) => !isError(p);
  const left = by("bilinear", plain) ?? panels[0];
  const right = by(best, plain) ?? panels[1] ?? panels[0];
  return [left, right];
}
