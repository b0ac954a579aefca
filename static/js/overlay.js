// What is drawn over the panels: the chosen point and the Gaussians as ellipses of one standard deviation.

const MANY = 6000; // ellipses drawn at once; beyond this every n-th, so that panning stays smooth

/** `set`: {cx, cy, sigma_x, sigma_y, theta, weight?}, flat lists in image pixels and radians. */
export function drawEllipses(context, view, clip, set) {
  const { scale } = view;
  const shown = [];
  for (let i = 0; i < set.cx.length; i++) {
    const [px, py] = view.out(set.cx[i], set.cy[i]);
    const reach = Math.max(set.sigma_x[i], set.sigma_y[i]) * scale;
    if (px + reach > clip.left && px - reach < clip.right && py + reach > clip.top && py - reach < clip.bottom)
      shown.push([i, px, py]);
  }
  const every = Math.ceil(shown.length / MANY);
  const heaviest = set.weight ? Math.max(...set.weight) : 1;
  for (let n = 0; n < shown.length; n += every) {
    const [i, px, py] = shown[n];
    const share = set.weight ? set.weight[i] / heaviest : 0.5;
    context.beginPath();
    context.ellipse(px, py, set.sigma_x[i] * scale, set.sigma_y[i] * scale, set.theta[i], 0, 2 * Math.PI);
    // a dark line below a light one is seen on any picture
    context.globalAlpha = 0.15 + 0.6 * share;
    context.lineWidth = set.weight ? 1.5 + 2 * share : 1.5;
    context.strokeStyle = "#000";
    context.stroke();
    context.globalAlpha = 0.25 + 0.75 * share;
    context.lineWidth = set.weight ? 0.75 + 1.25 * share : 0.75;
    context.strokeStyle = set.weight ? "#ffd84d" : "#fff";
    context.stroke();
  }
  context.globalAlpha = 1;
}

/** Draw a path twice: a dark line below a light one is seen on any picture. */
function outline(context, trace) {
  for (const [colour, width] of [
    ["#000", 3],
    ["#fff", 1.25],
  ]) {
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.beginPath();
    trace();
    context.stroke();
  }
}

/** A frame round the pixel with a cross beyond it. */
export function drawPoint(context, view, { x, y }) {
  const [left, top] = view.out(x, y);
  const size = Math.max(view.scale, 5);
  const cx = left + view.scale / 2;
  const cy = top + view.scale / 2;
  outline(context, () => {
    context.rect(cx - size / 2, cy - size / 2, size, size);
    for (const [ux, uy] of [
      [1, 0],
      [-1, 0],
      [0, 1],
      [0, -1],
    ]) {
      context.moveTo(cx + ux * (size / 2 + 2), cy + uy * (size / 2 + 2));
      context.lineTo(cx + ux * (size / 2 + 9), cy + uy * (size / 2 + 9));
    }
  });
}

/** A line through the middles of its end pixels. */
export function drawLine(context, view, { x0, y0, x1, y1 }) {
  outline(context, () => {
    context.moveTo(...view.out(x0 + 0.5, y0 + 0.5));
    context.lineTo(...view.out(x1 + 0.5, y1 + 0.5));
  });
}

/** A rectangle around its corner pixels. */
export function drawRegion(context, view, { x0, y0, x1, y1 }) {
  const [left, top] = view.out(x0, y0);
  const [right, bottom] = view.out(x1 + 1, y1 + 1);
  for (const [colour, dash] of [
    ["#000", []],
    ["#fff", [4, 4]],
  ]) {
    context.strokeStyle = colour;
    context.lineWidth = 1.5;
    context.setLineDash(dash);
    context.strokeRect(left, top, right - left, bottom - top);
  }
  context.setLineDash([]);
}
