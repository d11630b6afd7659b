// Asks the process every two seconds, and shows what it says.

import { listen } from "./actions.js";
import { read } from "./api.js";
import { draw } from "./charts.js";
import { html, show } from "./dom.js";
import { flow } from "./flow.js";
import { time } from "./format.js";
import { badge } from "./levels.js";
import { indexes, processes, quarantine, retry } from "./tables.js";

const POLL_MILLISECONDS = 2000;
const HIDDEN_POLL_MILLISECONDS = 15000;
const WINDOW_SECONDS = 1800;

const at = (id) => document.getElementById(id);
let samples = [];
let latest = null;
let quarantined = null;
let quarantinedCounts = null;
let readingQuarantine = false;
let timer = null;
let polling = false;

async function poll() {
  if (polling) return;
  polling = true;
  clearTimeout(timer);
  try {
    const since = samples.length ? samples.at(-1).at : 0;
    latest = await read(`page/data?since=${since}`);
    samples = [...samples, ...latest.samples].filter((each) => each.at >= latest.overview.at - WINDOW_SECONDS);
    show(at("outage"));
    render();
    pollQuarantine();
  } catch (error) {
    show(
      at("outage"),
      html(
        "p",
        { class: "banner" },
        `${error.message} What is below is as it was${latest ? ` at ${time(latest.overview.at)}` : ""}.`,
      ),
    );
    document.title = "no answer - flusso";
  }
  polling = false;
  timer = setTimeout(poll, document.hidden ? HIDDEN_POLL_MILLISECONDS : POLL_MILLISECONDS);
}

/** The list is read again only when a number in the overview, or a retry, has changed.  Nothing waits for it. */
async function pollQuarantine() {
  const numbers = latest.overview.indexes.map((each) => each.quarantine);
  const counts = JSON.stringify([numbers, latest.retry]);
  if (readingQuarantine || counts === quarantinedCounts || numbers.includes(null)) return;
  readingQuarantine = true;
  try {
    quarantined = await read("page/quarantine");
    quarantinedCounts = counts;
  } catch (error) {
    quarantined = { entries: [], error: error.message };
  }
  readingQuarantine = false;
  renderQuarantine();
}

function render() {
  const { overview, no_actions: noActions } = latest;
  const { health, problems } = overview;
  const { state } = health;
  document.title = `${state} - flusso`;
  show(at("health"), badge(state, state));
  at("health").dataset.level = state;
  show(at("updated"), `As of ${time(overview.at)}, every 2 s`);
  at("problems").hidden = !problems.length;
  show(at("problem-list"), problems.map(problem));
  show(at("flow"), flow(overview));
  at("no-actions").hidden = !noActions;
  show(at("no-actions"), noActions);
  show(at("index-table"), indexes(overview, !noActions));
  // While it runs its numbers are not read out; its end is.
  at("retry").setAttribute("aria-busy", String(latest.retry?.running ?? false));
  show(at("retry"), retry(latest.retry));
  renderQuarantine();
  show(at("processes"), processes(overview));
  renderCharts();
}

function renderQuarantine() {
  show(at("quarantine"), quarantine(quarantined, !latest.no_actions));
}

function renderCharts() {
  if (latest) draw(at("charts"), samples, latest.overview.at, renderCharts);
}

function problem({ level, where, what, todo }, place) {
  return html(
    "li",
    { class: level, "data-key": `${where} ${place}`, "data-level": level },
    html("p", {}, badge(level, where)),
    html("p", { class: "what" }, what),
    html("p", { class: "todo" }, todo),
  );
}

listen(() => {
  quarantinedCounts = null;
  poll();
});
document.addEventListener("visibilitychange", () => document.hidden || poll());
window.addEventListener("resize", renderCharts);
poll();
