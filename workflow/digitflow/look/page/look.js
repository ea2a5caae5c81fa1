// The page: its sections, the grid of images, the panel beside it, the keys and the dialogs.
"use strict";

// ---- Sections

function cellItems(given, predicted) {
  const items = [...rowOf.values()].filter((i) => train.given[i] === given && train.predicted[i] === predicted);
  return items.sort((a, b) => train.pGiven[a] - train.pGiven[b]);
}

const decidedItems = () =>
  decidedIds()
    .map((id) => rowOf.get(id))
    .filter((i) => i !== undefined);

const lists = data.sections
  .filter((section) => section.items)
  .map((section) => ({ ...section, items: () => section.items, count: section.items.length / (section.step ?? 1) }));
const hasPredictions = train.predicted.some((label) => label >= 0);
// Before the random sample, which is last.
if (hasPredictions) lists.splice(-1, 0, { key: "confusion", title: "Confusion", draw: drawConfusion });

/** The sections in the order of the list on the left: each draws itself, or has items. */
const groups = [
  ["", [{ key: "overview", title: "Overview", draw: drawOverview }]],
  ["Find", lists],
  [
    "Decided",
    [
      {
        key: "decisions",
        title: "Decisions",
        items: decidedItems,
        get about() {
          return `What ${store.file} says, and what you decided.`;
        },
      },
    ],
  ],
  [
    "Training images",
    names.map((name, label) => ({
      key: `class-${label}`,
      title: name,
      heading: `Class ${name}`,
      about: "All training images with this label, the most suspicious first.",
      count: data.overview.counts[label],
      items: () => data.order.filter((i) => !isTest(i) && classOf(i) === label),
    })),
  ],
];
if (test.ids.length) {
  const order = data.overview.testCounts ? "By predicted class, the least sure first. " : "";
  const all = {
    key: "test",
    title: "All",
    heading: "Test images",
    about: `${order}They have no labels to correct.`,
    count: test.ids.length,
    items: () => data.order.filter(isTest),
  };
  groups.push(["Test images", [all]]);
}
const sections = new Map(groups.flatMap(([, members]) => members.map((section) => [section.key, section])));

function sectionOf(hash) {
  const cell = /^cell-(\d+)-(\d+)$/.exec(hash);
  if (cell) {
    const [given, predicted] = [Number(cell[1]), Number(cell[2])];
    if (given < names.length && predicted < names.length) {
      return {
        key: "confusion",
        heading: `Given ${names[given]}, predicted ${names[predicted]}`,
        about: "The least probable labels first.",
        items: () => cellItems(given, predicted),
      };
    }
  }
  return sections.get(hash) ?? sections.get("overview");
}

// ---- The grid of images: only the rows that can be seen are in the page

const main = $("main");
const OVERSCAN = 3; // rows above and below
const hasLongNames = names.some((name) => name.length > 3); // given and proposed do not fit one line
const grid = {
  items: [],
  extra: [],
  columns: 1,
  tileWidth: 1,
  tileHeight: 1,
  live: new Map(),
  element: null,
};
let selected = -1;

function layGrid() {
  const scale = scaleFor(Number($("zoom").value));
  grid.scale = scale;
  grid.tileWidth = Math.max(grid.extra.length ? 124 : 104, Math.ceil(width * scale) + 12);
  grid.tileHeight = Math.ceil(height * scale) + 52 + (grid.extra.length ? 16 : 0) + (hasLongNames ? 16 : 0);
  if (grid.step === 2) grid.tileWidth += 8; // room between pairs
  const room = grid.element.clientWidth;
  const fitting = Math.max(1, Math.floor(room / grid.tileWidth));
  grid.columns = Math.max(grid.step, fitting - (fitting % grid.step));
  if (grid.items.length > grid.columns)
    grid.tileWidth = Math.max(grid.tileWidth, Math.floor(room / grid.columns));
  grid.element.style.height = `${Math.ceil(grid.items.length / grid.columns) * grid.tileHeight}px`;
  grid.element.setAttribute("aria-rowcount", Math.ceil(grid.items.length / grid.columns));
  grid.element.setAttribute("aria-colcount", grid.columns);
  for (const row of grid.live.values()) row.remove();
  grid.live.clear();
  drawRows();
}

function drawRows() {
  if (!grid.element) return;
  const top = main.scrollTop - grid.element.offsetTop;
  const last = Math.ceil(grid.items.length / grid.columns) - 1;
  const from = Math.max(0, Math.floor(top / grid.tileHeight) - OVERSCAN);
  const to = Math.min(last, Math.floor((top + main.clientHeight) / grid.tileHeight) + OVERSCAN);
  for (const [row, element] of grid.live) {
    if (row < from || row > to) {
      element.remove();
      grid.live.delete(row);
    }
  }
  for (let row = from; row <= to; row++) {
    if (grid.live.has(row)) continue;
    const element = el("div", { role: "row", className: "row", "aria-rowindex": row + 1 });
    element.style.transform = `translateY(${row * grid.tileHeight}px)`;
    const end = Math.min(grid.items.length, (row + 1) * grid.columns);
    for (let k = row * grid.columns; k < end; k++) element.append(makeTile(k));
    grid.live.set(row, element);
    grid.element.append(element);
  }
}

function makeTile(k) {
  const i = grid.items[k];
  const picture = el("div", { className: "picture" });
  setPicture(picture, i, grid.scale);
  const given = isTest(i) ? "" : givenOf(i);
  const proposed = proposedNameOf(i);
  const differ = !isTest(i) && proposed && proposed !== given;
  const labels = el("div", { className: differ ? "labels differ" : "labels" });
  if (given) labels.append(el("span", { className: "given", textContent: given, title: `given ${given}` }));
  if (proposed && (differ || isTest(i))) {
    labels.append(
      "→",
      el("span", { className: "proposed", textContent: proposed, title: `proposed ${proposed}` }),
    );
  }
  labels.append(el("span", { className: "p", textContent: percent(proposed ? pProposedOf(i) : -1) }));
  const tile = el(
    "div",
    { role: "gridcell", className: "tile", tabIndex: -1, "data-k": k },
    picture,
    el(
      "div",
      { className: "line" },
      linkTo(i, -1),
      el("span", { className: "split", textContent: splitOf(i) }),
    ),
    labels,
    grid.extra.length
      ? el("div", { className: "extra", textContent: grid.extra[k], title: grid.extra[k] })
      : null,
    el("span", { className: "mark" }),
  );
  tile.style.width = `${grid.tileWidth - (grid.step === 2 ? 16 : 8)}px`;
  tile.style.height = `${grid.tileHeight - 8}px`;
  paintTile(tile, i, k);
  return tile;
}

/** What stands now: the label that is given, or that the row is dropped. */
const standing = (i) => (train.given[i] < 0 ? DROP : names[train.given[i]]);

function givenOf(i) {
  return train.given[i] < 0 ? `${names[train.was[i]]}, dropped` : names[train.given[i]];
}

/** What changes while one looks: the decision and the selection. */
function paintTile(tile, i, k) {
  const now = decisionOf(i);
  tile.classList.toggle("decided", now !== null);
  tile.classList.toggle("dropped", now === DROP);
  tile.querySelector(".mark").textContent = now === null ? "" : wordOf(now);
  tile.classList.toggle("selected", k === selected);
  tile.setAttribute("aria-selected", k === selected);
  tile.tabIndex = k === selected ? 0 : -1;
  const given = isTest(i) ? "" : `, given ${givenOf(i)}`;
  const proposed = proposedOf(i) < 0 ? "" : `, proposed ${proposedNameOf(i)} ${percent(pProposedOf(i))}`;
  const decided = now === null ? "" : `, decided ${wordOf(now)}`;
  tile.setAttribute("aria-label", `${fileOf(i)}${given}${proposed}, ${splitOf(i)}${decided}`);
}

function repaint() {
  for (const row of grid.live.values()) {
    for (const tile of row.children) paintTile(tile, grid.items[tile.dataset.k], Number(tile.dataset.k));
  }
}

function select(k, focus = true) {
  if (!grid.items.length) return;
  selected = Math.min(Math.max(k, 0), grid.items.length - 1);
  const top = grid.element.offsetTop + Math.floor(selected / grid.columns) * grid.tileHeight;
  if (top < main.scrollTop + 8) main.scrollTop = selected < grid.columns ? 0 : top - 8;
  else if (top + grid.tileHeight > main.scrollTop + main.clientHeight) {
    main.scrollTop = top + grid.tileHeight - main.clientHeight;
  }
  left.set(location.hash, grid.items[selected]);
  drawRows();
  repaint();
  drawPanel();
  if (focus) grid.element.querySelector(`[data-k="${selected}"]`)?.focus({ preventScroll: true });
}

// ---- What a section shows

let section = null;
const left = new Map(); // the image that was selected in each section, by the section's address

/** Whether an image passes the filters as they are now. */
function makeFilter() {
  const [label, split, looked] = [$("filter-class").value, $("filter-split").value, $("filter-looked").value];
  return (i) => {
    if (label !== "" && classOf(i) !== Number(label)) return false;
    if (split !== "" && splitOf(i) !== split) return false;
    if (looked === "flagged") return flagged.has(i);
    return looked === "" || (looked === "decided") === (decisionOf(i) !== null);
  };
}

function filtered() {
  const all = section.items();
  const passes = makeFilter();
  const { step } = section;
  const items = [];
  const extra = [];
  for (let k = 0; k < all.length; k += step) {
    const group = all.slice(k, k + step);
    if (!group.some(passes)) continue;
    items.push(...group);
    if (section.extra) extra.push(...section.extra.slice(k, k + step));
  }
  return { items, extra, all: all.length };
}

/** Draw the section that the address names, from its beginning, or from the image that was selected. */
function show(keep = null, focus = keep !== null) {
  section = { step: 1, ...sectionOf(location.hash.slice(1)) };
  $("title").textContent = section.heading ?? section.title;
  for (const link of $("sections").querySelectorAll("a")) {
    const here = link.hash === `#${section.key}`;
    if (here) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  grid.live.clear();
  grid.element = null;
  selected = -1;
  $("content").replaceChildren();
  main.scrollTop = 0;
  $("filters").style.visibility = section.draw ? "hidden" : ""; // there they would change nothing
  if (section.draw) {
    $("about").textContent = section.about ?? "";
    $("panel").hidden = true;
    $("content").append(section.draw());
    // Else nothing has the focus, and no key scrolls.
    if (document.activeElement === document.body) main.focus({ preventScroll: true });
    return;
  }
  const { items, extra, all } = filtered();
  const { step } = section;
  const shown =
    items.length === all ? number(all / step) : `${number(items.length / step)} of ${number(all / step)}`;
  $("about").textContent = `${shown} ${step === 2 ? "pairs" : "images"}. ${section.about}`;
  Object.assign(grid, { items, extra, step });
  const kinds = ["grid", hasLongNames ? "long" : "", step === 2 ? "pairs" : ""];
  grid.element = el("div", {
    role: "grid",
    className: kinds.join(" "),
    "aria-label": section.heading ?? section.title,
  });
  $("content").append(grid.element);
  $("panel").hidden = items.length === 0;
  layGrid();
  if (!items.length) {
    const why = all ? "No image passes the filters above." : "There is nothing here.";
    grid.element.replaceWith(el("p", { className: "empty", textContent: why }));
    grid.element = null;
    return;
  }
  select(Math.max(0, keep === null ? 0 : items.indexOf(keep)), focus);
}

// ---- The panel of the selected image

/** The key of each class, if there are no more than digits: a digit is the key of the class with that name. */
const KEYS = names.length <= 10 ? keysOf(names) : null;

function keysOf(classes) {
  const free = [..."0123456789"].filter((digit) => !classes.includes(digit));
  return classes.map((name) => (/^\d$/.test(name) ? name : free.shift()));
}

function drawPanel() {
  const i = grid.items[selected];
  const scale = 224 / Math.max(height, width);
  setPicture($("big"), i, scale > 1 ? Math.floor(scale) : scale);
  $("big").setAttribute("aria-label", `image ${fileOf(i)}`);
  const facts = [["id", linkTo(i, 0)]];
  // A name that is written from right to left would take numbers beside it to its other side.
  const named = (name) => el("bdi", { textContent: name });
  const model = proposedOf(i) >= 0 && [named(proposedNameOf(i)), `  ${percent(pProposedOf(i))}`];
  if (isTest(i)) {
    if (model) facts.push(["predicted", ...model]);
  } else {
    const dropped = train.given[i] < 0 ? ", dropped" : "";
    facts.push(["given", named(names[classOf(i)]), `${dropped}  ${percent(train.pGiven[i])}`]);
    if (train.given[i] !== train.was[i]) facts.push(["in the CSV", names[train.was[i]]]);
    if (model) facts.push(["proposed", ...model]);
    if (train.margin[i] !== null) facts.push(["margin", (train.margin[i] / 10000).toFixed(3)]);
    if (flagged.has(i)) facts.push(["flagged", "yes"]);
  }
  if (grid.extra.length) facts.push(["found", grid.extra[selected]]);
  facts.push(["split", splitOf(i)], ["place", `${number(selected + 1)} of ${number(grid.items.length)}`]);
  $("facts").replaceChildren(
    ...facts.flatMap(([name, ...value]) => [el("dt", { textContent: name }), el("dd", {}, ...value)]),
  );
  const now = decisionOf(i);
  const note = isTest(i) ? "" : inFile.get(train.ids[i])?.note;
  const word = [DROP, OK].includes(now) ? [now] : ["→ ", named(now)];
  const decided = ["Decided: ", ...word, ...(note ? [" (", named(note), ")"] : [])];
  const undecided = [isTest(i) ? NO_LABEL : "Not looked at yet."];
  $("decision").replaceChildren(...(now === null ? undecided : decided));
  $("decision").className = now === null ? "" : "decided";
  for (const button of $("keys").children) {
    button.disabled = isTest(i);
    button.setAttribute("aria-pressed", now !== null && now === button.dataset.now);
  }
  const k = voteOf.get(i);
  $("votes").replaceChildren();
  if (k !== undefined && data.models.each.length > 1) {
    const lines = data.models.each.map(({ name, label, p }) =>
      el(
        "tr",
        { className: label[k] === train.given[i] ? "" : "differ" },
        el("th", { scope: "row", textContent: name, title: name }),
        el("td", { textContent: names[label[k]] }),
        numberCell(percent(p[k])),
      ),
    );
    $("votes").append(el("h3", { textContent: "Models" }), el("table", {}, ...lines));
  }
}

function makeKeys() {
  const button = (key, text, now, act) =>
    el(
      "button",
      { type: "button", "data-now": now, title: `${text} (${key})`, onclick: act },
      el("kbd", { textContent: key }),
      ` ${text}`,
    );
  const classes = KEYS
    ? names.map((name, label) => {
        const made = button(KEYS[label], KEYS[label] === name ? "" : name, name, () => decide(name));
        made.setAttribute("aria-label", `It is ${name}`);
        return made;
      })
    : [button("r", "choose its class…", "", choose)];
  $("keys").append(
    ...classes,
    button("k", "it is right", OK, agree),
    button("x", "drop", DROP, () => decide(DROP)),
  );
  $("keys").classList.toggle("list", KEYS === null);
  $("keys").classList.toggle("short", KEYS !== null && KEYS.every((key, label) => key === names[label]));
  const help = [
    KEYS
      ? [KEYS.length > 1 ? `${KEYS[0]} … ${KEYS.at(-1)}` : KEYS[0], "relabel: the class with that key"]
      : ["r", "relabel: choose the class from a list"],
    ["k", "it is right as it is"],
    ["x", "drop the row: no model sees it"],
    ["u", "undo the last decision"],
    ["← → ↑ ↓", "move; Page Up, Page Down, Home and End go further"],
    ["Enter", KEYS ? "choose the class from a list" : "as r"],
    ["?", "this list"],
  ];
  $("help-keys").replaceChildren(
    ...help.map(([key, text]) =>
      el("tr", {}, el("th", {}, el("kbd", { textContent: key })), el("td", { textContent: text })),
    ),
  );
}

// ---- Deciding

const NO_LABEL = "Test images have no label to correct.";
let hiding = 0;

function toast(text) {
  $("toast").textContent = text;
  $("toast").classList.add("shown");
  clearTimeout(hiding);
  hiding = setTimeout(() => $("toast").classList.remove("shown"), 3000);
}

function decide(now) {
  const i = grid.items[selected];
  if (i === undefined) return;
  if (isTest(i)) return toast(NO_LABEL);
  if (missing) return toast("Pictures are missing: reload this page.");
  const decision = now === names[train.was[i]] ? OK : now;
  store.decide(train.ids[i], decision);
  toast(`${fileOf(i)}: ${wordOf(decision)}`);
  select(selected + 1);
}

/** Decide that a training row is right as it stands: an earlier correction stays. */
function agree() {
  const i = grid.items[selected];
  decide(i === undefined || isTest(i) ? OK : (decisionOf(i) ?? standing(i)));
}

function undo() {
  const undone = store.undo();
  if (undone === null) return toast("Nothing to undo.");
  const i = rowOf.get(undone.id);
  if (!undone.mine) return toast(`${fileOf(i)} was decided again elsewhere: left as it is.`);
  toast(`${fileOf(i)}: undone`);
  const k = grid.element ? grid.items.indexOf(i) : -1;
  if (k >= 0) select(k);
}

function changed() {
  const count = decidedIds().length;
  $("count").textContent = number(count);
  $("count-word").textContent = count === 1 ? "decision" : "decisions";
  const [said, of] = store.status();
  const hidden = missing && of !== "bad"; // what the server says comes first
  const [text, kind] = hidden ? ["pictures are missing: if the page was made again, reload it", "bad"] : [said, of];
  $("saved").textContent = text;
  $("saved").className = kind;
  $("saved").title = text;
  const lost = store.lost().length;
  $("lost").hidden = !lost;
  const [made, how, again, leave] = store.lostWords;
  const are = lost === 1 ? "is" : "are";
  $("lost-count").textContent = `${plural(lost, "decision")}${made} ${are} ${how} ${store.file}:`;
  $("lost-again").textContent = again;
  $("lost-leave").textContent = leave;
  nameFile();
  $("undo").disabled = !store.canUndo;
  $("sections").querySelector('[href="#decisions"] .count').textContent = number(count);
  if (grid.element) {
    repaint();
    if (selected >= 0) drawPanel();
  }
}

// ---- Choosing from many classes

let choices = [];
let choice = 0;

function choose() {
  const i = grid.items[selected];
  if (i === undefined) return;
  if (isTest(i)) return toast(NO_LABEL);
  $("choose-text").value = "";
  drawChoices();
  $("choose-dialog").showModal();
  $("choose-text").focus();
}

function drawChoices() {
  const typed = $("choose-text").value.trim().toLowerCase();
  const i = grid.items[selected];
  const rank = (name) => (name.toLowerCase() === typed ? 0 : name.toLowerCase().startsWith(typed) ? 1 : 2);
  choices = names.filter((name) => name.toLowerCase().includes(typed));
  choices.sort((a, b) => rank(a) - rank(b));
  const proposed = proposedNameOf(i);
  if (!typed && proposedOf(i) >= 0) choices = [proposed, ...choices.filter((name) => name !== proposed)];
  $("choose-list").replaceChildren(
    ...choices.map((name, k) =>
      el("li", {
        role: "option",
        id: `choice-${k}`,
        "aria-selected": false,
        textContent: name,
        onclick: () => take(name),
      }),
    ),
  );
  $("choose-hint").textContent = choices.length
    ? "Enter takes the marked class, arrows move, Esc leaves things as they are."
    : "There is no such class. Esc leaves things as they are.";
  markChoice(0);
}

function markChoice(k) {
  const options = $("choose-list").children;
  options[choice]?.setAttribute("aria-selected", false);
  choice = Math.min(Math.max(k, 0), options.length - 1);
  options[choice]?.setAttribute("aria-selected", true);
  options[choice]?.scrollIntoView({ block: "nearest" });
  $("choose-text").setAttribute("aria-activedescendant", options[choice]?.id ?? "");
}

function take(name) {
  if (name === undefined) return; // the hint says so
  $("choose-dialog").close();
  decide(name);
}

// ---- Export

let exportsEarlier = false; // decisions for earlier data, which this browser has kept
let exportName = ""; // what the browser calls a download of what is shown

/** The file's own name, without its folders. */
const fileName = () => store.file.split("/").at(-1);

function nameFile() {
  for (const place of document.querySelectorAll(".file")) place.textContent = store.file;
  $("export").textContent = `${fileName()}…`;
  $("export").title = store.file;
}

function drawExport() {
  const saves = store.isServer && !store.unsaved;
  const chosen = document.querySelector('input[name="which"]:checked').value;
  const whole = !exportsEarlier && (saves || (!store.unsaved && chosen === "whole"));
  $("export-text").value = exportsEarlier
    ? store.lost().map(({ text }) => `${text}\n`).join("")
    : exported(whole);
  exportName = whole ? fileName() : fileName().replace(/(\.csv)?$/i, "-to-add.csv");
  $("download").textContent = `Download ${exportName}`;
  $("export-choice").hidden = Boolean(store.isServer) || exportsEarlier;
  $("download").hidden = saves;
  $("export-about").textContent = saves
    ? `The server writes every decision into ${store.file} at once. These are its lines, to copy from.`
    : exportsEarlier
      ? `Decisions that were made on this page before the data changed. Add the lines to ${store.file}; if their ` +
        `rows have other numbers now, the next run gives the command that follows them.`
    : whole
      ? `The file as it was when this page was made, with your decisions. It may take the place of ` +
        `${store.file} if nothing was written there since: by a run, by you, or by another page.`
      : `Decisions that are not in ${store.file}, to be added to it; an id must not have two lines there.`;
}

function showExport(earlier = false) {
  exportsEarlier = earlier;
  drawExport();
  $("export-dialog").showModal();
}

function download() {
  const address = URL.createObjectURL(new Blob([$("export-text").value], { type: "text/csv" }));
  el("a", { href: address, download: exportName }).click();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}

function copy() {
  $("export-text").select();
  document.execCommand("copy"); // the clipboard's newer interface is not there for files
  toast("Copied.");
}

// ---- Wiring

/** The key that is meant: what it writes or, on keyboards without our letters or digits, its place on others. */
function keyOf(event) {
  if (event.key.length > 1) return event.key;
  const key = event.key.toLowerCase(); // Caps Lock is no other wish
  // Every Latin letter is meant as such: the place of Dvorak's q is that of x on others.
  if (/[a-z?]/.test(key) || KEYS?.includes(key) || event.shiftKey) return key;
  return event.code.replace(/^(Key|Digit|Numpad)/, "").toLowerCase();
}

function onKey(event) {
  const key = keyOf(event);
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  if (event.target.closest("input, select, textarea")) return;
  const onControl = event.target.closest("a, button");
  const page = Math.max(1, Math.floor(main.clientHeight / grid.tileHeight) - 1) * grid.columns;
  const moves = {
    ArrowLeft: selected - 1,
    ArrowRight: selected + 1,
    ArrowUp: selected - grid.columns,
    ArrowDown: selected + grid.columns,
    PageUp: selected - page,
    PageDown: selected + page,
    Home: 0,
    End: grid.items.length - 1,
  };
  const label = KEYS ? KEYS.indexOf(key) : -1;
  // A key held down acts on one image, not on all that follow.
  if (event.repeat && (label >= 0 || ["u", "x", "k", "r", "Enter"].includes(key))) event.preventDefault();
  else if (key === "u") undo();
  else if (key === "?") $("help-dialog").showModal();
  else if (!grid.element) return;
  else if (key in moves) {
    const to = moves[key];
    const inside = to >= 0 && to < grid.items.length;
    if (inside || !key.startsWith("Arrow")) select(to);
  } else if (label >= 0) decide(names[label]);
  else if (key === "x") decide(DROP);
  else if (key === "k") agree();
  else if (key === "r" || (key === "Enter" && !onControl)) choose();
  else return;
  event.preventDefault();
}

function wire() {
  for (const [heading, members] of groups) {
    if (heading) $("sections").append(el("li", { className: "heading", textContent: heading }));
    for (const { key, title, count } of members) {
      const text = count === undefined ? "" : number(count);
      const link = el(
        "a",
        { href: `#${key}`, title },
        el("span", { className: "name", textContent: title }),
        el("span", { className: "count", textContent: text }),
      );
      $("sections").append(el("li", {}, link));
    }
  }
  names.forEach((name, label) => $("filter-class").append(el("option", { value: label, textContent: name })));
  [...data.splits, ...(test.ids.length ? ["test"] : [])].forEach((split) =>
    $("filter-split").append(el("option", { value: split, textContent: split })),
  );
  makeKeys();
  // Who chooses by keys goes on choosing; who has clicked wants to go on with the images.
  let byKeys = false;
  $("filters").addEventListener("keydown", () => (byKeys = true));
  $("filters").addEventListener("mousedown", () => (byKeys = false));
  const again = () => show(grid.items[selected] ?? null, !byKeys);
  $("filters").addEventListener("change", again);
  $("filters").addEventListener("submit", (event) => event.preventDefault());
  window.addEventListener("hashchange", () => show(left.get(location.hash) ?? null, false));
  main.addEventListener("scroll", drawRows, { passive: true });
  let known = 0;
  new ResizeObserver(() => {
    if (grid.element && main.clientWidth !== known) {
      layGrid();
      select(selected, false);
    }
    known = main.clientWidth;
  }).observe(main);
  $("content").addEventListener("click", (event) => {
    const tile = event.target.closest(".tile");
    if (tile && !event.target.closest("a")) select(Number(tile.dataset.k));
  });
  document.addEventListener("keydown", onKey);
  $("undo").addEventListener("click", undo);
  $("lost-again").addEventListener("click", () => store.settleLost(true));
  $("lost-leave").addEventListener("click", () => store.settleLost(false));
  $("export").addEventListener("click", () => showExport());
  $("export-choice").addEventListener("change", drawExport);
  // Lines to add lose nothing that was written into the file since; where there was none, all is one file.
  if (data.correctionsText) document.querySelector('input[name="which"][value="new"]').checked = true;
  $("download").addEventListener("click", download);
  $("copy").addEventListener("click", copy);
  $("help").addEventListener("click", () => $("help-dialog").showModal());
  for (const button of document.querySelectorAll("dialog .close")) {
    button.addEventListener("click", () => button.closest("dialog").close());
  }
  $("choose-text").addEventListener("input", drawChoices);
  $("choose-text").addEventListener("keydown", (event) => {
    // Of several keys that make one character. The Enter that ends them comes in Safari after the end, as 229.
    if (event.isComposing || event.keyCode === 229) return;
    if (event.key === "ArrowDown") markChoice(choice + 1);
    else if (event.key === "ArrowUp") markChoice(choice - 1);
    else if (event.key !== "Enter") return;
    else if (!event.repeat) take(choices[choice]);
    event.preventDefault();
  });
}

async function start() {
  wire();
  store = await openStore(() => changed());
  show();
  changed();
  document.body.dataset.ready = "yes";
}

start();
