// The run on the page as a command, as Python and as curl: the same settings, the same numbers.

const quoted = (text) => `'${String(text).replaceAll("'", `'\\''`)}'`;
const option = (value) => ({ true: "on", false: "off" })[String(value)] ?? String(value);
const fileName = (image) => (image.sample ? `${image.sample}.png` : image.name || "picture.png");
const origin = () => location.origin;

/** `python -m gsjbu compare …`: panels, figures and a report go into a folder. */
export function command({ result, signal }) {
  const picture = result.from.sample ? `scene:${result.from.sample}` : fileName(result.from);
  const options = Object.entries(result.settings).map(([name, value]) => `--${name.replaceAll("_", "-")} ${option(value)}`);
  if (signal) options.push(`--signal ${quoted(signal.name)}`);
  return `python -m gsjbu compare ${quoted(picture)} compared ${options.join(" ")}`;
}

/** The library, with the same figures printed. */
export function python({ result }) {
  const { settings } = result;
  return `${result.from.sample ? sampleImport(result) : fileImport(result)}
kernel = gsjbu.fit(image, stride=${settings.stride}, iters=${settings.iters}, radius=${settings.radius}, objective=${JSON.stringify(settings.objective)}, device=${JSON.stringify(settings.device)})
lr = kernel.grid.cell_means(image)
print("bilinear", psnr(bilinear(lr, kernel.grid), image), "dB")
print("GS-JBU", psnr(kernel.render(lr), image), "dB")
`;
}

const IMPORTS = `import gsjbu
from gsjbu.metrics import psnr
from gsjbu.render import bilinear
`;

const sampleImport = ({ from, settings }) => `${IMPORTS}from gsjbu.images import shrink
from gsjbu.samples import SAMPLES

image = shrink(SAMPLES[${JSON.stringify(from.sample)}].image, ${settings.resolution})`;

const fileImport = ({ from, settings }) => `${IMPORTS}from gsjbu.images import decode, shrink

image = shrink(decode(open(${JSON.stringify(fileName(from))}, "rb").read()), ${settings.resolution})`;

/** POST /api/run of this server; the whole result goes into result.json. */
export function curl({ result, signal }) {
  const parts = Object.entries(result.settings).map(([name, value]) => `-F ${quoted(`${name}=${value}`)}`);
  const image = result.from.sample ? `-F ${quoted(`sample=${result.from.sample}`)}` : `-F ${quoted(`file=@${fileName(result.from)}`)}`;
  if (signal) parts.push(`-F ${quoted(`signal=@${signal.name}`)}`);
  return `curl -fsS -o result.json ${image} ${parts.join(" ")} ${quoted(`${origin()}/api/run`)}`;
}
