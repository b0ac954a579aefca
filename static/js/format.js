// Numbers as a person reads them.

/** About `digits` significant digits, never in exponent form for everyday sizes. */
export function number(value, digits = 3) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (value === Infinity) return "∞";
  if (value === -Infinity) return "−∞";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e6 || size < 1e-4) return signed(value.toExponential(digits - 1));
  const decimals = Math.max(0, digits - 1 - Math.floor(Math.log10(size)));
  return fixed(value, Math.min(decimals, 6));
}

const LEAST = 1e-4;

/** A weight or a part of one, whose largest is near 1: what is next to nothing in words. */
export function weight(value) {
  if (value !== 0 && Math.abs(value) < LEAST) return value > 0 ? `< ${LEAST}` : `> −${LEAST}`;
  return fixed(value, 4);
}

/** A number's text with true minus signs. */
export const signed = (text) => text.replaceAll("-", "−");

/** A set count of decimals. */
export const fixed = (value, decimals) => signed(value.toFixed(decimals));

export function seconds(value) {
  if (value < 0.0095) return `${fixed(value * 1000, 1)} ms`;
  if (value < 0.995) return `${Math.round(value * 1000)} ms`;
  if (value < 9.95) return `${fixed(value, 1)} s`;
  if (value < 90) return `${Math.round(value)} s`;
  return `${Math.round(value / 60)} min`;
}

/** An estimate: no more digits than it deserves. */
export function about(value) {
  return value < 0.995 ? `${Math.max(10, Math.round(value * 100) * 10)} ms` : seconds(value);
}

export function bytes(value) {
  if (value < 1e6) return `${Math.max(1, Math.round(value / 1e3))} kB`;
  if (value < 1e9) return `${Math.round(value / 1e6)} MB`;
  return `${fixed(value / 1e9, 1)} GB`;
}
