// How good a state is: ok, busy, paused, degraded, failing, unknown.  Each has a color, a shape and a word.

import { html, svg } from "./dom.js";

const SHAPES = {
  ok: "M3 8.5l3.5 3.5L13 4.5",
  busy: "M8 2.5a5.5 5.5 0 1 1-5.5 5.5",
  paused: "M5.5 3v10M10.5 3v10",
  degraded: "M8 3v6M8 12.2v.3",
  failing: "M3.5 3.5l9 9M12.5 3.5l-9 9",
  unknown: "M4 8h8",
};
const INDEX_LEVELS = {
  seeded: "ok",
  live: "ok",
  standby: "ok",
  backfilling: "busy",
  seeding: "busy",
  creating: "busy",
  pending: "busy",
};

/** A state as a word behind its shape. */
export function badge(level, word) {
  return html("span", { class: `badge ${level}` }, mark(level), word);
}

function mark(level) {
  return svg("svg", { viewBox: "0 0 16 16", "aria-hidden": "true" }, svg("path", { d: SHAPES[level] }));
}

export function ofIndex(index) {
  if (index.state === "stopped") return "failing";
  if (index.paused) return "paused";
  if (index.last_error) return "degraded";
  return INDEX_LEVELS[index.state] ?? "unknown";
}

export function ofSource(source) {
  if (source.error || source.wal_status === "lost") return "failing";
  if (source.active === false || source.wal_status === "unreserved") return "degraded";
  return source.active === null ? "unknown" : "ok";
}

export function ofProcess(process) {
  if (process.state !== "alive") return process.state === "ended" ? "unknown" : "degraded";
  if (!process.answers) return "unknown";
  return process.health?.state ?? "ok";
}
