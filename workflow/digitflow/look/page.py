"""The page on which people look at images and correct labels: plain files that open without a server.

`index.html` has its own folder; beside it, FOLDER holds its style and program, the data as a script (a
browser lets no page from the file system fetch a file), and sprite sheets.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from digitflow.base.files import atomic_open
from digitflow.dataset.classes import folder_names
from digitflow.dataset.trees import atomic_tree, check_own
from digitflow.look import choices, sheets, summary
from digitflow.look.lookdata import LookData

ASSETS = Path(__file__).parent / "page"
TEMPLATE = ASSETS / "index.html"  # without data: the same for all runs
FOLDER = "page"  # beside index.html
DATA = "data.js"
ASSIGNMENT = "window.LOOK = "
SHEETS = re.compile(r"(means|(train|test)-\d{2,}-\d{2,})(-[0-9a-f]{8})?\.png")
SEED = 0  # of the random sample
PARTS_OF_ONE = 10_000  # probabilities are whole numbers of these


def write_page(index: str | Path, data: LookData) -> None:
    """Write the page `index` and its FOLDER; equal data give equal bytes.

    InputError: FOLDER holds files that are not a page's. DigitflowError: the disk is full.
    """
    index = Path(index)
    check_own(index.with_name(FOLDER), _is_own)
    with atomic_tree(index.with_name(FOLDER)) as folder:
        for asset in ASSETS.iterdir():
            if asset.name != TEMPLATE.name:
                (folder / asset.name).write_bytes(asset.read_bytes())
        content = {
            "digest": data.digest,
            "names": list(data.names),
            "folders": folder_names(data.names),
            "size": list(data.images.shape[1:3]),
            "png": data.png,
            "splits": list(dict.fromkeys(data.splits.tolist())),
            "train": _train(data),
            "test": _test(data),
            "models": _models(data),
            "corrections": [[c.id, c.was, c.now, c.note, c.line] for c in data.corrections],
            "correctionsText": data.corrections_text,
            "correctionsFile": data.corrections_file,
            "sections": list(_sections(data)),
            "overview": _overview(data, folder),
            **_write_sheets(folder, data),
        }
        edition = hashlib.sha256(_as_json(content).encode()).hexdigest()[:16]
        with open(folder / DATA, "w", encoding="ascii", newline="\n") as file:
            file.write(f"{ASSIGNMENT}{_as_json({'edition': edition, **content})};\n")
    with atomic_open(index) as file:
        file.write(TEMPLATE.read_bytes())


def _as_json(content: dict[str, Any]) -> str:
    return json.dumps(content, separators=(",", ":"))


def _is_own(path: Path) -> bool:
    """Whether `write_page` put a file into the folder, judging by the data beside it."""
    data = path.with_name(DATA)
    if not data.is_file():
        return False
    with open(data, "rb") as file:
        begun = file.read(len(ASSIGNMENT)) == ASSIGNMENT.encode()
    return begun and (path == data or (ASSETS / path.name).is_file() or bool(SHEETS.fullmatch(path.name)))


def read_content(index: str | Path) -> dict[str, Any]:
    """Read the data of a page that `write_page` wrote."""
    text = (Path(index).with_name(FOLDER) / DATA).read_text(encoding="ascii")
    return json.loads(text.removeprefix(ASSIGNMENT).rstrip("; \n"))


def _train(data: LookData) -> dict[str, Any]:
    """Columns of the training rows; a missing value is -1, or None for a margin."""
    codes = {split: code for code, split in enumerate(dict.fromkeys(data.splits.tolist()))}
    proposed, predicted, of_given, of_proposed = (np.full(len(data.ids), -1) for _ in range(4))
    margin = np.full(len(data.ids), None)
    flagged: list[int] = []
    if data.audit is not None:
        classes = {name: label for label, name in enumerate(data.names)}
        rows = data.rows_of(data.audit["id"])
        merged = data.predictions.merged[np.searchsorted(data.predictions.rows, rows)]
        predicted[rows] = merged.argmax(axis=1)
        proposed[rows] = [classes[label] for label in data.audit["proposed"]]
        own, ahead = data.audit["self_confidence"], data.audit["margin"]
        # Of the same models as the given label's: the audit does not merge them as merge.method says.
        same = data.audit["proposed"] == data.audit["given"]
        of_proposed[rows] = _parts(np.where(same, own, own - ahead))
        of_given[rows] = _parts(own)
        margin[rows] = _parts(ahead)
        flagged = rows[data.audit["flagged"]].tolist()
    return {
        "ids": data.ids.tolist(),
        "was": data.labels.tolist(),
        "given": data.corrected.tolist(),
        "split": [codes[split] for split in data.splits.tolist()],
        "crc": data.crcs,
        "proposed": proposed.tolist(),
        "predicted": predicted.tolist(),
        "pGiven": of_given.tolist(),
        "pProposed": of_proposed.tolist(),
        "margin": margin.tolist(),
        "flagged": flagged,
    }


def _test(data: LookData) -> dict[str, Any]:
    """Columns of the test images, like those of the training rows."""
    count = 0 if data.test_images is None else len(data.test_images)
    predicted = of_predicted = np.full(count, -1)
    if data.test_merged is not None:
        predicted, of_predicted = data.test_merged.argmax(axis=1), _parts(data.test_merged.max(axis=1))
    ids = list(range(1, count + 1))
    return {"ids": ids, "predicted": predicted.tolist(), "pPredicted": of_predicted.tolist()}


def _models(data: LookData) -> dict[str, Any]:
    """What each model says about the rows that have predictions."""
    if data.predictions is None:
        return {"rows": [], "each": []}
    each = [
        {"name": name, "label": p.argmax(axis=1).tolist(), "p": _parts(p.max(axis=1)).tolist()}
        for name, p in data.predictions.by_model.items()
    ]
    return {"rows": data.predictions.rows.tolist(), "each": each}


def _sections(data: LookData) -> Iterator[dict[str, Any]]:
    """The lists of images, by their places: training rows first, then test images."""
    predictions, best = data.predictions, ""
    suspects = mistakes = divided = helps = hurts = None
    without = data.missing.get("predictions", "")
    if data.audit is not None:
        suspects = data.rows_of(data.audit["id"])
    if predictions is not None:
        mistakes = choices.worst(data)
        if len(predictions.by_model) > 1:
            divided = choices.disagreements(predictions)
            best, helps, hurts = choices.merge_against_best(data)
    yield _section("suspects", "Suspects", suspects, _about_suspects(data), data.missing.get("audit", ""))
    yield _duplicates(data)
    yield _outliers(data)
    about = "Wrong with the highest probability first, by the merged models."
    yield _section("mistakes", "Worst mistakes", mistakes, about, without)
    without = without or "there is one model"
    yield _section("disagree", "Models disagree", divided, "The most divided first.", without)
    about = f"Right once merged, wrong by the best model, {best}."
    yield _section("helps", "Merge helps", helps, about, without)
    about = f"Wrong once merged, right by the best model, {best}."
    yield _section("hurts", "Merge hurts", hurts, about, without)
    about = f"Training images drawn with seed {SEED}: how right are labels that nobody suspects?"
    yield _section("random", "Random sample", choices.sample(len(data.ids), SEED), about)


def _about_suspects(data: LookData) -> str:
    about = "The least probable labels first. Ranking is what counts; the flag is a hint."
    if data.audit is not None and len(data.audit) < len(data.ids):
        about += (
            f" The other {len(data.ids) - len(data.audit):,} training rows have no probabilities by models "
            "that did not learn from them; validation.folds gives them some."
        )
    return about


def _section(key: str, title: str, items: np.ndarray | None, about: str, missing: str = "") -> dict[str, Any]:
    if items is None:
        return {"key": key, "title": title, "missing": missing}
    return {"key": key, "title": title, "about": about, "items": items.tolist()}


def _duplicates(data: LookData) -> dict[str, Any]:
    """The images of all pairs, one pair after another, and the text under each image."""
    table = data.duplicates
    sides = [data.places_of(table[f"{side}_part"], table[f"{side}_id"]) for side in ("first", "second")]
    about = "Pairs of equal or almost equal images, side by side; those with different labels first."
    section = _section("duplicates", "Duplicates", np.stack(sides, axis=1).reshape(-1), about)
    extra = []
    for kind, distance, conflict in zip(table["kind"], table["distance"], table["conflict"], strict=True):
        extra += [f"{'labels differ' if conflict else kind}, {distance:.1f}"] * 2
    return {**section, "extra": extra, "step": 2}


def _outliers(data: LookData) -> dict[str, Any]:
    places = data.places_of(data.outliers["part"], data.outliers["id"])
    about = "Blank images, and those that are like no others."
    section = _section("outliers", "Outliers", places, about)
    return {**section, "extra": data.outliers["reason"].tolist()}


def _overview(data: LookData, folder: Path) -> dict[str, Any]:
    """Counts, histograms, and the mean and variance images as one sheet."""
    classes = len(data.names)
    mean, variance = data.mean_and_variance
    pictures = np.concatenate([mean, variance / max(variance.max(), 1) * 255])
    columns, _ = sheets.columns_and_rows(*data.images.shape[1:3])
    means = sheets.write(folder, "means", np.rint(pictures).astype(np.uint8), columns)
    predicted = None if data.test_merged is None else data.test_merged.argmax(axis=1)
    overview = {
        "means": means,
        "columns": min(columns, 2 * classes),
        "rows": -(-2 * classes // columns),
        "counts": summary.count_labels(data.corrected, classes),
        "testCounts": None if predicted is None else summary.count_labels(predicted, classes),
        "train": _histograms(data.images),
        "missing": list(dict.fromkeys(data.missing.values())),
    }
    if data.test_images is not None:
        overview["test"] = _histograms(data.test_images)
    return overview


def _histograms(images: np.ndarray) -> dict[str, list[int]]:
    pixels, ink = summary.histograms(images)
    return {"pixels": pixels.tolist(), "ink": ink.tolist()}


def _write_sheets(folder: Path, data: LookData) -> dict[str, Any]:
    """Write all images as sheets of one class each, the most suspicious first; return where each image is."""
    suspicion = np.full(len(data.ids), len(data.ids))
    if data.audit is not None:
        rows = data.rows_of(data.audit["id"])
        suspicion[rows] = np.arange(len(rows))
    shown = np.where(data.corrected < 0, data.labels, data.corrected)
    parts = [("train", data.images, shown, suspicion)]
    if data.test_images is not None:
        merged = np.ones((len(data.test_images), 1)) if data.test_merged is None else data.test_merged
        parts.append(("test", data.test_images, merged.argmax(axis=1), merged.max(axis=1)))
    columns, rows = sheets.columns_and_rows(*data.images.shape[1:3])
    files, order, offset = [], [], 0
    for part, images, labels, rank in parts:
        ranked = np.argsort(rank, kind="stable")
        for label in range(len(data.names)):
            members = ranked[labels[ranked] == label]
            for number, start in enumerate(range(0, len(members), columns * rows)):
                places = members[start : start + columns * rows]
                file = sheets.write(folder, f"{part}-{label:02d}-{number:02d}", images[places], columns)
                across = min(columns, len(places))
                files.append([file, across, -(-len(places) // across), len(places)])
                order += (places + offset).tolist()
        offset += len(images)
    return {"sheets": files, "order": order}


def _parts(probabilities: np.ndarray) -> np.ndarray:
    return np.rint(np.asarray(probabilities, np.float64) * PARTS_OF_ONE).astype(np.int64)
