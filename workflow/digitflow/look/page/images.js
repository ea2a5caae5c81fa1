// The images and what is known of each. Plain JavaScript, with nothing to build: the scripts of the page
// share their names, and come in the order of index.html. Texts enter the page as text nodes only.
"use strict";

const data = window.LOOK;
const $ = (id) => document.getElementById(id);

/** An element with properties and children; what starts with aria-, data- or role is an attribute. */
function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (/^(aria-|data-|role$|for$)/.test(name)) element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

const svg = (tag, attributes, ...children) => {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
};

if (!data) {
  $("title").textContent = "The data are missing";
  $("about").textContent =
    "page/data.js is not beside this file, or is damaged. Copy the whole folder, or make the page again.";
  throw new Error("page/data.js is missing");
}

const number = (value) => value.toLocaleString("en");
const plural = (count, word) => `${number(count)} ${word}${count === 1 ? "" : "s"}`;
const sharesOf = (counts) => {
  const sum = counts.reduce((a, b) => a + b, 0) || 1;
  return counts.map((count) => count / sum);
};
const percent = (parts) =>
  parts < 0 ? "" : `${(parts / 100).toFixed(parts >= 9950 || parts < 100 ? 1 : 0)} %`;

// Training rows are numbered from 0, test images follow them.
const { names, train, test } = data;
const rows = train.ids.length;
const total = rows + test.ids.length;
const [height, width] = data.size;
const isTest = (i) => i >= rows;
const idOf = (i) => (isTest(i) ? test.ids[i - rows] : train.ids[i]);
const rowOf = new Map(train.ids.map((id, i) => [id, i]));
const splitOf = (i) => (isTest(i) ? "test" : data.splits[train.split[i]]);
const proposedOf = (i) => (isTest(i) ? test.predicted[i - rows] : train.proposed[i]);
const proposedNameOf = (i) => names[proposedOf(i)] ?? ""; // of -1: no model says anything
const pProposedOf = (i) => (isTest(i) ? test.pPredicted[i - rows] : train.pProposed[i]);
const classOf = (i) =>
  isTest(i) ? test.predicted[i - rows] : train.given[i] < 0 ? train.was[i] : train.given[i];
const crcOf = (i) => train.crc.slice(8 * i, 8 * i + 8);
const digitsOf = (ids) => String(ids.reduce((most, id) => Math.max(most, id), 0)).length;
const digits = { train: digitsOf(train.ids), test: digitsOf(test.ids) };
const fileOf = (i) => String(idOf(i)).padStart(isTest(i) ? digits.test : digits.train, "0");
const flagged = new Set(train.flagged);
const voteOf = new Map(data.models.rows.map((i, k) => [i, k]));

/** An image's id, as a link to its PNG file in the tree unless the tree has none. */
function linkTo(i, tabIndex) {
  const textContent = fileOf(i);
  if (data.png === null || (!isTest(i) && train.given[i] < 0)) return el("span", { textContent });
  const folder = isTest(i) ? "test" : `train/${encodeURIComponent(data.folders[train.given[i]])}`;
  return el("a", { href: `${data.png}/${folder}/${textContent}.png`, textContent, tabIndex, target: "_blank" });
}

const sheetOf = new Uint32Array(total);
const slotOf = new Uint32Array(total);
data.sheets.reduce((first, [, , , count], sheet) => {
  for (let slot = 0; slot < count; slot++) {
    sheetOf[data.order[first + slot]] = sheet;
    slotOf[data.order[first + slot]] = slot;
  }
  return first + count;
}, 0);

const scaleFor = (pixels) => {
  const scale = pixels / Math.max(height, width);
  return scale > 1 ? Math.round(scale) : scale;
};

let missing = false; // a sheet is not there: the page was made again since it was opened, or was copied in part
const asked = new Set();

/** Say so once a sheet does not come; what stands in its place must not be decided. */
function watch(file) {
  if (asked.has(file)) return;
  asked.add(file);
  const image = new Image();
  image.onerror = () => {
    missing = true;
    changed();
  };
  image.src = `page/${file}`;
}

/** Show one cell of a sheet as the background of an element. */
function setCell(element, [file, across, down], slot, scale) {
  const [w, h] = [width * scale, height * scale];
  watch(file);
  Object.assign(element.style, {
    width: `${w}px`,
    height: `${h}px`,
    backgroundImage: `url("page/${file}")`,
    backgroundSize: `${across * w}px ${down * h}px`,
    backgroundPosition: `${-(slot % across) * w}px ${-Math.floor(slot / across) * h}px`,
    // Pixels are to be seen; but with only the nearest one, thin lines of a reduced picture are lost.
    imageRendering: scale > 1 ? "pixelated" : "auto",
  });
}

const setPicture = (element, i, scale) => setCell(element, data.sheets[sheetOf[i]], slotOf[i], scale);
