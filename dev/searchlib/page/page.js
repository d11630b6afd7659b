"use strict";

const REFRESH_MILLISECONDS = 2000;
const TYPING_MILLISECONDS = 150;
const NAMES = { stock: { true: "in stock", false: "sold out" } };

const at = (id) => document.getElementById(id);
const chosen = { tags: new Set(), stock: "", price: "" };
let page = 1;
let newest = 0;
let shown = new Map();

function element(name, text = "", type = "") {
  const made = document.createElement(name);
  made.textContent = text;
  if (type) made.className = type;
  return made;
}

/* The words that were searched for are between two characters that no text has. */
function marked(into, text) {
  for (const [place, part] of (text ?? "").split(/\ue000(.*?)\ue001/s).entries()) {
    into.append(place % 2 ? element("mark", part) : part);
  }
  return into;
}

function parameters() {
  const found = new URLSearchParams({ sort: at("sort").value, page });
  if (at("text").value) found.set("q", at("text").value);
  for (const tag of chosen.tags) found.append("tag", tag);
  if (chosen.stock) found.set("stock", chosen.stock);
  if (chosen.price) found.set("price", chosen.price);
  return found;
}

async function load() {
  const number = ++newest;
  let answer;
  try {
    const response = await fetch(`api/products?${parameters()}`);
    answer = await response.json();
    if (!response.ok) throw new Error(answer.error);
  } catch (error) {
    if (number === newest) at("total").textContent = `The search failed: ${error.message}`;
    return;
  }
  // An answer that was overtaken by a later question is old.
  if (number === newest) show(answer);
}

function show(answer) {
  at("total").textContent = `${answer.total} ${answer.total === 1 ? "product" : "products"}`;
  const cards = answer.hits.map(card);
  shown = new Map(answer.hits.map((hit) => [hit.id, JSON.stringify({ ...hit, score: null })]));
  at("hits").replaceChildren(...cards);
  at("page").textContent = `page ${answer.page} of ${answer.pages}`;
  at("previous").disabled = answer.page <= 1;
  at("next").disabled = answer.page >= answer.pages;
  for (const [name, counts] of Object.entries(answer.facets)) facet(name, counts);
}

function card(hit) {
  const made = element("li");
  made.dataset.id = hit.id;
  const before = shown.get(hit.id);
  if (before && before !== JSON.stringify({ ...hit, score: null })) made.className = "changed";
  made.append(marked(element("h2"), hit.name), element("p", `${hit.sku} · ${hit.price}`, "soft"));
  if (hit.description) made.append(marked(element("p"), hit.description));
  const reviews = hit.reviews === 1 ? "1 review" : `${hit.reviews} reviews`;
  const facts = [hit.inStock ? "in stock" : "sold out"];
  facts.push(hit.rating === null ? "no reviews" : `${hit.rating.toFixed(1)} of 5, ${reviews}`);
  made.append(element("p", [...facts, ...hit.tags].join(" · "), "soft"));
  return made;
}

function facet(name, counts) {
  const set = document.querySelector(`[data-facet="${name}"]`);
  const focused = set.contains(document.activeElement) ? document.activeElement.value : null;
  const boxes = Object.entries(counts).map(([value, count]) => {
    const label = element("label");
    const box = element("input");
    box.type = "checkbox";
    box.value = value;
    box.checked = name === "tags" ? chosen.tags.has(value) : chosen[name] === value;
    box.addEventListener("change", () => choose(name, value, box.checked));
    label.append(box, NAMES[name]?.[value] ?? value, element("span", count));
    return label;
  });
  set.replaceChildren(set.querySelector("legend"), ...boxes);
  if (focused !== null) set.querySelector(`[value="${CSS.escape(focused)}"]`)?.focus();
}

function choose(name, value, on) {
  if (name !== "tags") chosen[name] = on ? value : "";
  else if (on) chosen.tags.add(value);
  else chosen.tags.delete(value);
  restart();
}

function restart() {
  page = 1;
  shown = new Map();
  load();
}

function turn(by) {
  page += by;
  shown = new Map();
  load();
}

async function suggest() {
  const response = await fetch(`api/suggest?${new URLSearchParams({ q: at("text").value })}`);
  if (!response.ok) return;
  const options = (await response.json()).map((text) => {
    const option = element("option");
    option.value = text;
    return option;
  });
  at("suggestions").replaceChildren(...options);
}

let typing;
at("text").addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(() => {
    restart();
    suggest();
  }, TYPING_MILLISECONDS);
});
document.querySelector("form").addEventListener("submit", (event) => event.preventDefault());
at("sort").addEventListener("change", restart);
at("previous").addEventListener("click", () => turn(-1));
at("next").addEventListener("click", () => turn(1));
setInterval(() => {
  if (!document.hidden) load();
}, REFRESH_MILLISECONDS);
load();
