// Small charts in SVG: lines, bars side by side, a histogram. Axes with round numbers, values on hover and by keys.

import { h, put, svg } from "./dom.js";
import { fixed, signed } from "./format.js";

const MARGIN = { top: 22, right: 8, bottom: 28 };
const FONT = 11; // px, as in report.css
const ruler = h("canvas").getContext("2d");

/** About `count` round numbers that span low…high; `whole`: of things that have no parts. */
export function ticks(low, high, count = 4, whole = false) {
  if (!(high > low)) return [low];
  const raw = (high - low) / count;
  const ten = 10 ** Math.floor(Math.log10(raw));
  const fits = (s) => s >= raw * 0.999 && (!whole || Number.isInteger(s));
  const step = [1, 2, 2.5, 5, 10].map((m) => m * ten).find(fits) ?? 1;
  const out = [];
  for (let n = Math.ceil(low / step - 1e-9); n * step <= high + step * 1e-9; n++)
    out.push(Number((n * step).toPrecision(12)));
  return out;
}

/** The numbers of ticks, each with as many decimals as the step from one to the next needs. */
export function tickTexts(values) {
  const step = Math.min(...values.slice(1).map((v, i) => v - values[i]));
  if (!Number.isFinite(step)) return values.map((v) => signed(String(Number(v.toPrecision(3)))));
  const ten = Math.floor(Math.log10(step) + 1e-9);
  const places = (Math.abs(step / 10 ** ten - Math.round(step / 10 ** ten)) > 1e-6 ? 1 : 0) - ten;
  const most = Math.max(...values.map(Math.abs));
  if (places <= 6 && most < 1e6) return values.map((v) => fixed(v, Math.max(0, places)));
  const digits = (v) => Math.max(0, places + Math.floor(Math.log10(Math.abs(v)) + 1e-9));
  return values.map((v) => (v === 0 ? "0" : signed(v.toExponential(digits(v)))));
}

/** An empty drawing as large as its holder: text keeps its size. */
function sheet(holder, label, more = {}) {
  const width = Math.max(120, holder.clientWidth);
  const height = Math.max(64, holder.clientHeight);
  const frame = { viewBox: `0 0 ${width} ${height}`, width, height };
  const root = svg("svg", { ...frame, role: "img", "aria-label": label, class: "chart", ...more });
  return { root, width, height };
}

/** How wide the widest of `texts` is drawn, in px. */
function widest(holder, texts) {
  ruler.font = `${FONT}px ${getComputedStyle(holder).fontFamily}`;
  return Math.max(0, ...texts.map((text) => ruler.measureText(text).width));
}

/**
 * A drawing area with its scales.
 * @param {HTMLElement} holder
 * @param {{x: number[], y: number[], label: string, xLabel?: string, yLabel?: string, xTicks?: number[],
 *   yTicks?: number[]}} what
 */
function area(holder, { x, y, xLabel, yLabel, label, xTicks, yTicks }) {
  // its focus it keeps when it is drawn anew
  const { root, width, height } = sheet(holder, label, { tabindex: "0", "data-focus": "chart" });
  const m = { ...MARGIN, left: 0 };
  const span = (from, to) => (from === to ? [from - 0.5, to + 0.5] : [from, to]);
  const [x0, x1] = span(...x);
  const [y0, y1] = span(...y);
  const ys = yTicks ?? ticks(y0, y1, Math.max(2, Math.floor((height - m.top - m.bottom) / 28)));
  const yTexts = tickTexts(ys);
  m.left = Math.ceil(Math.max(16, widest(holder, yTexts) + 1)) + 6;
  const sx = (v) => m.left + ((v - x0) / (x1 - x0)) * (width - m.left - m.right);
  const sy = (v) => height - m.bottom - ((v - y0) / (y1 - y0)) * (height - m.top - m.bottom);
  ys.forEach((v, i) => {
    root.append(
      svg("line", { x1: m.left, x2: width - m.right, y1: sy(v), y2: sy(v), class: "grid" }),
      svg("text", { x: m.left - 6, y: sy(v) + 4, "text-anchor": "end", class: "tick-y" }, yTexts[i]),
    );
  });
  const xs = xTicks ?? ticks(x0, x1, Math.max(2, Math.floor((width - m.left - m.right) / 64)), x.every(Number.isInteger));
  const xTexts = tickTexts(xs);
  xs.forEach((v, i) => {
    root.append(
      svg(
        "text",
        {
          x: sx(v),
          y: height - m.bottom + 14,
          "text-anchor": i === xs.length - 1 && sx(v) > width - 24 ? "end" : "middle",
        },
        xTexts[i],
      ),
    );
  });
  root.append(
    svg("line", { x1: m.left, x2: width - m.right, y1: height - m.bottom, y2: height - m.bottom, class: "axis" }),
  );
  if (xLabel)
    root.append(svg("text", { x: width - m.right, y: height - 2, "text-anchor": "end", class: "name" }, xLabel));
  const name = yLabel && svg("text", { x: 2, y: 10, class: "name y" }, yLabel);
  const note = svg("text", { x: width - m.right, y: 10, "text-anchor": "end", class: "note", "aria-hidden": "true" });
  root.append(...[name, note].filter(Boolean));
  /** Say a value; a long name of the axis gives way to it. */
  const tell = (text) => {
    note.textContent = text;
    const room = width - m.right - 10 - note.getComputedTextLength();
    name?.setAttribute("visibility", text && name.getComputedTextLength() > room ? "hidden" : "visible");
  };
  return { root, sx, sy, width, height, m, tell };
}

/** Let pointer and arrow keys walk over `count` places; `show(i)` returns the words and marks the place. */
function walk(plot, count, placeOf, show) {
  let now = -1;
  const go = (i) => {
    now = Math.min(count - 1, Math.max(0, i));
    plot.tell(show(now));
  };
  const off = () => {
    now = -1;
    plot.tell("");
    show(-1);
  };
  plot.root.addEventListener("pointermove", (event) => {
    const box = plot.root.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * plot.width;
    let best = 0;
    for (let i = 1; i < count; i++) if (Math.abs(placeOf(i) - x) < Math.abs(placeOf(best) - x)) best = i;
    go(best);
  });
  plot.root.addEventListener("pointerleave", off);
  plot.root.addEventListener("blur", off);
  plot.root.addEventListener("keydown", (event) => {
    const to = { ArrowRight: now + 1, ArrowLeft: now < 0 ? count - 1 : now - 1, Home: 0, End: count - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    go(to);
  });
}

/** Curves through points [[x, y], …], one after the other and not joined; `say(x, y, curve)` gives a point's words. */
export function lines(holder, { curves, xLabel, yLabel, label, say, colour = "", colours = [], from = null }) {
  const points = curves.flatMap((curve, n) => curve.map(([x, y]) => ({ x, y, n })));
  const xs = points.map((p) => p.x);
  const ys = points.map((p) => p.y);
  const low = Math.min(...ys);
  const high = Math.max(...ys);
  const pad = (high - low) * 0.06 || Math.abs(high) * 0.06 || 0.5;
  const plot = area(holder, {
    x: [from?.[0] ?? Math.min(...xs), from?.[1] ?? Math.max(...xs)],
    y: [Math.max(0, low - pad), high + pad],
    xLabel,
    yLabel,
    label,
  });
  for (const [n, curve] of curves.entries()) {
    const at = curve.map(([x, y]) => `${plot.sx(x).toFixed(1)} ${plot.sy(y).toFixed(1)}`);
    const alone = at.length === 1 ? "h0.01" : ""; // a single point is a dot: the line's ends are round
    plot.root.append(svg("path", { d: `M${at.join("L")}${alone}`, class: `curve ${colours[n] ?? colour}` }));
  }
  const dot = svg("circle", { r: 3.5, class: `mark ${colour}`, visibility: "hidden" });
  plot.root.append(dot);
  walk(
    plot,
    points.length,
    (i) => plot.sx(xs[i]),
    (i) => {
      dot.setAttribute("visibility", i < 0 ? "hidden" : "visible");
      if (i < 0) return "";
      dot.setAttribute("class", `mark ${colours[points[i].n] ?? colour}`);
      dot.setAttribute("cx", plot.sx(xs[i]));
      dot.setAttribute("cy", plot.sy(ys[i]));
      return say(xs[i], ys[i], points[i].n);
    },
  );
  put(holder, plot.root);
}

/** A histogram from its edges and counts. */
export function histogram(holder, { edges, counts, label, title, unit, say }) {
  const high = Math.max(1, ...counts);
  const plot = area(holder, {
    x: [edges[0], edges.at(-1)],
    y: [0, high],
    label,
    xLabel: unit,
    yLabel: title,
    yTicks: [0, high],
  });
  const bars = counts.map((count, i) => {
    const left = plot.sx(edges[i]);
    const bar = svg("rect", {
      x: left,
      y: plot.sy(count),
      width: Math.max(0.5, plot.sx(edges[i + 1]) - left - 0.5),
      height: plot.sy(0) - plot.sy(count),
      class: "column",
    });
    plot.root.append(bar);
    return bar;
  });
  walk(
    plot,
    counts.length,
    (i) => plot.sx((edges[i] + edges[i + 1]) / 2),
    (i) => {
      bars.forEach((bar, n) => bar.classList.toggle("lit", n === i));
      return i < 0 ? "" : say(edges[i], edges[i + 1], counts[i]);
    },
  );
  put(holder, plot.root);
}

/** Bars that lie: [{name, value, class}], from zero, each with its value. */
export function bars(holder, { rows, label, text, axis }) {
  const { root, width, height } = sheet(holder, label);
  const left = 108;
  const high = Math.max(...rows.map((r) => (Number.isFinite(r.value) ? r.value : 0)), 1e-9);
  const step = Math.min(32, (height - 18) / rows.length);
  rows.forEach((row, i) => {
    const y = 16 + i * step;
    const long = Math.max(1, (Math.min(row.value, high) / high) * (width - left - 68));
    root.append(
      svg("text", { x: left - 8, y: y + step / 2 + 4, "text-anchor": "end" }, row.name),
      svg("rect", { x: left, y: y + step * 0.18, width: long, height: step * 0.64, class: `column ${row.class}` }),
      svg("text", { x: left + long + 6, y: y + step / 2 + 4, class: "value" }, text(row.value)),
    );
  });
  root.append(svg("text", { x: 2, y: 10, class: "name" }, axis));
  put(holder, root);
}

/** Redraw with `draw` whenever the holder changes its size. */
export function fitted(holder, draw) {
  let size = "";
  new ResizeObserver(() => {
    const now = `${holder.clientWidth} ${holder.clientHeight}`;
    if (now === size || !holder.clientWidth) return;
    size = now;
    draw();
  }).observe(holder);
}

export const empty = (holder, words) => put(holder, h("p", { class: "quiet" }, words));
