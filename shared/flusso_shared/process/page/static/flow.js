// The way of a change: slot, topics, consumer groups, indexes.

import { html } from "./dom.js";
import { UNKNOWN, bytes, count, duration, rate } from "./format.js";
import { badge, ofIndex, ofSource } from "./levels.js";

const SHOWN_TOPICS = 6;

/** The stages of the flow, as items of a list. */
export function flow(overview) {
  return [
    stage("Replication slot", slot(overview.source, captured(overview.processes))),
    stage(overview.queue.kind === "memory" ? "Queue in memory" : "Topics", queue(overview.queue)),
    stage("Consumer groups", overview.indexes.flatMap(groups), "No index has a generation yet."),
    stage("Indexes", [...overview.sinks.map(sink), ...overview.indexes.map(index)], "No index is configured."),
  ];
}

function stage(title, cards, absent) {
  const found = [cards].flat();
  return html(
    "li",
    { class: "stage", "data-key": title },
    html("h3", {}, title),
    found.length ? found : html("p", { class: "quiet" }, absent),
  );
}

function card(key, level, title, word, facts, error) {
  return html(
    "div",
    { class: `card ${level}`, "data-key": key, "data-level": level },
    html("p", { class: "card-title" }, html("strong", {}, title), badge(level, word)),
    html(
      "dl",
      {},
      facts.map(([name, value]) => html("div", {}, html("dt", {}, name), html("dd", {}, value))),
    ),
    error && html("p", { class: "error" }, error),
  );
}

function slot(source, perSecond) {
  const word = source.error ? "error" : source.active === null ? "unknown" : source.active ? "read" : "not read";
  return card(
    "slot",
    ofSource(source),
    source.slot,
    source.wal_status === "lost" ? "lost" : word,
    [
      ["Publication", source.publication],
      ["Captured", rate(perSecond)],
      ["Lag", bytes(source.lag_bytes)],
      ["Log retained", bytes(source.retained_bytes)],
      ["Left until invalidated", bytes(source.safe_bytes)],
      ["State of the log", source.wal_status ?? UNKNOWN],
    ],
    source.error,
  );
}

function captured(processes) {
  const found = processes.filter((each) => each.part !== "worker" && each.state === "alive");
  return found.reduce(
    (sum, each) => ((each.captured_per_second ?? null) === null ? sum : (sum ?? 0) + each.captured_per_second),
    null,
  );
}

function queue(found) {
  const level = found.error ? "failing" : "ok";
  const word = found.error ? "error" : found.kind === "memory" ? "in this process" : "answers";
  const records = found.topics.reduce((sum, topic) => sum + (topic.records ?? 0), 0);
  const facts = [
    ["Topics", count(found.topics.length)],
    ["Records", count(records)],
  ];
  const list = html(
    "ul",
    { class: "topics" },
    found.topics.map((topic) =>
      html(
        "li",
        { "data-key": topic.topic },
        html("span", {}, topic.table),
        html("span", {}, `${count(topic.records)} records, ${count(topic.partitions)} partitions`),
      ),
    ),
  );
  const shown =
    found.topics.length > SHOWN_TOPICS ? html("details", {}, html("summary", {}, "Topics by table"), list) : list;
  return [
    card(
      "queue",
      level,
      found.kind === "memory" ? "Memory" : "Kafka",
      word,
      found.kind === "memory" ? [] : facts,
      found.error,
    ),
    found.topics.length > 0 && html("div", { class: "card", "data-key": "topics" }, shown),
  ].filter(Boolean);
}

function groups(index) {
  return index.generations.map((each) => {
    const seeding = each.state === "seeding" || each.state === "creating";
    const level = seeding && !index.paused ? "busy" : ofIndex(index);
    const made = card(
      `group ${each.generation}`,
      level,
      each.generation,
      index.paused || index.state === "stopped" ? index.state : each.state,
      [["Lag", lag(each.lag)]],
      null,
    );
    if (seeding && each.total) {
      const share = Math.min(100, Math.floor((100 * (each.done ?? 0)) / each.total));
      made.append(
        html(
          "label",
          { class: "progress" },
          `Seeded ${share} %: ${count(each.done)} of ${count(each.total)} changes`,
          html("progress", { max: each.total, value: Math.min(each.done ?? 0, each.total) }),
        ),
      );
    }
    return made;
  });
}

function lag(value) {
  return value === 1 ? "1 change" : value === null ? UNKNOWN : `${count(value)} changes`;
}

function sink(found) {
  const level = found.error ? "failing" : found.kind === "opensearch" && !found.version ? "unknown" : "ok";
  const word = found.error ? "error" : level === "ok" ? "answers" : "unknown";
  const facts =
    found.kind === "opensearch"
      ? [
          ["Address", found.address],
          ["Version", found.version ?? UNKNOWN],
        ]
      : [];
  return card(
    `sink ${found.name}`,
    level,
    `${found.kind === "opensearch" ? "OpenSearch" : found.kind} ${found.name}`,
    word,
    facts,
    found.error,
  );
}

function index(found) {
  return card(
    `index ${found.index}`,
    ofIndex(found),
    found.index,
    found.paused ? "paused" : found.state,
    [
      ["Applied", rate(found.rate)],
      ["Lag", found.lag_seconds === null ? lag(found.lag) : `${lag(found.lag)}, ${duration(found.lag_seconds)}`],
    ],
    found.last_error,
  );
}
