// Makes elements, and brings what is shown in line with them without replacing what stays: the focus, open
// details and what a screen reader stands at survive every refresh.

const SVG = "http://www.w3.org/2000/svg";

export function html(tag, attributes, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

export function svg(tag, attributes, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

/** Make the children of `target` equal to `children`. */
export function show(target, ...children) {
  const wanted = target.cloneNode(false);
  wanted.append(...nodes(children));
  align(target, wanted);
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === true) element.setAttribute(name, "");
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value);
  }
  element.append(...nodes(children));
  return element;
}

function nodes(children) {
  return children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);
}

function align(present, wanted) {
  const keyed = new Map();
  for (const child of present.childNodes) if (keyOf(child)) keyed.set(keyOf(child), child);
  let place = present.firstChild;
  for (const next of [...wanted.childNodes]) {
    const kept = keyOf(next) ? keyed.get(keyOf(next)) : alike(place, next) ? place : undefined;
    if (!kept || kept.nodeName !== next.nodeName) {
      present.insertBefore(next, place);
      continue;
    }
    keyed.delete(keyOf(next));
    if (kept === place) place = place.nextSibling;
    else present.insertBefore(kept, place);
    update(kept, next);
  }
  while (place) {
    const gone = place;
    place = place.nextSibling;
    gone.remove();
  }
}

function update(present, wanted) {
  if (present.nodeType === Node.TEXT_NODE) {
    if (present.data !== wanted.data) present.data = wanted.data;
    return;
  }
  for (const { name } of [...present.attributes]) {
    // The reader opens and closes details.
    if (!wanted.hasAttribute(name) && name !== "open") present.removeAttribute(name);
  }
  for (const { name, value } of wanted.attributes) {
    if (present.getAttribute(name) !== value) present.setAttribute(name, value);
  }
  align(present, wanted);
}

function keyOf(node) {
  return node.dataset?.key;
}

function alike(present, wanted) {
  return present && present.nodeName === wanted.nodeName && !keyOf(present);
}
