// The one transform that every panel shares: image pixels to stage pixels.

export const MOST_ZOOM = 32;

export class Viewport {
  zoom = 1; // 1 shows the whole image
  x = 0.5; // what is in the middle, as a share of the image
  y = 0.5;
  image = { width: 1, height: 1 };
  pane = { width: 1, height: 1 };

  get fit() {
    return Math.min(this.pane.width / this.image.width, this.pane.height / this.image.height);
  }

  /** Stage pixels per image pixel. */
  get scale() {
    return this.fit * this.zoom;
  }

  /** Image position → position in the pane. */
  out(x, y) {
    const { scale } = this;
    return [
      this.pane.width / 2 + (x - this.x * this.image.width) * scale,
      this.pane.height / 2 + (y - this.y * this.image.height) * scale,
    ];
  }

  /** Position in the pane → image position. */
  into(px, py) {
    const { scale } = this;
    return [
      (px - this.pane.width / 2) / scale + this.x * this.image.width,
      (py - this.pane.height / 2) / scale + this.y * this.image.height,
    ];
  }

  /** The part of the pane that the image covers. */
  get visible() {
    const [left, top] = this.out(0, 0);
    const [right, bottom] = this.out(this.image.width, this.image.height);
    return {
      left: Math.max(0, left),
      top: Math.max(0, top),
      right: Math.min(this.pane.width, right),
      bottom: Math.min(this.pane.height, bottom),
    };
  }

  /** [zoom, x, y] as they are, null where all of the image is seen. */
  get place() {
    return this.zoom === 1 ? null : [this.zoom, this.x, this.y];
  }

  set place([zoom, x, y]) {
    this.zoom = Math.min(MOST_ZOOM, zoom);
    [this.x, this.y] = [x, y];
    this.hold();
  }

  /** Zoom so that what is under (px, py) stays there. */
  zoomAt(factor, px = this.pane.width / 2, py = this.pane.height / 2) {
    const [x, y] = this.into(px, py);
    this.zoom = Math.min(MOST_ZOOM, Math.max(Math.min(1, this.zoom), this.zoom * factor)); // below 1 only by "actual"
    const [nx, ny] = this.into(px, py);
    this.x += (x - nx) / this.image.width;
    this.y += (y - ny) / this.image.height;
    this.hold();
  }

  /** Move by stage pixels. */
  pan(dx, dy) {
    this.x -= dx / this.scale / this.image.width;
    this.y -= dy / this.scale / this.image.height;
    this.hold();
  }

  /** One image pixel on one stage pixel, about what is in the middle. */
  actual() {
    this.zoom = Math.min(MOST_ZOOM, 1 / this.fit);
    this.hold();
  }

  reset() {
    this.zoom = 1;
    this.x = this.y = 0.5;
  }

  /** Keep the image over the pane: no empty edge where it is larger, centred and no smaller than "actual" otherwise. */
  hold() {
    this.zoom = Math.max(this.zoom, Math.min(1, 1 / this.fit));
    const keep = (at, pane, size) => {
      const half = pane / 2 / (size * this.scale);
      return half >= 0.5 ? 0.5 : Math.min(1 - half, Math.max(half, at));
    };
    this.x = keep(this.x, this.pane.width, this.image.width);
    this.y = keep(this.y, this.pane.height, this.image.height);
  }
}
