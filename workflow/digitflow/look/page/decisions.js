// Decisions: in the file of corrections, in this browser, or on their way to the server; and as lines of the file.
"use strict";

const DROP = "drop";
const OK = "ok";
const HEADER = "id,was,now,crc,note";
let inFile = readLines(data.corrections); // what the file of corrections says, by id
let store = null;

function readLines(lines) {
  return new Map(lines.map(([id, was, now, note, line]) => [id, { was, now, note, line }]));
}

/** The ids of all rows with a decision, in the file or made since. */
function decidedIds() {
  const ids = new Set([...inFile.keys(), ...store.added().map(([id]) => id)]);
  return [...ids].filter((id) => store.now(id) !== null);
}

const decisionOf = (i) => (isTest(i) ? null : store.now(train.ids[i]));

/** Decisions kept in the browser, under the data's digest, until they are put into the file. */
function localStore(onChange) {
  const KEPT = "digitflow-look:";
  const key = `${KEPT}${data.digest}`;
  let kept = { decisions: {}, history: [] };
  let broken = false;

  function load() {
    if (broken) return;
    try {
      kept = JSON.parse(localStorage.getItem(key)) ?? kept;
    } catch {
      broken = true; // a browser that keeps nothing for this page
    }
    const says = (id) => inFile.get(Number(id))?.now;
    const settled = Object.keys(kept.decisions).filter((id) => says(id) === kept.decisions[id]);
    if (!settled.length) return;
    // For good: if the line is taken out of the file later, the decision must not come back.
    for (const id of settled) delete kept.decisions[id];
    kept.history = kept.history.filter(([id]) => !settled.includes(String(id)));
    keep();
  }

  /** Lines of decisions that were made on this page for other data, by the keys that they are kept under. */
  function readEarlier() {
    const found = new Map();
    for (let k = 0; !broken && k < localStorage.length; k++) {
      const other = localStorage.key(k);
      if (!other.startsWith(KEPT) || other === key) continue;
      const { path, lines } = JSON.parse(localStorage.getItem(other));
      if (path !== location.pathname) continue;
      const left = lines.filter(({ now, crc }) => !data.correctionsText.includes(`,${now},${crc}`));
      if (left.length) found.set(other, left);
    }
    return found;
  }

  function keep() {
    kept.lines = Object.entries(kept.decisions).map(([id, now]) => ({
      now: field(now),
      crc: crcOf(rowOf.get(Number(id))),
      text: lineOf(Number(id), now),
    }));
    try {
      localStorage.setItem(key, JSON.stringify(kept));
    } catch {
      broken = true;
    }
  }

  function save() {
    kept.path = location.pathname;
    keep();
    onChange();
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
      onChange();
    }
  });
  load();
  const earlier = readEarlier();
  window.addEventListener("beforeunload", (event) => {
    if (broken && Object.keys(kept.decisions).length) event.preventDefault();
  });
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
      return count ? [`${number(count)} not yet in ${data.correctionsFile}`, "new"] : ["", ""];
    },
    lost: () => [...earlier.values()].flat(),
    lostWords: [" for earlier data", "not in", "Show them", "Forget them"],
    settleLost(again) {
      if (again) return showExport(true);
      if (!confirm("Forget what was decided for earlier data?")) return;
      for (const other of earlier.keys()) localStorage.removeItem(other);
      earlier.clear();
      onChange();
    },
    file: data.correctionsFile,
    get canUndo() {
      return kept.history.length > 0;
    },
  };
}

/** Decisions that a server writes into the file; they count as saved once it has said so. */
function serverStore(api, reply, onChange) {
  const POLL = 1000; // milliseconds
  const key = `digitflow-look-tab:${data.digest}`;
  // This tab's own: what can be undone, and decisions on their way, oldest first.
  let { history, pending } = readKept();
  let version = null;
  let path = "";
  let lost = []; // decisions that another program has overwritten
  let problem = "";
  let busy = false;
  let others = 0; // lines of the file about images that this page does not have
  let madeAgain = false;

  function readKept() {
    try {
      return JSON.parse(sessionStorage.getItem(key)) ?? { history: [], pending: [] };
    } catch {
      return { history: [], pending: [] }; // a browser that keeps nothing for this page
    }
  }

  function keep() {
    try {
      sessionStorage.setItem(key, JSON.stringify({ history, pending }));
    } catch {
      // then a reload forgets what could be undone
    }
  }

  function adopt(answer) {
    ({ version, path } = answer);
    madeAgain = answer.edition !== data.edition;
    if (answer.digest !== data.digest) return; // its ids are those of other rows
    inFile = readLines(answer.lines);
    ({ lost, others } = answer);
  }

  const saidInFile = (id) => inFile.get(id)?.now ?? null;

  const latest = (id) => {
    const waiting = pending.findLast(([other]) => other === id);
    return waiting ? waiting[1] : saidInFile(id);
  };

  /** Send no more what was undone before it was saved: it would be refused again, and all others with it. */
  function forgetUndone() {
    const left = pending.filter(([id]) => latest(id) !== saidInFile(id));
    const fewer = left.length < pending.length;
    pending = left;
    keep();
    return fewer;
  }

  async function ask(url, options) {
    let response;
    try {
      response = await fetch(url, { cache: "no-store", ...options });
    } catch {
      throw new Error("the server does not answer: export what is not saved, then start digitflow look again");
    }
    if (response.status === 304) return null;
    const answer = await response.json();
    if (response.ok) return answer;
    // 403: the address is outdated, but the next one takes it; from 500: what hinders it may pass.
    const final = response.status < 500 && response.status !== 403;
    throw Object.assign(new Error(answer.error), { final });
  }

  async function exchange() {
    if (busy) return;
    busy = true;
    const batch = pending.slice();
    const before = version;
    const hadProblem = problem;
    let undone = false;
    try {
      const answer = batch.length
        ? await ask(api, {
            method: "POST",
            headers: { "Content-Type": "application/json" },
            body: JSON.stringify({ digest: data.digest, decisions: batch }),
          })
        : await ask(`${api}?version=${version}`);
      pending = pending.slice(batch.length);
      keep();
      if (answer) adopt(answer);
      problem = "";
    } catch (error) {
      problem = error.message;
      undone = error.final && forgetUndone();
    }
    busy = false;
    if (batch.length || version !== before || problem !== hadProblem) onChange();
    if (undone || (pending.length && !problem)) exchange();
  }

  function send(...decisions) {
    pending.push(...decisions);
    keep();
    onChange();
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
      send([id, now]);
    },
    undo() {
      const last = history.pop();
      if (!last) return null;
      const [id, before, after] = last;
      const mine = latest(id) === after;
      if (mine) send([id, before]);
      else keep();
      onChange();
      return { id, mine };
    },
    added: () => [...new Map(pending)].filter(([, now]) => now !== null),
    status() {
      if (problem)
        return [`${pending.length ? `${number(pending.length)} NOT SAVED: ` : ""}${problem}`, "bad"];
      if (pending.length) return ["saving…", "new"];
      const saved = `${history.length || inFile.size ? "saved in" : "saves into"} ${path}`;
      if (madeAgain) return [`${saved}; this page was made again: reload it`, "new"];
      if (others) {
        const are = others === 1 ? "is" : "are";
        const way = "make this page again; that run names a line that is wrong";
        return [`${saved}; ${plural(others, "line")} there ${are} about other data: ${way}`, "new"];
      }
      return [saved, "good"];
    },
    lost: () => (pending.length ? [] : lost),
    lostWords: ["", "no longer in", "Write again", "Leave out"],
    settleLost(again) {
      send(...lost.map(([id, now]) => [id, again ? now : saidInFile(id)]));
    },
    get canUndo() {
      return history.length > 0;
    },
    isServer: true,
    /** Whether decisions wait that the server cannot take. */
    get unsaved() {
      return problem !== "" && pending.length > 0;
    },
    /** The file that the server writes, which need not be the one that the page was made with. */
    get file() {
      return path || data.correctionsFile;
    },
  };
}

async function openStore(onChange) {
  if (location.protocol.startsWith("http")) {
    const api = `/${location.pathname.split("/")[1]}/api/corrections`;
    const response = await fetch(api, { cache: "no-store" }).catch(() => null);
    const answer = await response?.json().catch(() => null); // another server knows nothing of decisions
    if (answer?.lines || answer?.error) return serverStore(api, answer, onChange);
  }
  return localStore(onChange);
}

const wordOf = (now) => (now === DROP ? "drop" : now === OK ? "ok" : `→ ${now}`);

const field = (text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

function lineOf(id, now) {
  const i = rowOf.get(id);
  return [id, names[train.was[i]], now, crcOf(i), inFile.get(id)?.note ?? ""]
    .map((value) => field(String(value)))
    .join(",");
}

/** The file as it was when the page was made, with what was decided since; or only the latter. */
function exported(whole) {
  const added = store.added();
  if (!whole) return added.map(([id, now]) => `${lineOf(id, now)}\n`).join("");
  if (store.isServer) {
    const decided = decidedIds().filter((id) => rowOf.has(id));
    return [HEADER, ...decided.map((id) => lineOf(id, store.now(id)))].map((line) => `${line}\n`).join("");
  }
  const lines = data.correctionsText.match(/[^\r\n]*(?:\r\n|\n|\r)|[^\r\n]+$/g) ?? [`${HEADER}\n`];
  const newline = lines[0].endsWith("\r\n") ? "\r\n" : "\n";
  if (!/[\r\n]$/.test(lines.at(-1))) lines[lines.length - 1] += newline;
  if (!lines.some((line) => /^\ufeff?[\s"]*id[\s"]*,[\s"]*was[\s"]*,/.test(line))) lines.push(HEADER + newline);
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
