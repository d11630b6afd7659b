// The tables: indexes with their actions, documents in quarantine, processes.

import { html } from "./dom.js";
import { UNKNOWN, count, duration, rate } from "./format.js";
import { badge, ofIndex, ofProcess } from "./levels.js";

/** `rows`: [key, cells]; a cell is a child or an array of children.  On a narrow screen each row is a card. */
function table(caption, headings, rows) {
  // The roles keep it a table where the layout is not one.
  return html(
    "div",
    { class: "table", tabindex: "0", role: "group", "aria-label": caption },
    html(
      "table",
      { role: "table" },
      html("caption", { class: "hidden" }, caption),
      html(
        "thead",
        { role: "rowgroup" },
        html(
          "tr",
          { role: "row" },
          headings.map((each) => html("th", { scope: "col", role: "columnheader" }, each)),
        ),
      ),
      html(
        "tbody",
        { role: "rowgroup" },
        rows.map(([key, cells]) =>
          html(
            "tr",
            { role: "row", "data-key": key },
            cells.map((cell, at) =>
              at === 0
                ? html("th", { scope: "row", role: "rowheader", "data-name": headings[at] }, cell)
                : html("td", { role: "cell", "data-name": headings[at] }, cell),
            ),
          ),
        ),
      ),
    ),
  );
}

/** A button that asks before it acts; `what` names its object to screen readers. */
function button(verb, label, what, data) {
  const attributes = Object.fromEntries(Object.entries(data).map(([name, value]) => [`data-${name}`, value]));
  return html(
    "button",
    { type: "button", "data-verb": verb, "data-key": verb, ...attributes },
    label,
    html("span", { class: "hidden" }, ` ${what}`),
  );
}

export function indexes(overview, possible) {
  if (!overview.indexes.length) return html("p", { class: "quiet" }, "No index is configured.");
  const headings = ["Index", "State", "Lag", "Lag in time", "Rate", "Ready in", "Quarantine", "Last error"];
  if (possible) headings.push("Actions");
  return table(
    "Indexes",
    headings,
    overview.indexes.map((index) => [
      index.index,
      [
        index.index,
        badge(ofIndex(index), index.paused ? "paused" : index.state),
        count(index.lag),
        duration(index.lag_seconds),
        rate(index.rate),
        duration(index.eta_seconds),
        count(index.quarantine),
        index.last_error ? html("span", { class: "error" }, index.last_error) : UNKNOWN,
        ...(possible ? [html("div", { class: "buttons" }, actions(index))] : []),
      ],
    ]),
  );
}

function actions(index) {
  const data = { index: index.index };
  return [
    rebuilding(index)
      ? button("cancel", "Cancel reindex", `of ${index.index}`, data)
      : button("reindex", "Reindex", index.index, data),
    index.paused ? button("resume", "Resume", index.index, data) : button("pause", "Pause", index.index, data),
  ];
}

/** Whether a generation is to replace the live one. */
function rebuilding(index) {
  const live = index.generations.some((each) => each.state === "live");
  const seeding = index.generations.some((each) => each.state === "seeding" || each.state === "creating");
  return index.generations.some((each) => each.to_be_replaced) || (live && seeding);
}

export function quarantine(found, possible) {
  if (found === null) return html("p", { class: "quiet" }, "Not known yet: it is kept in OpenSearch.");
  if (found.error) return html("p", { class: "error" }, found.error);
  if (!found.entries.length) return html("p", { class: "quiet" }, "No document is in quarantine.");
  const headings = ["Document", "Index", "When", "Reason"];
  if (possible) headings.push("Actions");
  const names = [...new Set(found.entries.map((entry) => entry.index))];
  return [
    possible &&
      html(
        "div",
        { class: "buttons" },
        names.map((index) =>
          html(
            "span",
            { "data-key": index, class: "buttons" },
            button("quarantine/retry", `Retry all of ${index}`, "in quarantine", { index }),
            button("quarantine/drop", `Drop all of ${index}`, "in quarantine", { index }),
          ),
        ),
      ),
    found.more &&
      html(
        "p",
        {},
        `These are the first ${count(found.entries.length)}; `,
        html("code", {}, "flusso quarantine list"),
        " shows all.",
      ),
    table(
      "Documents in quarantine",
      headings,
      found.entries.map((entry) => [
        `${entry.generation} ${entry.id}`,
        [
          entry.id,
          entry.index,
          entry.at.slice(0, 19).replace("T", " ") + " UTC",
          html("span", { class: "error" }, entry.reason),
          ...(possible
            ? [
                html(
                  "div",
                  { class: "buttons" },
                  button("quarantine/retry", "Retry", `${entry.index} ${entry.id}`, {
                    index: entry.index,
                    id: entry.id,
                  }),
                  button("quarantine/drop", "Drop", `${entry.index} ${entry.id}`, { index: entry.index, id: entry.id }),
                ),
              ]
            : []),
        ],
      ]),
    ),
  ];
}

/** The state of the retry that runs, or of the last one. */
export function retry(found) {
  if (!found) return null;
  const told = `${count(found.done)} of ${count(found.total)} documents, ${count(found.written)} written, ${count(found.kept)} kept`;
  if (found.running) {
    return html(
      "label",
      { class: "progress" },
      `Retry of ${found.index} runs: ${told}`,
      html("progress", { max: found.total, value: found.done }),
    );
  }
  return html(
    "p",
    { class: found.error ? "error" : "quiet" },
    found.error
      ? `Retry of ${found.index} failed after ${told}: ${found.error}`
      : `Retry of ${found.index} ended: ${told}.`,
  );
}

export function processes(overview) {
  if (!overview.processes.length) return html("p", { class: "quiet" }, "No process has registered.");
  const unheard = overview.processes.some((each) => each.state === "alive" && !each.answers);
  return [
    table(
      "Processes",
      ["Process", "State", "Phase", "Heard of", "Up for", "Captured", "Committed", "Version", "Last error"],
      overview.processes.map((each) => [
        each.id,
        [
          `${each.part} ${each.host}:${each.pid}`,
          badge(
            ofProcess(each),
            each.state === "alive" && !each.answers ? "no answer" : (each.health?.state ?? each.state),
          ),
          each.waiting_for ? `${each.phase ?? UNKNOWN}; waits for ${each.waiting_for}` : (each.phase ?? UNKNOWN),
          each.heartbeat_seconds_ago === null ? UNKNOWN : `${duration(each.heartbeat_seconds_ago)} ago`,
          duration(each.uptime_seconds),
          rate(each.captured_per_second),
          rate(each.committed_per_second),
          each.version ?? UNKNOWN,
          each.last_error ? html("span", { class: "error" }, each.last_error) : UNKNOWN,
        ],
      ]),
    ),
    unheard &&
      html(
        "p",
        { class: "quiet" },
        "A process without an answer is alive, but this one cannot reach its public address: it listens for its own machine only (--public-address), or a firewall is between them.",
      ),
  ];
}
