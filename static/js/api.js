// The server's answers. A refusal becomes a Problem with the server's own sentence; no answer, Unreachable.
// Addresses are relative to the page, which may lie under a proxy's path.

export class Problem extends Error {
  constructor(status, body, retryAfter = 1) {
    super(body?.detail ?? body?.title ?? `HTTP ${status}`);
    this.status = status;
    this.code = body?.code ?? `http_${status}`;
    const advice = body?.advice ?? [];
    this.advice = advice.filter((one) => one.setting); // what to set otherwise
    this.remedies = advice.filter((one) => one.word); // what to say of a refused signal
    this.file = null; // the name of the file that was refused
    this.retryAfter = retryAfter; // seconds, where trying again is of use
  }
}

export class Unreachable extends Error {
  constructor() {
    super("unreachable");
    this.code = "unreachable";
  }
}

/** What `read` makes of an answer of the media type `type`; what is not of it is no answer of this server. */
async function ask(path, options, type, read) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Unreachable();
  }
  if (!answer.ok) {
    const body = await answer.json().catch(() => null);
    throw new Problem(answer.status, body, Number(answer.headers.get("retry-after") ?? 1));
  }
  if (!answer.headers.get("content-type")?.startsWith(type)) throw new Problem(answer.status, { code: "foreign" });
  try {
    return await read(answer);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Unreachable(); // it broke off
  }
}

/** @param {RequestInit} [options] @returns {Promise<any>} */
const json = (path, options = {}) => ask(path, options, "application/json", (answer) => answer.json());

/** Width, height and further numbers in an answer's headers, and so many numbers of `Numbers` a pixel. */
const binary = (path, Numbers, count, ...further) =>
  ask(path, {}, "application/octet-stream", async (answer) => {
    const [width, height, ...more] = numbers(answer, "x-width", "x-height", ...further);
    const values = new Numbers(await answer.arrayBuffer());
    if (values.length !== count * width * height) throw new Unreachable();
    return { width, height, more, values };
  });

/** Numbers in an answer's headers. */
const numbers = (answer, ...names) => names.map((name) => Number(answer.headers.get(name)));

const sending = (body) => ({
  method: "POST",
  headers: { "content-type": "application/json" },
  body: JSON.stringify(body),
});

/** A form of what there is of `parts`; `signal` gives it up. @param {object} parts @param {AbortSignal} [signal] */
function form(parts, signal) {
  const data = new FormData();
  for (const [name, value] of Object.entries(parts)) if (value !== null && value !== undefined) data.append(name, value);
  return { method: "POST", body: data, signal };
}

/** An address that the server gives, from its own root on, as the page reaches it. */
export const given = (address) => address.replace(/^\//, "");
const job = (id) => `api/jobs/${encodeURIComponent(id)}`;

/** A language's words. */
export const words = (code) => json(`static/lang/${code}.json`);
/** A language's words for what the server says. */
export const serversWords = (code) => json(`static/lang/said/${code}.json`);
export const settings = () => json("api/settings");
export const health = () => json("healthz", { cache: "no-store" });
// What a person chooses can be given up by an AbortSignal, the last argument.
export const sendImage = (file, signal = undefined) => json("api/images", form({ file }, signal));
export const takeSample = (name, signal = undefined) => json("api/images", form({ sample: name }, signal));
/** `words` on it: kind, layout …, and the entry of a file that holds several arrays. */
export const sendSignal = (file, words = {}, signal = undefined) => json("api/signals", form({ file, ...words }, signal));
/** A signal the server holds, taken for something else: a new one. */
export const understandSignal = (id, words, signal = undefined) =>
  json(`api/signals/${encodeURIComponent(id)}`, { ...sending(words), method: "PATCH", signal });
export const sendTruth = (file, entry, signal = undefined) => json("api/truths", form({ file, entry }, signal));
/** What a built-in scene knows of itself: its depth or its labels. */
export const sceneTruth = (sample, what, signal = undefined) => json("api/truths", form({ sample, what }, signal));
/** A truth the server still holds. */
export const readTruth = (id) => json(`api/truths/${encodeURIComponent(id)}`);
/** The low-resolution signal that a truth gives. */
export const reduceTruth = (id, cells, signal = undefined) =>
  json(`api/truths/${encodeURIComponent(id)}/signal`, { ...sending(cells), signal });
export const startJob = (body) => json("api/jobs", sending(body));
export const readJob = (id) => json(job(id));
/** A picture the server still holds. */
export const readImage = (id) => json(`api/images/${encodeURIComponent(id)}`);
/** A signal the server still holds; `over` an image: as a run on it has it. @param {{image?: string, resolution?: number}} over */
export const readSignal = (id, over = {}) =>
  json(`api/signals/${encodeURIComponent(id)}?${new URLSearchParams(Object.entries(over).map(([k, v]) => [k, String(v)]))}`);
export const imageUrl = (id) => `api/images/${encodeURIComponent(id)}/thumb.png`;
export const dropJob = (id) => json(job(id), { method: "DELETE" });
export const events = (id) => new EventSource(`${job(id)}/events`);
export const pixel = (id, x, y) => json(`${job(id)}/pixel?x=${x}&y=${y}`);
const mixer = ({ group, method }) => `group=${encodeURIComponent(group)}&method=${encodeURIComponent(method)}`;
/** What a pixel is made of, and all Gaussians, by one of the result's methods: {group, method}. */
export const kernel = (id, x, y, mixed) => json(`${job(id)}/kernel?x=${x}&y=${y}&${mixer(mixed)}`);
export const kernels = (id, mixed) => json(`${job(id)}/kernels?${mixer(mixed)}`);
export const downloadUrl = (id) => `${job(id)}/download`;
export const cloudUrl = (id, name) => `${job(id)}/panels/${encodeURIComponent(name)}.ply`;

/** A panel's own numbers, NaN where there is none: {width, height, values}. */
export async function values(id, name) {
  const { width, height, values } = await binary(`${job(id)}/panels/${encodeURIComponent(name)}.f32`, Float32Array, 1);
  return { width, height, values };
}
export const panelUrl = (id, name) => `${job(id)}/panels/${encodeURIComponent(name)}.png`;

export const region = (id, { x0, y0, x1, y1 }) => json(`${job(id)}/region?x0=${x0}&y0=${y0}&x1=${x1}&y1=${y1}`);

/** Two maps of cosine similarity, to the likest of pixels {x, y, job}, `job` for those of another picture: bilinear and
 *  GS-JBU, exact to 16 bits. */
export async function similarity(id, pixels) {
  const own = pixels.filter((one) => !one.job);
  const last = own.pop();
  const asked = [
    ...(last ? [`x=${last.x}`, `y=${last.y}`] : []),
    ...own.map((one) => `also=${one.x},${one.y}`),
    ...pixels.filter((one) => one.job).map((one) => `elsewhere=${one.job},${one.x},${one.y}`),
  ];
  const place = last ? "similarity" : "similarity/elsewhere";
  const path = `${job(id)}/${place}?${asked.join("&")}&format=u16`;
  const { width, height, more, values: raw } = await binary(path, Uint16Array, 2, "x-low", "x-high");
  const [low, high] = more;
  const count = width * height;
  return { width, height, low, high, bilinear: raw.subarray(0, count), gsjbu: raw.subarray(count, 2 * count) };
}
