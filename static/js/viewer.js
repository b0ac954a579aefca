// <gs-viewer>: panels of one image under one transform: two with a divider between them or side by side, up to four in
// a grid, or what two of them differ by.
// Events: gs-point {x, y} (pressed, or moved by keys), gs-hover {x, y} | {}, gs-divider {at}, gs-line {x0, y0, x1, y1},
// gs-region {x0, y0, x1, y1}, gs-full.

import { h, put, sizeOf } from "./dom.js";
import { colourBar } from "./bar.js";
import { fixed } from "./format.js";
import { t } from "./i18n.js";
import { difference, forget, MAP } from "./difference.js";
import { drawEllipses, drawLine, drawPoint, drawRegion } from "./overlay.js";
import { Viewport } from "./viewport.js";

const STEP = 1.25; // one press of + or notch of the wheel
const PAN = 48; // stage pixels for one pan key
const GAP = 2; // stage pixels between panels
const SLIP = 8; // stage pixels that a tap may move
const PLACES = { 1: 0, 2: 50, 3: 100 }; // keys, and where they put the divider (percent)
export const SIDES = ["left", "right", "third", "fourth"];

class Viewer extends HTMLElement {
  view = new Viewport();
  panes = null; // {left, right, third?, fourth?}: {panel, picture, step, title, colour}
  under = null; // picture shown below a translucent overlay
  opacity = 1;
  divider = 50;
  layout = "divider"; // divider | side | grid | difference
  tool = "probe"; // probe | move | line | region
  flipped = false; // left and right have changed places, for as long as a key is held
  point = null;
  line = null; // {x0, y0, x1, y1} in image pixels
  region = null; // the same, its upper left pixel first
  ellipses = null; // all Gaussians
  windowEllipses = null; // those of the point's window, with weights
  gripped = null; // where and at what place the divider was taken
  tapped = null; // where a finger came down that may be about to scroll the page
  asked = null; // a place to show with the first pair
  #pointers = new Map();
  #due = 0;

  connectedCallback() {
    this.canvas = h("canvas", { "aria-hidden": "true" });
    this.stage = h("div", { class: "stage", tabindex: "0", role: "application" }, this.canvas);
    this.tags = Object.fromEntries(SIDES.map((side) => [side, h("div", { class: `tag ${side}` })]));
    this.handle = h(
      "div",
      {
        class: "handle",
        role: "slider",
        tabindex: "0",
        "aria-valuemin": "0",
        "aria-valuemax": "100",
        "aria-orientation": "horizontal",
      },
      h("span", { class: "knob", "aria-hidden": "true" }, "◂▸"),
    );
    this.ruler = h("div", { class: "ruler", "aria-hidden": "true" }, h("span", { class: "mark" }));
    this.frame = h("div", { class: "frame" }, this.stage, ...Object.values(this.tags), this.handle);
    put(this, this.frame, this.ruler);
    this.#listen();
    new ResizeObserver(() => this.#resize()).observe(this.frame);
  }

  /** Names in the present language; to be called once there are words, and again in another language. */
  words() {
    this.stage.setAttribute("aria-label", t("viewer.stage"));
    this.handle.setAttribute("aria-label", t("viewer.divider"));
    this.ruler.title = t("viewer.ruler");
    this.#spoken();
  }

  /** Put a pair on the stage in one go; the transform stays while the image keeps its shape. */
  show({ image, under = null, ...panes }) {
    const old = this.view.image;
    if (old.width * image.height !== old.height * image.width) this.view.reset();
    this.view.image = image;
    forget();
    this.panes = panes;
    this.under = under;
    this.dataset.left = panes.left.panel.name;
    this.dataset.right = panes.right.panel.name;
    this.#resize();
    if (this.asked) {
      this.view.place = this.asked; // the least zoom hangs on the size of the stage
      this.asked = null;
      this.#resize();
    }
    this.#spoken();
  }

  set({ divider = this.divider, layout = this.layout, tool = this.tool, opacity = this.opacity }) {
    Object.assign(this, { divider, layout, tool, opacity });
    this.dataset.layout = layout;
    this.dataset.tool = tool;
    this.#resize();
    this.#spoken();
  }

  /** Draw `marks` over the panels: {point, line, region, ellipses, windowEllipses}, null for those that go. */
  mark(marks) {
    Object.assign(this, marks);
    this.draw();
  }

  /** Let left and right change places while a key or button is held. */
  flip(flipped) {
    if (this.flipped === flipped) return;
    this.flipped = flipped;
    this.dataset.flipped = String(flipped);
    this.#tags();
    this.draw();
  }

  /** One image pixel on one stage pixel. */
  actual() {
    this.view.actual();
    this.#moved();
  }

  zoom(factor) {
    this.view.zoomAt(factor);
    this.#moved();
  }

  fit() {
    this.view.reset();
    this.#moved();
  }

  /** [zoom, x, y] of what is in the middle, for the address; null where all is seen. */
  get place() {
    return this.asked ?? this.view.place;
  }

  /** What each pane was last drawn with: {left: [scale, dx, dy], right: …}, in stage pixels. */
  transforms = {};

  /** The pane that is drawn on a side. */
  #paneOf(side) {
    const other = { left: "right", right: "left" }[side];
    return this.panes[(this.flipped && other) || side];
  }

  #tags() {
    if (!this.panes) return;
    const { left, right } = this.panes;
    const apart = this.layout === "difference" && difference(left, right, this.view.image);
    for (const side of SIDES) {
      const pane = this.#paneOf(side);
      this.tags[side].hidden = !pane || (apart && side !== "left");
      if (!pane) continue;
      const bar = apart ? { low: 0, high: apart.high, unit: apart.unit ?? "", map: MAP } : pane.panel.bar;
      const between = apart && (apart.unit === null ? "viewer.between" : "viewer.apart");
      put(
        this.tags[side],
        h(
          "span",
          { class: "name" },
          !apart && h("span", { class: `dot ${pane.colour}` }),
          between ? t(between, { left: left.title, right: right.title }) : pane.title,
        ),
        bar && colourBar(bar),
      );
    }
  }

  /** Where each panel lies that stands by itself: {side, left, top} in stage pixels. */
  #cells() {
    const { width, height } = this.view.pane;
    return SIDES.filter((side, i) => this.panes[side] && (this.layout === "grid" || i < 2)).map((side, i) => ({
      side,
      left: (i % 2) * (width + GAP),
      top: Math.floor(i / 2) * (height + GAP),
    }));
  }

  #spoken() {
    this.handle.setAttribute("aria-valuenow", String(Math.round(this.divider)));
    const names = this.panes ? { left: this.panes.left.title, right: this.panes.right.title } : { left: "", right: "" };
    this.handle.setAttribute("aria-valuetext", t("viewer.dividerAt", { at: fixed(this.divider, 0), ...names }));
  }

  // ---- geometry

  #resize() {
    const { clientWidth: width, clientHeight: height } = this.stage;
    if (!width || !height) return;
    this.size = { width, height };
    const columns = this.layout === "side" || this.layout === "grid" ? 2 : 1;
    const rows = this.layout === "grid" && this.panes?.third ? 2 : 1;
    this.view.pane = { width: (width - (columns - 1) * GAP) / columns, height: (height - (rows - 1) * GAP) / rows };
    this.view.hold();
    this.#tags();
    this.#moved();
  }

  #moved() {
    this.stage.style.touchAction = this.view.zoom > 1 ? "none" : ""; // else as the tool has it
    this.dataset.zoom = fixed(this.view.zoom, 2);
    this.dispatchEvent(new CustomEvent("gs-zoom"));
    this.draw();
  }

  /** Stage position → {x, y} image position and the pane's own position. */
  #locate(event) {
    const box = this.stage.getBoundingClientRect();
    const { width, height } = this.view.pane;
    const px = (event.clientX - box.left) % (width + GAP);
    const py = (event.clientY - box.top) % (height + GAP);
    const [x, y] = this.view.into(px, py);
    return { px, py, x, y };
  }

  #inside({ x, y }) {
    const { width, height } = this.view.image;
    return x >= 0 && y >= 0 && x < width && y < height;
  }

  #pixel({ x, y }) {
    const { width, height } = this.view.image;
    return {
      x: Math.min(width - 1, Math.max(0, Math.floor(x))),
      y: Math.min(height - 1, Math.max(0, Math.floor(y))),
    };
  }

  /** The pixel in the middle of the stage. */
  #middle() {
    const { x, y, image } = this.view;
    return this.#pixel({ x: x * image.width, y: y * image.height });
  }

  // ---- hands

  #listen() {
    const { stage, handle, ruler } = this;
    stage.addEventListener("pointerdown", (event) => this.#down(event));
    stage.addEventListener("pointermove", (event) => this.#move(event));
    for (const end of ["pointerup", "pointercancel"]) stage.addEventListener(end, (event) => this.#up(event));
    this.frame.addEventListener("pointermove", (event) => this.#hover(event));
    this.frame.addEventListener("pointerleave", () => this.#tell("gs-hover", {}));
    stage.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    stage.addEventListener("keydown", (event) => this.#stageKey(event));
    for (const node of [stage, handle]) {
      node.addEventListener("keyup", (event) => event.key.toLowerCase() === "b" && this.flip(false));
      node.addEventListener("blur", () => this.flip(false));
    }
    handle.addEventListener("keydown", (event) => this.#dividerKey(event));
    for (const grip of [handle, ruler]) {
      grip.addEventListener("pointerdown", (event) => {
        if (event.button !== 0) return;
        event.preventDefault();
        handle.focus({ preventScroll: true });
        grip.setPointerCapture(event.pointerId);
        this.gripped = { x: event.clientX, divider: this.divider };
        if (grip === ruler) this.#dividerTo(event);
      });
      grip.addEventListener("pointermove", (event) => {
        if (grip.hasPointerCapture(event.pointerId)) this.#dividerTo(event);
      });
      grip.addEventListener("pointerup", (event) => this.#pressed(grip, event));
      grip.addEventListener("lostpointercapture", () => {
        this.gripped = null;
      });
    }
  }

  /** A press on the divider that does not drag it is meant for the pixel below. */
  #pressed(grip, event) {
    if (grip !== this.handle || !this.gripped || Math.abs(event.clientX - this.gripped.x) > 2) return;
    this.#divide(this.gripped.divider);
    const at = this.#locate(event);
    if (this.tool === "probe" && this.#inside(at)) this.#tell("gs-point", this.#pixel(at));
  }

  #dividerTo(event) {
    const box = this.stage.getBoundingClientRect();
    const { left, right } = this.view.visible;
    this.#divide(((event.clientX - box.left - left) / (right - left)) * 100);
  }

  #divide(at) {
    this.divider = Math.min(100, Math.max(0, at));
    this.#spoken();
    this.draw();
    this.#tell("gs-divider", { at: this.divider });
  }

  #dividerKey(event) {
    const now = this.divider;
    const to = {
      ArrowLeft: now - 1,
      ArrowDown: now - 1,
      ArrowRight: now + 1,
      ArrowUp: now + 1,
      PageDown: now - 10,
      PageUp: now + 10,
      Home: 0,
      End: 100,
      ...PLACES,
    }[event.key];
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (to === undefined) return this.#zoomKey(event);
    event.preventDefault();
    this.#divide(to);
  }

  #zoomKey(event) {
    const act = {
      "+": () => this.zoom(STEP),
      "=": () => this.zoom(STEP),
      "-": () => this.zoom(1 / STEP),
      0: () => this.fit(),
      9: () => this.actual(),
      b: () => this.flip(true),
      f: () => this.#tell("gs-full", {}),
    }[event.key.toLowerCase()];
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act();
  }

  #stageKey(event) {
    const [dx, dy] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key] ?? [
      0, 0,
    ];
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      if (!this.point) this.#tell("gs-point", this.#middle());
      return;
    }
    if (event.key === "Escape") return this.#tell("gs-point", {});
    if (!dx && !dy) {
      const at = PLACES[event.key];
      if (at === undefined || event.ctrlKey || event.metaKey) return this.#zoomKey(event);
      return this.#divide(at);
    }
    event.preventDefault();
    if (event.ctrlKey || event.altKey || event.metaKey) {
      this.view.pan(-dx * PAN, -dy * PAN);
      this.#moved();
      return;
    }
    const by = event.shiftKey ? 10 : 1;
    const from = this.point ?? this.#middle();
    this.#tell("gs-point", this.#pixel({ x: from.x + dx * by, y: from.y + dy * by }));
  }

  #wheel(event) {
    const page = document.scrollingElement;
    const scrolls = page.scrollHeight > page.clientHeight + 1;
    const meant = event.ctrlKey || this.view.zoom > 1 || document.activeElement === this.stage;
    if (scrolls && !meant) return; // on a long page the wheel scrolls
    event.preventDefault();
    const { px, py } = this.#locate(event);
    const notches = event.deltaMode === 0 ? event.deltaY / 100 : event.deltaY / 3;
    this.view.zoomAt(STEP ** -Math.max(-3, Math.min(3, notches)), px, py);
    this.#moved();
  }

  #down(event) {
    const at = this.#locate(event);
    this.#pointers.set(event.pointerId, at);
    this.stage.setPointerCapture(event.pointerId);
    this.panning = event.button === 1 || event.shiftKey || this.tool === "move";
    if (event.button === 1) event.preventDefault();
    if (this.#pointers.size === 2) this.panning = true;
    this.tapped = null;
    if (this.panning || event.button !== 0 || !this.#inside(at)) return;
    if (this.tool === "line" || this.tool === "region") this.from = this.#pixel(at);
    else if (event.pointerType === "touch") this.tapped = at;
    else this.#tell("gs-point", this.#pixel(at));
  }

  #hover(event) {
    if (!this.panes || this.#pointers.size) return;
    const at = this.#locate(event);
    this.#tell("gs-hover", this.#inside(at) ? this.#pixel(at) : {});
  }

  #move(event) {
    const at = this.#locate(event);
    const was = this.#pointers.get(event.pointerId);
    if (!was) return;
    if (this.#pointers.size === 2) {
      const other = [...this.#pointers].find(([id]) => id !== event.pointerId)[1];
      const spread = (p) => Math.hypot(p.px - other.px, p.py - other.py) || 1;
      const middle = [(at.px + other.px) / 2, (at.py + other.py) / 2];
      this.view.pan((at.px - was.px) / 2, (at.py - was.py) / 2);
      this.view.zoomAt(spread(at) / spread(was), ...middle);
      this.#moved();
    } else if (this.panning) {
      this.view.pan(at.px - was.px, at.py - was.py);
      this.#moved();
    } else if (this.tool === "line" || this.tool === "region") {
      if (this.from) this.#drawn(this.from, this.#pixel(at));
    } else if (event.pointerType !== "touch") {
      this.#tell("gs-point", this.#pixel(at));
    } else if (this.tapped && Math.hypot(at.px - this.tapped.px, at.py - this.tapped.py) > SLIP) {
      this.tapped = null;
      this.panning = true; // a finger that moves shows another part, of a picture that is larger than the stage
    }
    this.#pointers.set(event.pointerId, this.#locate(event));
  }

  #drawn(from, to) {
    if (this.tool === "line") return this.#tell("gs-line", { x0: from.x, y0: from.y, x1: to.x, y1: to.y });
    const [x0, x1] = [from.x, to.x].sort((a, b) => a - b);
    const [y0, y1] = [from.y, to.y].sort((a, b) => a - b);
    this.#tell("gs-region", { x0, y0, x1, y1 });
  }

  #up(event) {
    if (this.tapped && event.type === "pointerup") this.#tell("gs-point", this.#pixel(this.tapped));
    this.tapped = null;
    this.#pointers.delete(event.pointerId);
    this.from = null;
    if (this.#pointers.size === 0) this.panning = false;
  }

  #tell(name, detail) {
    if (this.panes) this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  // ---- drawing

  /** Draw at the next frame. */
  draw() {
    if (this.#due) return;
    this.#due = requestAnimationFrame(() => {
      this.#due = 0;
      this.#paint();
    });
  }

  #paint() {
    if (!this.panes || !this.size) return;
    const { canvas, size, view } = this;
    const dpr = devicePixelRatio || 1;
    const [width, height] = [Math.round(size.width * dpr), Math.round(size.height * dpr)];
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    const context = canvas.getContext("2d");
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, width, height);
    context.setTransform(dpr, 0, 0, dpr, 0, 0);
    const seen = view.visible;
    if (this.layout === "difference") {
      const { picture } = difference(this.panes.left, this.panes.right, view.image);
      this.#pane(context, { side: "left", left: 0, top: 0 }, seen, { picture, step: [1, 1] });
    } else if (this.layout === "side" || this.layout === "grid") {
      for (const cell of this.#cells()) this.#pane(context, cell, seen);
    } else {
      const cut = seen.left + ((seen.right - seen.left) * this.divider) / 100;
      this.#pane(context, { side: "left", left: 0, top: 0 }, { ...seen, right: cut });
      this.#pane(context, { side: "right", left: 0, top: 0 }, { ...seen, left: cut });
      this.handle.style.transform = `translateX(${cut}px)`;
    }
    this.handle.style.top = `${seen.top}px`;
    this.handle.style.height = `${seen.bottom - seen.top}px`;
    this.ruler.style.marginLeft = `${seen.left}px`;
    this.ruler.style.width = `${seen.right - seen.left}px`;
    this.ruler.firstElementChild.style.left = `${this.divider}%`;
    this.dataset.painted = String(Number(this.dataset.painted ?? 0) + 1);
  }

  #pane(context, { side, left, top }, clip, pane = this.#paneOf(side)) {
    const { view } = this;
    const [dx, dy] = view.out(0, 0);
    this.transforms[side] = [view.scale, dx, dy];
    if (clip.right <= clip.left) return;
    context.save();
    context.translate(left, top);
    context.beginPath();
    context.rect(clip.left, clip.top, clip.right - clip.left, clip.bottom - clip.top);
    context.clip();
    if (this.under) {
      this.#picture(context, this.under, [1, 1], clip);
      context.globalAlpha = this.opacity;
    }
    this.#picture(context, pane.drawn ?? pane.picture, pane.step, clip);
    context.globalAlpha = 1;
    if (this.ellipses) drawEllipses(context, view, clip, this.ellipses);
    if (this.windowEllipses) drawEllipses(context, view, clip, this.windowEllipses);
    if (this.point) drawPoint(context, view, this.point);
    if (this.line) drawLine(context, view, this.line);
    if (this.region) drawRegion(context, view, this.region);
    context.restore();
  }

  /** Draw the part of a picture that `clip` shows, where one of its pixels covers `step` image pixels. */
  #picture(context, picture, [stepX, stepY], clip) {
    const { view } = this;
    const [width, height] = sizeOf(picture);
    const [left, top] = view.into(clip.left, clip.top);
    const [right, bottom] = view.into(clip.right, clip.bottom);
    const x0 = Math.max(0, Math.floor(left / stepX) - 1);
    const y0 = Math.max(0, Math.floor(top / stepY) - 1);
    const x1 = Math.min(width, Math.ceil(right / stepX) + 1);
    const y1 = Math.min(height, Math.ceil(bottom / stepY) + 1);
    if (x1 <= x0 || y1 <= y0) return;
    const [px0, py0] = view.out(x0 * stepX, y0 * stepY);
    const [px1, py1] = view.out(x1 * stepX, y1 * stepY);
    const coarse = stepX > 1 || stepY > 1;
    context.imageSmoothingEnabled = !coarse && view.scale * (devicePixelRatio || 1) < 2;
    context.imageSmoothingQuality = "high";
    context.drawImage(picture, x0, y0, x1 - x0, y1 - y0, px0, py0, px1 - px0, py1 - py0);
  }
}

customElements.define("gs-viewer", Viewer);
