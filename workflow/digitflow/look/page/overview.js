// The sections that show no list of images: the overview and the confusion matrix.
"use strict";

const numberCell = (textContent) => el("td", { className: "number", textContent });
const headCell = (textContent) => el("th", { scope: "col", textContent });

function drawOverview() {
  const decided = data.corrections.length;
  const facts = [
    plural(rows, "training image"),
    test.ids.length ? plural(test.ids.length, "test image") : null,
    plural(names.length, "class").replace("classs", "classes"),
    flagged.size ? `${number(flagged.size)} flagged` : null,
    decided ? `${plural(decided, "line")} in ${data.correctionsFile} when this page was made` : null,
  ].filter((fact) => fact !== null);
  const first = sections.has("suspects") ? "suspects" : "random";
  const children = [
    el("p", { className: "facts", textContent: facts.join(" · ") }),
    el("p", {}, el("a", { className: "start", href: `#${first}`, textContent: "Start looking" })),
    drawClasses(),
    drawHistograms(),
    drawMissing(),
  ];
  return el("div", { className: "overview" }, ...children);
}

function drawClasses() {
  const { counts, testCounts, means, columns, rows: down } = data.overview;
  const most = Math.max(...counts, 1);
  const shares = [counts, testCounts].filter(Boolean).map(sharesOf);
  const scale = scaleFor(56);
  const body = names.map((name, label) => {
    const pictures = [label, names.length + label].map((slot, kind) => {
      const picture = el("div", {
        className: "picture",
        role: "img",
        "aria-label": `${kind ? "variance" : "mean"} of ${name}`,
      });
      setCell(picture, [means, columns, down], slot, scale);
      return el("td", {}, picture);
    });
    const bar = el("div", { className: "bar" });
    bar.style.width = `${(100 * counts[label]) / most}%`;
    return el(
      "tr",
      {},
      el("th", { scope: "row" }, el("a", { href: `#class-${label}`, textContent: name })),
      ...pictures,
      numberCell(number(counts[label])),
      ...shares.map((each) => numberCell(`${(100 * each[label]).toFixed(1)} %`)),
      el("td", { className: "bars" }, bar),
    );
  });
  const heads = ["class", "mean", "variance", "images", "share", ...(testCounts ? ["predicted in test"] : []), ""];
  return el(
    "section",
    {},
    el("h3", { textContent: "Classes" }),
    el(
      "table",
      { className: "classes" },
      el("thead", {}, el("tr", {}, ...heads.map(headCell))),
      el("tbody", {}, ...body),
    ),
  );
}

function drawHistograms() {
  const { train, test } = data.overview;
  const parts = [["training", train, "train"], ...(test ? [["test", test, "test"]] : [])];
  const key = el(
    "p",
    { className: "key" },
    ...parts.map(([name, , style]) => el("span", { className: style, textContent: name })),
  );
  const blank = parts.map(([name, { pixels }]) => `${(100 * sharesOf(pixels)[0]).toFixed(0)} % in ${name}`);
  return el(
    "section",
    {},
    el("h3", { textContent: parts.length > 1 ? "Training against test images" : "Training images" }),
    key,
    el(
      "div",
      { className: "histograms" },
      histogram("Images by their mean grey level", parts, (part) => part.ink, 4, 0),
      histogram(
        `Pixels by their grey level, without those below 8 (${blank.join(", ")})`,
        parts,
        (part) => part.pixels,
        8,
        1,
      ),
    ),
  );
}

/** Shares of each bin from the first to the last that is not empty: training filled, test as a line. */
function histogram(title, parts, binsOf, levels, first) {
  const [across, up] = [420, 130];
  const last = Math.max(first, ...parts.map(([, part]) => binsOf(part).findLastIndex((count) => count > 0)));
  const shares = parts.map(([, part]) => sharesOf(binsOf(part).slice(first, last + 1)));
  const most = Math.max(...shares.flat(), 1e-9);
  const drawn = shares.map((bins, k) => {
    const step = across / bins.length;
    const path = bins.map(
      (share, bin) =>
        `L${(bin * step).toFixed(1)} ${(up - (share / most) * up).toFixed(1)} h${step.toFixed(1)}`,
    );
    return svg("path", { class: parts[k][2], d: `M0 ${up} ${path.join(" ")} L${across} ${up}` });
  });
  const label = (x, text, anchor) => svg("text", { x, y: up + 16, "text-anchor": anchor }, text);
  const picture = svg(
    "svg",
    { viewBox: `0 -4 ${across} ${up + 24}`, role: "img", "aria-label": title },
    ...drawn,
    svg("path", { class: "axis", d: `M0 ${up} H${across}` }),
    label(0, String(first * levels), "start"),
    label(across, String((last + 1) * levels - 1), "end"),
  );
  return el("figure", {}, picture, el("figcaption", { textContent: title }));
}

function drawMissing() {
  const missing = data.sections.filter((part) => part.missing).map((part) => `${part.title}: ${part.missing}`);
  if (!hasPredictions) missing.push("Confusion: there are no probabilities to compare the labels with");
  if (data.png === null) missing.push("Links to PNG files: there are no trees of them");
  const others = data.overview.missing.filter((reason) => !missing.some((line) => line.endsWith(reason)));
  const lines = [...others, ...missing];
  if (!lines.length) return null;
  return el(
    "section",
    { className: "missing" },
    el("h3", { textContent: "Not on this page" }),
    el("ul", {}, ...lines.map((line) => el("li", { textContent: line }))),
  );
}

const MOST_CLASSES = 100; // of a matrix that somebody can read
const MOST_CONFUSIONS = 200; // that are listed in its place

/** How often each label was predicted for each one that is given: [given, predicted, images], the most first. */
function countConfusions() {
  const counts = new Map();
  for (let i = 0; i < rows; i++) {
    const [given, predicted] = [train.given[i], train.predicted[i]];
    if (given < 0 || predicted < 0) continue;
    const cell = given * names.length + predicted;
    counts.set(cell, (counts.get(cell) ?? 0) + 1);
  }
  const found = [...counts].sort(([a, m], [b, n]) => n - m || a - b);
  return found.map(([cell, count]) => [Math.floor(cell / names.length), cell % names.length, count]);
}

function linkToCell(given, predicted, count) {
  const title = `given ${names[given]}, predicted ${names[predicted]}: ${plural(count, "image")}`;
  return el("a", {
    href: `#cell-${given}-${predicted}`,
    textContent: number(count),
    title,
    "aria-label": title,
  });
}

function drawConfusion() {
  const cells = countConfusions();
  const mistakes = cells.filter(([given, predicted]) => given !== predicted);
  const sum = (counted) => counted.reduce((images, [, , count]) => images + count, 0);
  const differ = `${number(sum(mistakes))} of ${number(sum(cells))} differ.`;
  const asMatrix = names.length <= MOST_CLASSES;
  const listed = mistakes.slice(0, MOST_CONFUSIONS);
  const of = listed.length < mistakes.length ? ` of ${number(mistakes.length)}` : "";
  const about = asMatrix
    ? `Given in rows, predicted in columns: ${differ} A cell opens its images.`
    : `Given and predicted labels: ${differ} ${number(listed.length)}${of} pairs of classes, the most frequent first.`;
  return el(
    "div",
    { className: "confusion" },
    el("p", { textContent: about }),
    el("div", { className: "wide" }, asMatrix ? confusionMatrix(cells) : confusionList(listed)),
  );
}

function confusionMatrix(cells) {
  const most = Math.max(1, ...cells.map(([given, predicted, count]) => (given === predicted ? 0 : count)));
  const head = el(
    "tr",
    {},
    el("td", {}),
    ...names.map((name) => el("th", { scope: "col", textContent: name, title: name })),
  );
  const body = names.map((_, given) =>
    names.map((_, predicted) => el("td", { className: given === predicted ? "right" : "" })),
  );
  for (const [given, predicted, count] of cells) {
    const cell = body[given][predicted];
    cell.append(linkToCell(given, predicted, count));
    if (given !== predicted)
      cell.style.setProperty("--share", `${Math.round(10 + 90 * Math.sqrt(count / most))}%`);
  }
  const lines = body.map((line, given) =>
    el("tr", {}, el("th", { scope: "row", textContent: names[given], title: names[given] }), ...line),
  );
  return el("table", {}, el("thead", {}, head), el("tbody", {}, ...lines));
}

function confusionList(listed) {
  const heads = ["given", "predicted", "images"].map(headCell);
  const lines = listed.map(([given, predicted, count]) =>
    el(
      "tr",
      {},
      el("td", { className: "name", textContent: names[given] }),
      el("td", { className: "name", textContent: names[predicted] }),
      el("td", { className: "number" }, linkToCell(given, predicted, count)),
    ),
  );
  return el("table", { className: "list" }, el("thead", {}, el("tr", {}, ...heads)), el("tbody", {}, ...lines));
}
