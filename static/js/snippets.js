// The run on the page as a command, as Python and as curl: the same settings, the same numbers.

import { onOff } from "./url.js";

const quoted = (text) => `'${String(text).replaceAll("'", `'\\''`)}'`;
/** A file as an argument: one whose name begins with a dash is no option. */
const asArgument = (name) => quoted(name.startsWith("-") ? `./${name}` : name);
/** A file in a field of curl's form; curl's own quotes keep commas and semicolons in the name. */
const attached = (field, name) => quoted(`${field}=@"${name.replace(/[\\"]/g, "\\$&")}"`);
/** The same of one of a file's arrays, which a field of its own names: [the file, the entry]. */
const attachedEntry = (field, name, entry, of) =>
  entry ? [`-F ${attached(field, name.slice(0, -entry.length - 1))}`, `-F ${quoted(`${of}=${entry}`)}`] : [`-F ${attached(field, name)}`];
const fileName = (image) => (image.sample ? `${image.sample}.png` : image.name || "picture.png");
/** Where the server is, under a proxy's path too. */
const server = () => new URL(".", location.href).href.replace(/\/$/, "");
/** The signal's file, and what was said of it: one made of a truth is in the zip, as it was made. */
const brought = ({ name, kind, made, words }) =>
  made ? { file: "signal_lr.npy", words: { kind, invalid: "none" } } : { file: name, words };
/** The settings by which the signal's figures are made. */
const MEASURED = ["iters", "radius", "resolution", "objective", "optimiser", "lr_image", "methods", "device"];
const measured = (settings, one) => MEASURED.map((name) => one(name, settings[name]));
const listed = (words, one) => Object.entries(words).map(([name, value]) => one(name, value));

/** `python -m gsjbu compare …`, or `evaluate …` of a truth: figures and a report go into a folder. */
export function command({ result }) {
  const { signal, truth, settings } = result;
  const picture = asArgument(result.from.sample ? `scene:${result.from.sample}` : fileName(result.from));
  const said = (name, value) => `--${name.replaceAll("_", "-")} ${onOff(value)}`;
  const { file, words } = signal ? brought(signal) : {};
  const taken = listed(words ?? {}, (name, value) => (value === true ? `--${name}` : `--${name} ${quoted(value)}`));
  if (truth) {
    const against = asArgument(truth.scene ? `scene:${truth.what}` : truth.name);
    const options = [...taken, `--truth ${against}`, "-o measured", ...measured(settings, said)];
    return `python -m gsjbu evaluate ${picture} ${asArgument(file)} ${options.join(" ")}`;
  }
  const options = Object.entries(settings)
    .filter(([name]) => !(signal && name === "stride")) // it has its own
    .map(([name, value]) => said(name, value));
  if (signal) options.push(`--signal ${asArgument(file)}`, ...taken);
  return `python -m gsjbu compare ${picture} compared ${options.join(" ")}`;
}

/** The library, with the same figures printed. */
export function python({ result }) {
  const { settings, from, signal, truth } = result;
  const text = JSON.stringify; // a JSON string is a Python string
  const suited = settings.objective === "suited";
  const objective = suited ? "rgb" : settings.objective;
  const given = objective !== "rgb";
  const { file, words } = signal ? brought(signal) : {};
  const lines = [
    "import gsjbu",
    "from gsjbu.grid import Grid",
    `from gsjbu.images import ${from.sample ? "" : "decode, "}shrink`,
    !from.sample && "from gsjbu.io.guides import stretched",
    signal && "from gsjbu.io.restoring import restored",
    "from gsjbu.metrics import psnr",
    "from gsjbu.render import bilinear",
    truth && "from gsjbu.run.pipeline import run_reduced",
    from.sample && "from gsjbu.samples import SAMPLES",
    truth && "from gsjbu.settings import Settings",
    signal && "from gsjbu.signals import understand",
    "",
    from.sample
      ? `image = shrink(SAMPLES[${text(from.sample)}].image, ${settings.resolution})`
      : `image = stretched(shrink(decode(open(${text(fileName(from))}, "rb").read()), ${settings.resolution})).pixels`,
    signal && `signal = understand(${[text(file), "image.shape[1:]", ...listed(words, (name, value) => `${name}=${value === true ? "True" : text(value)}`)].join(", ")})`,
    signal
      ? "grid = Grid.from_sizes(*image.shape[1:], *signal.shape[1:])"
      : `grid = Grid.from_stride(*image.shape[1:], ${settings.stride})`,
    `lr = grid.low_resolution(image, "${result.lr_image}")`,
    `options = dict(iters=${settings.iters}, radius=${settings.radius}, objective=${text(objective)}, optimiser=${text(settings.optimiser)}, lr_image=${text(objective === "auto" ? settings.lr_image : result.lr_image)}, device=${text(settings.device)})`,
    `kernel = gsjbu.fit(image, grid=grid, ${given ? "signal=lr, " : ""}**options)`,
    'print("bilinear", psnr(bilinear(lr, grid), image), "dB")',
    'print("GS-JBU", psnr(kernel.render(lr), image), "dB")',
    signal && suited && `options |= dict(objective="auto", lr_image=${text(settings.lr_image)})  # what suits a signal`,
    signal && (given || suited) && "kernel = gsjbu.fit(image, grid=grid, signal=signal.values, kind=signal.kind, mask=signal.mask, **options)",
    truth && `truth = ${truth.scene ? `SAMPLES[${text(truth.scene)}].truth(${text(truth.what)})` : `understand(${text(truth.name)}, kind="depth", invalid="none").brought`}`,
    truth && `settings = Settings(${measured(settings, (name, value) => `${name}=${text(value)}`).join(", ")}, features=False)`,
    truth && 'print(run_reduced(image, settings, signal=signal, truth=truth).metrics["signal"])',
    signal && "high = restored(signal, kernel)  # as the zip's signal_hr.npy: in the signal's unit and dtype",
  ];
  return `${lines.filter((line) => line === "" || line).join("\n")}\n`;
}

/** POST /api/run of this server; the whole result goes into result.json. */
export function curl({ result }) {
  const { signal, truth } = result;
  const parts = Object.entries(result.settings).map(([name, value]) => `-F ${quoted(`${name}=${value}`)}`);
  const image = result.from.sample
    ? `-F ${quoted(`sample=${result.from.sample}`)}`
    : `-F ${attached("file", fileName(result.from))}`;
  if (signal) {
    const { file, words } = brought(signal);
    parts.push(...attachedEntry("signal", file, signal.entry, "entry"), ...listed(words, (name, value) => `-F ${quoted(`${name}=${value}`)}`));
  }
  if (truth?.scene) parts.push(`-F ${quoted(`what=${truth.what}`)}`);
  else if (truth) parts.push(...attachedEntry("truth", truth.name, truth.entry, "truth_entry"));
  return `curl -fsS -o result.json ${image} ${parts.join(" ")} ${quoted(`${server()}/api/run`)}`;
}
