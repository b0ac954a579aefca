// Numbers as a person reads them.

/**
 * About `digits` significant digits, never in exponent form for everyday sizes; of one of several values that lie
 * `span` apart, as many of the span: 287.31 K and 287.38 K are not the same.
 */
export function number(value, digits = 3, span = 0) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (value === Infinity) return "∞";
  if (value === -Infinity) return "−∞";
  if (value === 0) return "0";
  const size = Math.abs(value);
  const decimals = (of) => digits - 1 - Math.floor(Math.log10(of));
  const apart = span > 0 && !Number.isInteger(value) ? decimals(span) : 0;
  if (size < 1e-4 || (size >= 1e6 && apart <= 0)) return signed(value.toExponential(digits - 1));
  return fixed(value, Math.min(Math.max(0, decimals(size), apart), 6));
}

/** How far the values of a panel are apart, where one scale says it. */
export const spanOf = (bar) => (bar ? bar.high - bar.low : 0);

/** Numbers of one place, all to the decimals that three digits of the largest have, three at least; null is none. */
export function together(values) {
  const largest = Math.max(...values.map((v) => Math.abs(v ?? 0)));
  const decimals = largest > 0 ? Math.max(3, 2 - Math.floor(Math.log10(largest))) : 3;
  return values.map((v) => (Number.isFinite(v) && decimals <= 6 ? fixed(v, decimals) : number(v)));
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
