// Numbers, times and states as text.  What is not known is a dash.

export const UNKNOWN = "-";

export function count(value) {
  return known(value) ? Math.round(value).toLocaleString("en") : UNKNOWN;
}

export function rate(value) {
  return known(value) ? `${value.toLocaleString("en", { maximumFractionDigits: value < 10 ? 1 : 0 })}/s` : UNKNOWN;
}

export function bytes(value) {
  if (!known(value)) return UNKNOWN;
  const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${value.toLocaleString("en", { maximumFractionDigits: unit && value < 10 ? 1 : 0 })} ${units[unit]}`;
}

export function duration(seconds) {
  if (!known(seconds)) return UNKNOWN;
  if (seconds < 10) return `${seconds.toLocaleString("en", { maximumFractionDigits: 1 })} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} days`;
}

export function time(seconds) {
  return new Date(seconds * 1000).toLocaleTimeString("en-GB");
}

/** For the axis of a chart. */
export function brief(value) {
  return value.toLocaleString("en", { notation: "compact", maximumFractionDigits: 1 });
}

function known(value) {
  return value !== null && value !== undefined;
}
