// The page's program: plain JavaScript, with nothing to build. Texts enter the page as text nodes only.
"use strict";

(() => {
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
    return;
  }

  const number = (value) => value.toLocaleString("en");
  const plural = (count, word) => `${number(count)} ${word}${count === 1 ? "" : "s"}`;
  const percent = (parts) => (parts < 0 ? "" : `${(parts / 100).toFixed(parts >= 9950 || parts < 100 ? 1 : 0)} %`);

  // ---- Images: training rows are numbered from 0, test images follow them ------------------------------

  const { names, train, test } = data;
  const rows = train.ids.length;
  const total = rows + test.ids.length;
  const [height, width] = data.size;
  const isTest = (i) => i >= rows;
  const idOf = (i) => (isTest(i) ? test.ids[i - rows] : train.ids[i]);
  const rowOf = new Map(train.ids.map((id, i) => [id, i]));
  const splitOf = (i) => (isTest(i) ? "test" : data.splits[train.split[i]]);
  const proposedOf = (i) => (isTest(i) ? test.predicted[i - rows] : train.proposed[i]);
  const pProposedOf = (i) => (isTest(i) ? test.pPredicted[i - rows] : train.pProposed[i]);
  const classOf = (i) => (isTest(i) ? test.predicted[i - rows] : train.given[i] < 0 ? train.was[i] : train.given[i]);
  const crcOf = (i) => train.crc.slice(8 * i, 8 * i + 8);
  const digitsOf = (ids) => String(ids.reduce((most, id) => Math.max(most, id), 0)).length;
  const digits = { train: digitsOf(train.ids), test: digitsOf(test.ids) };
  const fileOf = (i) => `${String(idOf(i)).padStart(isTest(i) ? digits.test : digits.train, "0")}`;
  const flagged = new Set(train.flagged);
  const voteOf = new Map(data.models.rows.map((i, k) => [i, k]));

  /** The address of an image's PNG file in the tree; null where the tree has none. */
  function pngOf(i) {
    if (data.png === null || (!isTest(i) && train.given[i] < 0)) return null;
    const folder = isTest(i) ? "test" : `train/${encodeURIComponent(names[train.given[i]])}`;
    return `${data.png}/${folder}/${fileOf(i)}.png`;
  }

  const sheetOf = new Uint32Array(total);
  const slotOf = new Uint32Array(total);
  data.sheets.reduce((start, [, , , count], sheet) => {
    for (let slot = 0; slot < count; slot++) {
      sheetOf[data.order[start + slot]] = sheet;
      slotOf[data.order[start + slot]] = slot;
    }
    return start + count;
  }, 0);

  const scaleFor = (pixels) => {
    const scale = pixels / Math.max(height, width);
    return scale > 1 ? Math.round(scale) : scale;
  };

  /** Show one cell of a sheet as the background of an element. */
  function setCell(element, [file, across, down], slot, scale) {
    const [w, h] = [width * scale, height * scale];
    Object.assign(element.style, {
      width: `${w}px`,
      height: `${h}px`,
      backgroundImage: `url("page/${file}")`,
      backgroundSize: `${across * w}px ${down * h}px`,
      backgroundPosition: `${-(slot % across) * w}px ${-Math.floor(slot / across) * h}px`,
    });
  }

  const setPicture = (element, i, scale) => setCell(element, data.sheets[sheetOf[i]], slotOf[i], scale);

  // ---- Decisions: in corrections.csv, in this browser, or on their way to the server ---------------------

  const DROP = "drop";
  const OK = "ok";
  const HEADER = "id,was,now,crc,note";
  let inFile = readLines(data.corrections); // what corrections.csv says, by id
  let store = null;

  function readLines(lines) {
    return new Map(lines.map(([id, was, now, note, line]) => [id, { was, now, note, line }]));
  }

  const decisionOf = (i) => (isTest(i) ? null : store.now(train.ids[i]));

  /** Decisions kept in the browser, under the data's digest, until they are put into corrections.csv. */
  function localStore(changed) {
    const key = `digitflow-look:${data.digest}`;
    let kept = { decisions: {}, history: [] };
    let broken = false;

    function load() {
      if (broken) return;
      try {
        kept = JSON.parse(localStorage.getItem(key)) ?? kept;
      } catch {
        broken = true; // a browser that keeps nothing for this page
      }
      for (const [id, now] of Object.entries(kept.decisions)) {
        if (inFile.get(Number(id))?.now === now) delete kept.decisions[id];
      }
    }

    function save() {
      try {
        localStorage.setItem(key, JSON.stringify(kept));
      } catch {
        broken = true;
      }
      changed();
    }

    const own = (id) => kept.decisions[id] ?? null;

    function set(id, now) {
      if (now === null || inFile.get(id)?.now === now) delete kept.decisions[id];
      else kept.decisions[id] = now;
    }

    window.addEventListener("storage", (event) => {
      if (event.key === key || event.key === null) {
        if (event.newValue === null) kept = { decisions: {}, history: [] };
        load();
        changed();
      }
    });
    load();
    return {
      now: (id) => own(id) ?? inFile.get(id)?.now ?? null,
      decide(id, now) {
        load(); // another tab may have decided
        const before = own(id);
        set(id, now);
        kept.history.push([id, before, own(id)]);
        save();
      },
      undo() {
        load();
        const last = kept.history.pop();
        if (!last) return null;
        const [id, before, after] = last;
        const mine = own(id) === after;
        if (mine) set(id, before);
        save();
        return { id, mine };
      },
      added: () => Object.entries(kept.decisions).map(([id, now]) => [Number(id), now]),
      status() {
        if (broken) return ["not kept: this browser keeps nothing for files; export before you close", "bad"];
        const count = Object.keys(kept.decisions).length;
        return count ? [`${number(count)} not yet in corrections.csv`, "new"] : ["", ""];
      },
      get canUndo() {
        return kept.history.length > 0;
      },
    };
  }

  /** Decisions that a server writes into corrections.csv; they count as saved once it has said so. */
  function serverStore(api, reply, changed) {
    const POLL = 1000; // milliseconds
    const key = `digitflow-look-undo:${data.digest}`;
    const history = JSON.parse(sessionStorage.getItem(key) ?? "[]"); // this tab's own
    let pending = []; // decisions on their way, oldest first
    let version = null;
    let path = "";
    let problem = "";
    let busy = false;

    function adopt(answer) {
      inFile = readLines(answer.lines);
      ({ version, path } = answer);
    }

    const latest = (id) => {
      const waiting = pending.findLast(([other]) => other === id);
      return waiting ? waiting[1] : (inFile.get(id)?.now ?? null);
    };

    async function ask(url, options) {
      let response;
      try {
        response = await fetch(url, { cache: "no-store", ...options });
      } catch {
        throw new Error("the server does not answer; start digitflow look again, or export what is not saved");
      }
      if (response.status === 304) return null;
      const answer = await response.json();
      if (!response.ok) throw new Error(answer.error);
      return answer;
    }

    async function exchange() {
      if (busy) return;
      busy = true;
      const batch = pending.slice();
      const before = version;
      const hadProblem = problem;
      try {
        const answer = batch.length
          ? await ask(api, {
              method: "POST",
              headers: { "Content-Type": "application/json" },
              body: JSON.stringify({ digest: data.digest, decisions: batch }),
            })
          : await ask(`${api}?version=${version}`);
        pending = pending.slice(batch.length);
        if (answer) adopt(answer);
        problem = "";
      } catch (error) {
        problem = error.message;
      }
      busy = false;
      if (batch.length || version !== before || problem !== hadProblem) changed();
      if (pending.length && !problem) exchange();
    }

    function send(id, now) {
      pending.push([id, now]);
      sessionStorage.setItem(key, JSON.stringify(history));
      changed();
      exchange();
    }

    if (reply.lines) adopt(reply);
    else problem = reply.error;
    setInterval(exchange, POLL);
    document.addEventListener("visibilitychange", () => document.hidden || exchange());
    window.addEventListener("beforeunload", (event) => pending.length && event.preventDefault());
    return {
      now: latest,
      decide(id, now) {
        history.push([id, latest(id), now]);
        send(id, now);
      },
      undo() {
        const last = history.pop();
        if (!last) return null;
        const [id, before, after] = last;
        const mine = latest(id) === after;
        if (mine) send(id, before);
        else sessionStorage.setItem(key, JSON.stringify(history));
        changed();
        return { id, mine };
      },
      added: () => [...new Map(pending)].filter(([, now]) => now !== null),
      status() {
        if (problem) return [`${pending.length ? `${number(pending.length)} NOT SAVED: ` : ""}${problem}`, "bad"];
        if (pending.length) return ["saving…", "new"];
        return [`${history.length || inFile.size ? "saved in" : "saves into"} ${path}`, "good"];
      },
      get canUndo() {
        return history.length > 0;
      },
      isServer: true,
    };
  }

  async function openStore(changed) {
    if (location.protocol.startsWith("http")) {
      const api = `/${location.pathname.split("/")[1]}/api/corrections`;
      const response = await fetch(api, { cache: "no-store" }).catch(() => null);
      const answer = await response?.json().catch(() => null); // another server knows nothing of decisions
      if (answer?.lines || answer?.error) return serverStore(api, answer, changed);
    }
    return localStore(changed);
  }

  const wordOf = (now) => (now === DROP ? "drop" : now === OK ? "ok" : `→ ${now}`);

  // ---- Sections --------------------------------------------------------------------------------------

  const byClass = (label, part) => () => data.order.filter((i) => isTest(i) === part && classOf(i) === label);

  function cellItems(given, predicted) {
    const items = [];
    for (let i = 0; i < rows; i++) if (train.given[i] === given && train.predicted[i] === predicted) items.push(i);
    return items.sort((a, b) => train.pGiven[a] - train.pGiven[b]);
  }

  const decidedItems = () => {
    const ids = new Set([...inFile.keys(), ...store.added().map(([id]) => id)]);
    return [...ids].map((id) => rowOf.get(id)).filter((i) => i !== undefined && decisionOf(i) !== null);
  };

  const lists = data.sections.filter((section) => section.items);
  const hasPredictions = train.predicted.some((label) => label >= 0);

  /** The sections in the order of the list on the left: each draws itself, or has items. */
  const groups = [
    ["", [{ key: "overview", title: "Overview", draw: drawOverview }]],
    [
      "Find",
      [
        ...lists.filter(({ key }) => key !== "random").map(listSection),
        ...(hasPredictions ? [{ key: "confusion", title: "Confusion", draw: drawConfusion }] : []),
        ...lists.filter(({ key }) => key === "random").map(listSection),
      ],
    ],
    ["Decided", [{ key: "decisions", title: "Decisions", items: decidedItems, about: "What corrections.csv says, and what you decided." }]],
    [
      "Training images",
      names.map((name, label) => ({
        key: `class-${label}`,
        title: name,
        heading: `Class ${name}`,
        about: "All training images with this label, the most suspicious first.",
        count: data.overview.counts[label],
        items: byClass(label, false),
      })),
    ],
    ...(test.ids.length
      ? [
          [
            "Test images",
            [
              {
                key: "test",
                title: "All",
                heading: "Test images",
                about: hasTestClasses() ? "By predicted class, the least sure first. They have no labels to correct." : "They have no labels to correct.",
                count: test.ids.length,
                items: () => data.order.filter(isTest),
              },
            ],
          ],
        ]
      : []),
  ];
  const sections = new Map(groups.flatMap(([, members]) => members.map((section) => [section.key, section])));

  function hasTestClasses() {
    return data.overview.testCounts !== null;
  }

  function listSection(section) {
    return { ...section, items: () => section.items, count: section.items.length / (section.step ?? 1) };
  }

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

  // ---- The grid of images: only the rows that can be seen are in the page ---------------------------------

  const main = $("main");
  const OVERSCAN = 3; // rows above and below
  const hasLongNames = names.some((name) => name.length > 3); // given and proposed do not fit one line
  const grid = { items: [], extra: [], columns: 1, tileWidth: 1, tileHeight: 1, live: new Map(), element: null };
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
    if (grid.items.length > grid.columns) grid.tileWidth = Math.max(grid.tileWidth, Math.floor(room / grid.columns));
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
    const address = pngOf(i);
    const id = fileOf(i);
    const given = isTest(i) ? "" : givenOf(i);
    const proposed = proposedOf(i) < 0 ? "" : names[proposedOf(i)];
    const differ = !isTest(i) && proposed && proposed !== given;
    const labels = el("div", { className: differ ? "labels differ" : "labels" });
    if (given) labels.append(el("span", { className: "given", textContent: given, title: `given ${given}` }));
    if (proposed && (differ || isTest(i))) {
      labels.append("→", el("span", { className: "proposed", textContent: proposed, title: `proposed ${proposed}` }));
    }
    labels.append(el("span", { className: "p", textContent: percent(proposed ? pProposedOf(i) : -1) }));
    const tile = el(
      "div",
      { role: "gridcell", className: "tile", tabIndex: -1, "data-k": k },
      picture,
      el(
        "div",
        { className: "line" },
        address ? el("a", { href: address, textContent: id, tabIndex: -1, target: "_blank" }) : el("span", { textContent: id }),
        el("span", { className: "split", textContent: splitOf(i) }),
      ),
      labels,
      grid.extra.length ? el("div", { className: "extra", textContent: grid.extra[k], title: grid.extra[k] }) : null,
      el("span", { className: "mark" }),
    );
    tile.style.width = `${grid.tileWidth - (grid.step === 2 ? 16 : 8)}px`;
    tile.style.height = `${grid.tileHeight - 8}px`;
    paintTile(tile, i, k);
    return tile;
  }

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
    const proposed = proposedOf(i) < 0 ? "" : `, proposed ${names[proposedOf(i)]} ${percent(pProposedOf(i))}`;
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
    drawRows();
    repaint();
    drawPanel();
    if (focus) grid.element.querySelector(`[data-k="${selected}"]`)?.focus({ preventScroll: true });
  }

  // ---- What a section shows -------------------------------------------------------------------------------

  let section = null;

  /** Whether an image passes the filters as they are now. */
  function makeFilter() {
    const [label, split, looked] = [$("filter-class").value, $("filter-split").value, $("filter-looked").value];
    return (i) => {
      if (label !== "" && classOf(i) !== Number(label)) return false;
      if (split !== "" && splitOf(i) !== split) return false;
      if (looked === "flagged") return !isTest(i) && flagged.has(i);
      return looked === "" || (looked === "decided") === (decisionOf(i) !== null);
    };
  }

  function filtered() {
    const all = section.items();
    const passes = makeFilter();
    const step = section.step ?? 1;
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
    section = sectionOf(location.hash.slice(1));
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
    if (section.draw) {
      $("about").textContent = section.about ?? "";
      $("panel").hidden = true;
      $("content").append(section.draw());
      return;
    }
    const { items, extra, all } = filtered();
    const step = section.step ?? 1;
    const shown = items.length === all ? number(all / step) : `${number(items.length / step)} of ${number(all / step)}`;
    $("about").textContent = `${shown} ${step === 2 ? "pairs" : "images"}. ${section.about}`;
    Object.assign(grid, { items, extra, step });
    const kinds = ["grid", hasLongNames ? "long" : "", step === 2 ? "pairs" : ""];
    grid.element = el("div", { role: "grid", className: kinds.join(" "), "aria-label": section.heading ?? section.title });
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

  // ---- Overview and confusion -----------------------------------------------------------------------------

  function drawOverview() {
    const { counts, testCounts } = data.overview;
    const decided = data.corrections.length;
    const facts = [
      plural(rows, "training image"),
      test.ids.length ? plural(test.ids.length, "test image") : null,
      plural(names.length, "class").replace("classs", "classes"),
      flagged.size ? `${number(flagged.size)} flagged` : null,
      decided ? `${plural(decided, "line")} in corrections.csv when this page was made` : null,
    ].filter((fact) => fact !== null);
    const start = sections.has("suspects") ? "suspects" : "random";
    const children = [
      el("p", { className: "facts", textContent: facts.join(" · ") }),
      el("p", {}, el("a", { className: "start", href: `#${start}`, textContent: "Start looking" })),
      drawClasses(counts, testCounts),
      drawHistograms(),
      drawMissing(),
    ];
    return el("div", { className: "overview" }, ...children);
  }

  function drawClasses(counts, testCounts) {
    const { columns, rows: down } = data.overview;
    const most = Math.max(...counts, 1);
    const share = (all, label) => all[label] / Math.max(1, all.reduce((sum, count) => sum + count, 0));
    const scale = scaleFor(56);
    const body = names.map((name, label) => {
      const pictures = [label, names.length + label].map((slot, kind) => {
        const picture = el("div", { className: "picture", role: "img", "aria-label": `${kind ? "variance" : "mean"} of ${name}` });
        setCell(picture, ["means.png", columns, down], slot, scale);
        return el("td", {}, picture);
      });
      const bar = el("div", { className: "bar" });
      bar.style.width = `${(100 * counts[label]) / most}%`;
      return el(
        "tr",
        {},
        el("th", { scope: "row" }, el("a", { href: `#class-${label}`, textContent: name })),
        ...pictures,
        el("td", { className: "number", textContent: number(counts[label]) }),
        el("td", { className: "number", textContent: `${(100 * share(counts, label)).toFixed(1)} %` }),
        testCounts ? el("td", { className: "number", textContent: `${(100 * share(testCounts, label)).toFixed(1)} %` }) : null,
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
        el("thead", {}, el("tr", {}, ...heads.map((text) => el("th", { scope: "col", textContent: text })))),
        el("tbody", {}, ...body),
      ),
    );
  }

  function drawHistograms() {
    const parts = [["training", data.overview.train, "train"], ...(data.overview.test ? [["test", data.overview.test, "test"]] : [])];
    const key = el("p", { className: "key" }, ...parts.map(([name, , style]) => el("span", { className: style, textContent: name })));
    const blank = parts.map(([name, { pixels }]) => `${((100 * pixels[0]) / pixels.reduce((a, b) => a + b, 1e-9)).toFixed(0)} % in ${name}`);
    return el(
      "section",
      {},
      el("h3", { textContent: parts.length > 1 ? "Training against test images" : "Training images" }),
      key,
      el(
        "div",
        { className: "histograms" },
        histogram("Images by their mean grey level", parts, (part) => part.ink, 4, 0),
        histogram(`Pixels by their grey level, without those below 8 (${blank.join(", ")})`, parts, (part) => part.pixels, 8, 1),
      ),
    );
  }

  /** Shares of each bin from the first to the last that is not empty: training filled, test as a line. */
  function histogram(title, parts, binsOf, levels, first) {
    const [across, up] = [420, 130];
    const last = Math.max(first, ...parts.map(([, part]) => binsOf(part).findLastIndex((count) => count > 0)));
    const shares = parts.map(([, part]) => {
      const bins = binsOf(part).slice(first, last + 1);
      const sum = bins.reduce((a, b) => a + b, 0) || 1;
      return bins.map((count) => count / sum);
    });
    const most = Math.max(...shares.flat(), 1e-9);
    const drawn = shares.map((bins, k) => {
      const step = across / bins.length;
      const path = bins.map((share, bin) => `L${(bin * step).toFixed(1)} ${(up - (share / most) * up).toFixed(1)} h${step.toFixed(1)}`);
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

  function drawConfusion() {
    const matrix = names.map(() => new Array(names.length).fill(0));
    let right = 0;
    let all = 0;
    for (let i = 0; i < rows; i++) {
      const [given, predicted] = [train.given[i], train.predicted[i]];
      if (given < 0 || predicted < 0) continue;
      matrix[given][predicted] += 1;
      all += 1;
      right += given === predicted;
    }
    const most = Math.max(1, ...matrix.flatMap((counts, given) => counts.filter((_, predicted) => predicted !== given)));
    const head = el("tr", {}, el("td", {}), ...names.map((name) => el("th", { scope: "col", textContent: name, title: name })));
    const body = matrix.map((counts, given) =>
      el(
        "tr",
        {},
        el("th", { scope: "row", textContent: names[given], title: names[given] }),
        ...counts.map((count, predicted) => {
          const cell = el("td", { className: given === predicted ? "right" : "" });
          if (!count) return cell;
          const title = `given ${names[given]}, predicted ${names[predicted]}: ${plural(count, "image")}`;
          cell.append(el("a", { href: `#cell-${given}-${predicted}`, textContent: number(count), title, "aria-label": title }));
          if (given !== predicted) cell.style.setProperty("--share", `${Math.round(8 + 72 * Math.sqrt(count / most))}%`);
          return cell;
        }),
      ),
    );
    return el(
      "div",
      { className: "confusion" },
      el("p", {
        textContent: `Rows are the labels given, columns those predicted: ${number(all - right)} of ${number(all)} differ. A cell opens its images.`,
      }),
      el("div", { className: "wide" }, el("table", {}, el("thead", {}, head), el("tbody", {}, ...body))),
    );
  }

  // ---- The panel of the selected image ---------------------------------------------------------------------

  const KEYS = names.length <= 10 ? names.map((name, label) => (names.every((one) => /^\d$/.test(one)) ? name : String(label))) : null;

  function drawPanel() {
    const i = grid.items[selected];
    setPicture($("big"), i, Math.max(1, Math.floor(224 / Math.max(height, width))) || 1);
    $("big").setAttribute("aria-label", `image ${fileOf(i)}`);
    const address = pngOf(i);
    const facts = [["id", address ? el("a", { href: address, textContent: fileOf(i), target: "_blank" }) : fileOf(i)]];
    const model = proposedOf(i) < 0 ? "" : names[proposedOf(i)];
    if (isTest(i)) {
      if (model) facts.push(["predicted", `${model}  ${percent(pProposedOf(i))}`]);
    } else {
      facts.push(["given", `${givenOf(i)}  ${percent(train.pGiven[i])}`]);
      if (train.given[i] !== train.was[i]) facts.push(["in the CSV", names[train.was[i]]]);
      if (model) facts.push(["proposed", `${model}  ${percent(pProposedOf(i))}`]);
      if (train.margin[i] !== -1) facts.push(["margin", (train.margin[i] / 10000).toFixed(3)]);
      if (flagged.has(i)) facts.push(["flagged", "yes"]);
    }
    if (grid.extra.length) facts.push(["found", grid.extra[selected]]);
    facts.push(["split", splitOf(i)], ["place", `${number(selected + 1)} of ${number(grid.items.length)}`]);
    $("facts").replaceChildren(...facts.flatMap(([name, value]) => [el("dt", { textContent: name }), el("dd", {}, value)]));
    const now = decisionOf(i);
    const note = isTest(i) ? "" : inFile.get(train.ids[i])?.note;
    $("decision").textContent = isTest(i) ? "Test images have no label to correct." : now === null ? "Not looked at yet." : `Decided: ${wordOf(now)}${note ? ` (${note})` : ""}`;
    $("decision").className = now === null ? "" : "decided";
    for (const button of $("keys").children) {
      button.disabled = isTest(i);
      button.setAttribute("aria-pressed", now !== null && now === button.dataset.now);
    }
    const k = isTest(i) ? undefined : voteOf.get(i);
    $("votes").replaceChildren();
    if (k !== undefined && data.models.each.length > 1) {
      const lines = data.models.each.map(({ name, label, p }) =>
        el(
          "tr",
          { className: label[k] === train.given[i] ? "" : "differ" },
          el("th", { scope: "row", textContent: name, title: name }),
          el("td", { textContent: names[label[k]] }),
          el("td", { className: "number", textContent: percent(p[k]) }),
        ),
      );
      $("votes").append(el("h3", { textContent: "Models" }), el("table", {}, ...lines));
    }
  }

  function makeKeys() {
    const button = (key, text, now, act) =>
      el("button", { type: "button", "data-now": now, title: `${text} (${key})`, onclick: act }, el("kbd", { textContent: key }), ` ${text}`);
    const classes = KEYS
      ? names.map((name, label) => {
          const made = button(KEYS[label], KEYS[label] === name ? "" : name, name, () => decide(name));
          made.setAttribute("aria-label", `It is ${name}`);
          return made;
        })
      : [button("r", "choose its class…", "", choose)];
    $("keys").append(...classes, button("k", "it is right", OK, () => decide(OK)), button("x", "drop", DROP, () => decide(DROP)));
    $("keys").classList.toggle("list", KEYS === null);
    $("keys").classList.toggle("short", KEYS !== null && KEYS.every((key, label) => key === names[label]));
    const help = [
      KEYS ? [KEYS.length > 1 ? `${KEYS[0]} … ${KEYS.at(-1)}` : KEYS[0], "relabel: the class with that key"] : ["r", "relabel: choose the class from a list"],
      ["k", "it is right as it is"],
      ["x", "drop the row: no model sees it"],
      ["u", "undo the last decision"],
      ["← → ↑ ↓", "move; Page Up, Page Down, Home and End go further"],
      ["Enter", KEYS ? "choose the class from a list" : "as r"],
      ["?", "this list"],
    ];
    $("help-keys").replaceChildren(...help.map(([key, text]) => el("tr", {}, el("th", {}, el("kbd", { textContent: key })), el("td", { textContent: text }))));
  }

  // ---- Deciding ---------------------------------------------------------------------------------------------

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
    if (isTest(i)) return toast("Test images have no label to correct.");
    const decision = now === names[train.was[i]] ? OK : now;
    store.decide(train.ids[i], decision);
    toast(`${fileOf(i)}: ${wordOf(decision)}`);
    select(selected + 1);
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
    const count = new Set([...inFile.keys(), ...store.added().map(([id]) => id)]);
    for (const id of [...count]) if (store.now(id) === null) count.delete(id);
    $("count").textContent = number(count.size);
    $("count-word").textContent = count.size === 1 ? "decision" : "decisions";
    const [text, kind] = store.status();
    $("saved").textContent = text;
    $("saved").className = kind;
    $("saved").title = text;
    $("undo").disabled = !store.canUndo;
    $("sections").querySelector('[href="#decisions"] .count').textContent = number(count.size);
    if (grid.element) {
      repaint();
      if (selected >= 0) drawPanel();
    }
  }

  // ---- Choosing from many classes -----------------------------------------------------------------------------

  let choices = [];
  let choice = 0;

  function choose() {
    const i = grid.items[selected];
    if (i === undefined) return;
    if (isTest(i)) return toast("Test images have no label to correct.");
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
    const proposed = proposedOf(i) < 0 ? null : names[proposedOf(i)];
    if (!typed && proposed !== null) choices = [proposed, ...choices.filter((name) => name !== proposed)];
    choice = 0;
    $("choose-list").replaceChildren(
      ...choices.map((name, k) =>
        el("li", { role: "option", id: `choice-${k}`, "aria-selected": k === 0, textContent: name, onclick: () => take(name) }),
      ),
    );
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
    $("choose-dialog").close();
    if (name !== undefined) decide(name);
  }

  // ---- Export -------------------------------------------------------------------------------------------------

  const field = (text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

  function lineOf(id, now) {
    const i = rowOf.get(id);
    return [id, names[train.was[i]], now, crcOf(i), inFile.get(id)?.note ?? ""].map((value) => field(String(value))).join(",");
  }

  /** corrections.csv as it was when the page was made, with what was decided since; or only the latter. */
  function exported(whole) {
    const added = store.added();
    if (!whole) return added.map(([id, now]) => `${lineOf(id, now)}\n`).join("");
    if (store.isServer) {
      const ids = [...new Set([...inFile.keys(), ...added.map(([id]) => id)])];
      const decided = ids.filter((id) => rowOf.has(id) && store.now(id) !== null);
      return [HEADER, ...decided.map((id) => lineOf(id, store.now(id)))].map((line) => `${line}\n`).join("");
    }
    const lines = data.correctionsText.match(/[^\r\n]*(?:\r\n|\n|\r)|[^\r\n]+$/g) ?? [`${HEADER}\n`];
    const newline = lines[0].endsWith("\r\n") ? "\r\n" : "\n";
    if (!/[\r\n]$/.test(lines.at(-1))) lines[lines.length - 1] += newline;
    if (!lines.some((line) => /^\ufeff?\s*id\s*,\s*was\s*,/.test(line))) lines.push(HEADER + newline);
    for (const [id, now] of added) {
      const old = inFile.get(id);
      if (!old) {
        lines.push(lineOf(id, now) + newline);
        continue;
      }
      const more = old.note.match(/\r\n|\n|\r/g)?.length ?? 0; // a note in quotes may have several lines
      lines[old.line - 1] = lineOf(id, now) + newline;
      for (let k = 0; k < more; k++) lines[old.line + k] = "";
    }
    return lines.join("");
  }

  function drawExport() {
    const whole = document.querySelector('input[name="which"]:checked').value === "whole";
    $("export-text").value = exported(whole);
    $("export-choice").hidden = Boolean(store.isServer);
    $("download").hidden = Boolean(store.isServer);
    $("export-about").textContent = store.isServer
      ? "The server writes every decision into corrections.csv at once. These are its lines, to copy from."
      : whole
        ? "The file as it was when this page was made, with your decisions. Put it in the place of corrections.csv."
        : "Your decisions alone, to be added to corrections.csv; an id that has a line there must not get a second one.";
  }

  function download() {
    const address = URL.createObjectURL(new Blob([$("export-text").value], { type: "text/csv" }));
    el("a", { href: address, download: "corrections.csv" }).click();
    setTimeout(() => URL.revokeObjectURL(address), 1000);
  }

  function copy() {
    $("export-text").select();
    document.execCommand("copy"); // the clipboard's newer interface is not there for files
    toast("Copied.");
  }

  // ---- Wiring ---------------------------------------------------------------------------------------------------

  function onKey(event) {
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
    const label = KEYS ? KEYS.indexOf(event.key) : -1;
    if (event.key === "u") undo();
    else if (event.key === "?") $("help-dialog").showModal();
    else if (!grid.element) return;
    else if (event.key in moves) {
      const to = moves[event.key];
      const inside = to >= 0 && to < grid.items.length;
      if (inside || !event.key.startsWith("Arrow")) select(to);
    } else if (label >= 0) decide(names[label]);
    else if (event.key === "x") decide(DROP);
    else if (event.key === "k") decide(OK);
    else if (event.key === "r" || (event.key === "Enter" && !onControl)) choose();
    else return;
    event.preventDefault();
  }

  function wire() {
    for (const [heading, members] of groups) {
      if (heading) $("sections").append(el("li", { className: "heading", textContent: heading }));
      for (const { key, title, count } of members) {
        const text = count === undefined ? "" : number(count);
        const link = el("a", { href: `#${key}`, title }, el("span", { className: "name", textContent: title }), el("span", { className: "count", textContent: text }));
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
    for (const id of ["filter-class", "filter-split", "filter-looked"]) $(id).addEventListener("change", again);
    $("filters").addEventListener("submit", (event) => event.preventDefault());
    $("zoom").addEventListener("change", again);
    window.addEventListener("hashchange", () => show());
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
    $("export").addEventListener("click", () => {
      drawExport();
      $("export-dialog").showModal();
    });
    $("export-choice").addEventListener("change", drawExport);
    $("download").addEventListener("click", download);
    $("copy").addEventListener("click", copy);
    $("help").addEventListener("click", () => $("help-dialog").showModal());
    for (const button of document.querySelectorAll("dialog .close")) {
      button.addEventListener("click", () => button.closest("dialog").close());
    }
    $("choose-text").addEventListener("input", drawChoices);
    $("choose-text").addEventListener("keydown", (event) => {
      if (event.key === "ArrowDown") markChoice(choice + 1);
      else if (event.key === "ArrowUp") markChoice(choice - 1);
      else if (event.key === "Enter") take(choices[choice]);
      else return;
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
})();
