// Charts of the last 30 minutes, drawn as SVG, each with its values as text.

import { html, show, svg } from "./dom.js";
import { UNKNOWN, brief, bytes, count, rate, time } from "./format.js";

const WINDOW_SECONDS = 1800;
const GAP_SECONDS = 60; // a longer time without a sample is a gap in the line
const HEIGHT = 170;
const EDGE = { left: 48, right: 8, top: 8, bottom: 22 };
const MOST_LINES = 6;
const TABLE_STEP_SECONDS = 300;

const CHARTS = [
  { title: "Lag, in changes", text: count, lines: (samples) => byIndex(samples, "lag") },
  { title: "Rate, in changes per second", text: rate, lines: (samples) => byIndex(samples, "rate") },
  {
    title: "Lag of the slot",
    text: bytes,
    lines: (samples) => [{ name: "slot", values: samples.map((each) => each.slot_bytes) }],
  },
];

let cursor = null; // the time that the pointer is at

/** `redraw` is called when the pointer moves over a chart. */
export function draw(target, samples, now, redraw) {
  const found = samples.filter((each) => each.at >= now - WINDOW_SECONDS);
  const width = widthOf(target);
  const figures = () => CHARTS.map((chart) => figure(chart, found, now, widthOf(target)));
  show(target, figures());
  // The first time the width follows from the layout of the charts.
  if (widthOf(target) !== width) show(target, figures());
  for (const drawing of target.querySelectorAll("svg.chart")) {
    drawing.onpointermove = (event) => {
      const box = drawing.getBoundingClientRect();
      const share = (event.clientX - box.left - EDGE.left) / (box.width - EDGE.left - EDGE.right);
      cursor = now - WINDOW_SECONDS * (1 - Math.min(1, Math.max(0, share)));
      redraw();
    };
    drawing.onpointerleave = () => {
      cursor = null;
      redraw();
    };
  }
}

function widthOf(target) {
  const drawing = target.querySelector("svg.chart");
  return Math.round(drawing ? drawing.getBoundingClientRect().width : target.clientWidth);
}

function figure(chart, samples, now, width) {
  const all = chart.lines(samples);
  const most = [...all].sort((one, other) => highest(other.values) - highest(one.values)).slice(0, MOST_LINES);
  // In the order of their names, so that a line keeps its color.
  const lines = all.filter((line) => most.includes(line));
  const top = scale(Math.max(...lines.map((line) => highest(line.values)), 1), chart.text === bytes);
  const x = (at) => EDGE.left + (width - EDGE.left - EDGE.right) * (1 - (now - at) / WINDOW_SECONDS);
  const y = (value) => EDGE.top + (HEIGHT - EDGE.top - EDGE.bottom) * (1 - value / top);
  const at = cursor === null ? null : nearest(samples, cursor);
  return html(
    "figure",
    { "data-key": chart.title, "data-chart": chart.title },
    html("figcaption", {}, html("h3", {}, chart.title)),
    svg(
      "svg",
      {
        class: "chart",
        role: "img",
        "aria-label": summary(chart, lines),
        viewBox: `0 0 ${width} ${HEIGHT}`,
        width,
        height: HEIGHT,
      },
      grid(chart, top, width, x, y),
      lines.map((line, number) => svg("path", { class: `line series-${number}`, d: path(line.values, samples, x, y) })),
      at !== null &&
        svg("line", {
          class: "cursor",
          x1: x(samples[at].at),
          x2: x(samples[at].at),
          y1: EDGE.top,
          y2: HEIGHT - EDGE.bottom,
        }),
    ),
    legend(chart, lines, samples, at),
    all.length > lines.length &&
      html("p", { class: "quiet" }, `and ${all.length - lines.length} more with lower values`),
    values(chart, lines, samples),
  );
}

function byIndex(samples, what) {
  const names = [...new Set(samples.flatMap((each) => Object.keys(each[what])))].sort();
  return names.map((name) => ({ name, values: samples.map((each) => each[what][name] ?? null) }));
}

function grid(chart, top, width, x, y) {
  const unit = (value) => (chart.text === bytes ? bytes(value).replace(" bytes", " B") : brief(value));
  const rows = [0, top / 2, top].flatMap((value) => [
    svg("line", { class: "rule", x1: EDGE.left, x2: width - EDGE.right, y1: y(value), y2: y(value) }),
    svg("text", { x: EDGE.left - 6, y: y(value) + 4, "text-anchor": "end" }, unit(value)),
  ]);
  const columns = [30, 20, 10, 0].map((minutes) => {
    const place = EDGE.left + (width - EDGE.left - EDGE.right) * (1 - minutes / 30);
    return svg(
      "text",
      { x: place, y: HEIGHT - 6, "text-anchor": minutes ? "middle" : "end" },
      minutes ? `−${minutes} min` : "now",
    );
  });
  return [...rows, ...columns];
}

function path(values, samples, x, y) {
  let text = "";
  let last = null;
  values.forEach((value, number) => {
    if (value === null || value === undefined) {
      last = null;
      return;
    }
    const { at } = samples[number];
    const joined = last !== null && at - last <= GAP_SECONDS;
    text += `${joined ? "L" : "M"}${x(at).toFixed(1)} ${y(value).toFixed(1)}`;
    last = at;
  });
  return text;
}

function legend(chart, lines, samples, at) {
  const shown = at ?? samples.length - 1;
  return html(
    "table",
    { class: "legend" },
    html("caption", { class: "hidden" }, chart.title),
    html(
      "thead",
      {},
      html(
        "tr",
        {},
        html("td", {}),
        html("th", { scope: "col" }, at === null ? "now" : time(samples[at].at)),
        html("th", { scope: "col" }, "highest"),
      ),
    ),
    html(
      "tbody",
      {},
      lines.map((line, number) =>
        html(
          "tr",
          { "data-key": line.name },
          html(
            "th",
            { scope: "row" },
            svg(
              "svg",
              { class: "swatch", viewBox: "0 0 24 8", "aria-hidden": "true" },
              svg("path", { class: `line series-${number}`, d: "M1 4h22" }),
            ),
            line.name,
          ),
          html("td", {}, shown < 0 ? UNKNOWN : chart.text(line.values[shown])),
          html("td", {}, line.values.some((value) => value !== null) ? chart.text(highest(line.values)) : UNKNOWN),
        ),
      ),
    ),
  );
}

function values(chart, lines, samples) {
  const rows = [];
  let next = -Infinity;
  samples.forEach((sample, number) => {
    if (sample.at < next) return;
    next = sample.at + TABLE_STEP_SECONDS;
    rows.push(
      html(
        "tr",
        { "data-key": String(sample.at) },
        html("th", { scope: "row" }, time(sample.at)),
        lines.map((line) => html("td", {}, chart.text(line.values[number]))),
      ),
    );
  });
  return html(
    "details",
    {},
    html("summary", {}, "Values", html("span", { class: "hidden" }, ` of ${chart.title}`)),
    html(
      "table",
      {},
      html("caption", { class: "hidden" }, `${chart.title}, every 5 minutes`),
      html(
        "thead",
        {},
        html(
          "tr",
          {},
          html("th", { scope: "col" }, "Time"),
          lines.map((line) => html("th", { scope: "col" }, line.name)),
        ),
      ),
      html("tbody", {}, rows),
    ),
  );
}

function summary(chart, lines) {
  const told = lines.map(
    (line) => `${line.name} now ${chart.text(line.values.at(-1))}, highest ${chart.text(highest(line.values))}`,
  );
  return `${chart.title}: ${told.join("; ") || "no values yet"}`;
}

function nearest(samples, wanted) {
  let best = null;
  samples.forEach((sample, number) => {
    if (best === null || Math.abs(sample.at - wanted) < Math.abs(samples[best].at - wanted)) best = number;
  });
  return best;
}

function highest(values) {
  return values.reduce((most, value) => Math.max(most, value ?? 0), 0);
}

/** The next of 1, 2, 5 times a power of ten, or the next power of two. */
function scale(value, binary) {
  if (binary) return 2 ** Math.ceil(Math.log2(value));
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((each) => each * power).find((each) => each >= value);
}
