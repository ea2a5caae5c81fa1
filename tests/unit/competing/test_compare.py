"""Comparing two runs: settings, scores, flips, cells and sheets, against counts by hand."""

import json
import shutil
from html.parser import HTMLParser
from itertools import pairwise

import cv2
import numpy as np
import pytest
from tests.unit.competing.test_runs import CONFIGURATION, FACTS, with_epochs

from digitflow.base import checksums
from digitflow.base.checksums import sha256
from digitflow.base.errors import InputError
from digitflow.competing import compare, comparison_page, runs
from digitflow.competing.sides import Answers, Side, read_side
from digitflow.formats import idx, labelscsv, lst
from digitflow.formats.probabilities import write_probabilities
from digitflow.scoring.summary import LOOKED_NOTE

CLASSES = 10
NAMES = [*map(str, range(CLASSES))]
TEST_ROWS = 2000
VALID_ROWS = 500
MODELS = ("keras_cnn", "mxnet_cnn")


def answers_of(true: np.ndarray, wrong: int, seed: int) -> np.ndarray:
    """Labels with this many mistakes."""
    chance = np.random.default_rng(seed)
    answers = true.copy()
    rows = chance.permutation(len(true))[:wrong]
    answers[rows] = (true[rows] + chance.integers(1, CLASSES, wrong)) % CLASSES
    return answers


def write_training(folder, model: str, seed: int, answers: np.ndarray) -> None:
    """Leave probabilities of validation images that choose these answers."""
    rows = np.full((len(answers), CLASSES), 0.01, np.float32)
    rows[np.arange(len(answers)), answers] = 0.91
    write_probabilities(
        folder / "results" / "models" / model / f"seed{seed}" / "valid_probabilities.npy", rows
    )


def write_record(folder, **facts) -> None:
    """Leave what a run was made from: its lists as they are."""
    facts = FACTS | facts
    lists = {"data/rec/valid.lst": sha256(folder / "data" / "rec" / "valid.lst")}
    facts["digests"] = facts["digests"] | {"lists": lists}
    (folder / "results" / "run.json").write_text(json.dumps(facts))


def remember(folder, runs_folder):
    """Remember the run of a project's folder, as the merge does."""
    results = folder / "results"
    files = [results / "models" / name / "seed0" / "valid_probabilities.npy" for name in MODELS]
    merge = {"method": "mean", "seeds": [(name, 1) for name in MODELS], "weights": None}
    answers = runs.validation_answers(folder / "data" / "rec" / "valid.lst", files, merge)
    run = runs.read_run(results / "run.json", None, results / "submission.csv")
    return runs.remember(runs_folder, run, results / "submission.csv", answers)


@pytest.fixture
def truth(digits) -> np.ndarray:
    return digits[1][:TEST_ROWS].astype(np.int64)


@pytest.fixture
def project(tmp_path, digits, truth):
    """Make a project's folder as a run leaves it: name, mistakes of the test, seed, facts."""
    valid = digits[1][-VALID_ROWS:].astype(np.int64)

    def make(name: str, wrong: int = 60, seed: int = 0, valid_seed: int = 0, **facts):
        results = tmp_path / name / "results"
        for model, more in (("keras_cnn", 10), ("mxnet_cnn", 25)):
            labelscsv.write(
                results / "submissions" / f"{model}.csv", answers_of(truth, wrong + more, seed + more)
            )
            answers = answers_of(valid, 20 + more, valid_seed + more)
            write_training(tmp_path / name, model, 0, answers)
        labelscsv.write(results / "submission.csv", answers_of(truth, wrong, seed))
        rows = np.arange(1, VALID_ROWS + 1)
        names = [f"train/{label}/{row:03}.png" for row, label in zip(rows, valid, strict=True)]
        lst.write(tmp_path / name / "data" / "rec" / "valid.lst", lst.Listing(rows, valid, names))
        write_record(tmp_path / name, **facts)
        return tmp_path / name

    return make


def comparison_of(first, second, solution) -> compare.Comparison:
    sides = [read_side(path, NAMES, None, solution) for path in (first, second)]
    return compare.compare(*sides, NAMES)


def test_a_run_compared_with_itself_or_a_copy_made_elsewhere_is_the_same(project, truth, tmp_path):
    a = project("a")
    shutil.copytree(a / "results", tmp_path / "elsewhere")
    for other in (a, a / "results", tmp_path / "elsewhere"):
        found = comparison_of(a, other, truth)
        assert found.same
        assert not found.worse
        assert compare.as_text(found) == "same"


def test_one_changed_key_shows_as_one_line(project, truth):
    a, b = project("a"), project("b", **with_epochs(30))
    found = comparison_of(a, b, truth)
    assert found.settings == [("models.keras_cnn.epochs", 20, 30)]
    setting, _, pair, *_ = compare.as_text(found).splitlines()
    assert setting == "models.keras_cnn.epochs: 20 -> 30"
    assert pair == f"test merged: 97.00 -> 97.00 % of {TEST_ROWS}, +0.00 points, no image flipped"


def test_settings_that_mean_the_same_do_not_show(project, truth):
    same = dict(reversed(CONFIGURATION.items())) | {"device": None}
    models = CONFIGURATION["models"] | {"keras_cnn": {"epochs": 20.0, "seeds": [0]}}
    assert comparison_of(project("a"), project("b", configuration=same | {"models": models}), truth).same


def test_data_corrections_code_and_versions_show_where_they_differ(project, truth):
    facts = {
        "commit": "f" * 16,
        "changed": True,
        "digests": FACTS["digests"] | {"corrections": "e" * 64},
        "versions": {"keras": "3.14.0"},
    }
    found = comparison_of(project("a"), project("b", **facts), truth)
    assert [key for key, _, _ in found.settings] == ["digests.corrections", "versions.keras", "commit"]
    assert "commit: 01234567 -> ffffffff, changed" in compare.as_text(found)


def test_a_seed_that_earlier_settings_have_left_does_not_count(project, digits):
    a, b = project("a"), project("b")
    write_training(b, "keras_cnn", 1, (digits[1][-VALID_ROWS:] + 1) % CLASSES)
    write_training(b, "keras_cnn", 2, (digits[1][-VALID_ROWS:] + 1) % CLASSES)
    assert comparison_of(a, b, None).same


def test_a_model_that_another_split_has_left_does_not_count(project, truth):
    a, b = project("a"), project("b")
    for folder in (a, b):
        write_training(folder, "older", 0, np.zeros(VALID_ROWS // 2, int))
        labelscsv.write(folder / "results" / "submissions" / "older.csv", truth)
    assert {pair.model for pair in comparison_of(a, b, None).pairs} == {"merged", "keras_cnn", "mxnet_cnn"}


def test_without_a_record_all_that_lies_there_counts_and_a_warning_says_so(project, caplog):
    a, b = project("a"), project("b")
    (b / "results" / "run.json").unlink()
    write_training(b, "keras_cnn", 1, np.zeros(VALID_ROWS, int))
    found = comparison_of(a, b, None)
    assert "b/results: no run.json to say what made it" in caplog.text
    (pair,) = [pair for pair in found.pairs if (pair.rows, pair.model) == ("validation", "keras_cnn")]
    assert pair.changed


def test_flips_and_scores_equal_an_independent_count(project, truth):
    a, b = project("a", seed=1), project("b", seed=2, wrong=50)
    found = comparison_of(a, b, truth)
    first = [line.split(",")[1] for line in (a / "results/submission.csv").read_text().split()[1:]]
    second = [line.split(",")[1] for line in (b / "results/submission.csv").read_text().split()[1:]]
    fixed, broken, both = set(), set(), set()
    for row, (one, two, true) in enumerate(zip(first, second, map(str, truth), strict=True), start=1):
        if one != true == two:
            fixed.add(row)
        elif one == true != two:
            broken.add(row)
        elif true not in (one, two):
            both.add(row)
    assert [{row["id"] for row in rows} for rows in found.flips.values()] == [fixed, broken, both]
    pair = next(pair for pair in found.pairs if (pair.rows, pair.model) == ("test", "merged"))
    assert (pair.only_second, pair.only_first) == (len(fixed), len(broken))
    assert pair.points == pytest.approx(100 * (60 - 50) / TEST_ROWS)
    assert {(pair.rows, pair.model) for pair in found.pairs} == {
        (rows, model) for rows in ("test", "validation") for model in ("merged", "keras_cnn", "mxnet_cnn")
    }


def test_the_cells_that_changed_most_come_first(tmp_path, truth):
    second = truth.copy()
    sevens, fours = np.flatnonzero(truth == 7), np.flatnonzero(truth == 4)
    second[sevens[:30]] = 1
    second[fours[:9]] = 9
    first = truth.copy()
    first[fours[:20]] = 9
    for name, labels in (("a.csv", first), ("b.csv", second)):
        labelscsv.write(tmp_path / name, labels)
    found = comparison_of(tmp_path / "a.csv", tmp_path / "b.csv", truth)
    assert list(found.cells) == [("7", "1", 30), ("4", "9", -11)]


def test_a_significantly_worse_run_is_told_and_a_chance_difference_is_not(project, truth):
    a, worse, chance = project("a", wrong=60), project("b", wrong=150, seed=5), project("c", wrong=62, seed=6)
    assert comparison_of(a, worse, truth).worse
    assert "worse" in compare.as_text(comparison_of(a, worse, truth))
    assert not comparison_of(worse, a, truth).worse
    assert not comparison_of(a, chance, truth).worse
    assert "may be chance" in compare.as_text(comparison_of(a, chance, truth))


def test_without_a_solution_the_validation_rows_judge(project):
    found = comparison_of(project("a"), project("b", valid_seed=9), None)
    assert found.rows == "validation"
    test = [pair for pair in found.pairs if pair.rows == "test"]
    assert all(pair.first is None and pair.changed == 0 for pair in test)
    assert sum(map(len, found.flips.values())) > 0


def test_only_the_validation_rows_of_both_are_compared(project, digits):
    a, b = project("a"), project("b")
    listing = lst.read(b / "data/rec/valid.lst")
    kept = np.arange(VALID_ROWS) >= 100
    lst.write(b / "data/rec/valid.lst", listing.select(kept))
    for model in ("keras_cnn", "mxnet_cnn"):
        path = b / "results/models" / model / "seed0" / "valid_probabilities.npy"
        write_probabilities(path, np.load(path)[kept])
    write_record(b)
    found = comparison_of(a, b, None)
    assert {pair.n for pair in found.pairs if pair.rows == "validation"} == {VALID_ROWS - 100}
    assert not any(pair.changed for pair in found.pairs)


@pytest.mark.parametrize(("part", "rows"), [("train", "validation"), ("test", "test")])
def test_answers_about_other_images_are_not_compared_and_that_is_said(project, truth, part, rows):
    images = {"train": "00000001", "test": "00000002"}
    a = project("a", digests=FACTS["digests"] | {"images": images})
    others = {"images": images | {part: "00000003"}, "csvs": {f"{part}.csv": "0" * 64}}
    b = project("b", valid_seed=1, digests=FACTS["digests"] | others)
    found = comparison_of(a, b, truth)
    assert {pair.rows for pair in found.pairs} == {"validation", "test"} - {rows}
    assert found.rows != rows
    assert not found.same
    assert f"{rows} images: not compared, because the two have different {part} images" in (
        compare.as_text(found)
    )


def test_folders_of_other_pictures_are_not_compared_although_no_csv_tells_them_apart(project, truth):
    a, b = (project(name, digests={"images": {"train": name, "test": name}}) for name in "ab")
    found = comparison_of(a, b, truth)
    assert not found.pairs
    assert "test images: not compared, because the two have different test images" in found.left_out


def test_where_no_validation_row_is_in_both_that_is_said(project, digits):
    a, b = project("a"), project("b")
    for folder, kept in ((a, np.arange(VALID_ROWS) < 100), (b, np.arange(VALID_ROWS) >= 100)):
        listing = lst.read(folder / "data/rec/valid.lst")
        lst.write(folder / "data/rec/valid.lst", listing.select(kept))
        for model in MODELS:
            path = folder / "results/models" / model / "seed0" / "valid_probabilities.npy"
            write_probabilities(path, np.load(path)[kept])
        write_record(folder)
    found = comparison_of(a, b, None)
    assert {pair.rows for pair in found.pairs} == {"test"}
    assert "validation images: not compared, because the two have none in common" in found.left_out


def test_runs_without_validation_rows_are_compared_by_the_rest(project, truth):
    a, b = project("a"), project("b")
    for folder in (a, b):
        listing = lst.read(folder / "data/rec/valid.lst")
        lst.write(folder / "data/rec/valid.lst", listing.select(np.zeros(VALID_ROWS, bool)))
        for model in MODELS:
            path = folder / "results/models" / model / "seed0" / "valid_probabilities.npy"
            write_probabilities(path, np.load(path)[:0])
        write_record(folder)
    assert compare.as_text(comparison_of(a, b, truth)) == "same"


def test_the_same_rows_read_in_another_way_are_compared(project, truth):
    images = {"train": "00000001", "test": "00000002"}
    a = project("a", digests=FACTS["digests"] | {"images": images})
    b = project("b", digests=FACTS["digests"] | {"images": dict.fromkeys(images, "00000003")})
    found = comparison_of(a, b, truth)
    assert {pair.rows for pair in found.pairs} == {"validation", "test"}
    assert not found.left_out


def test_the_truth_about_other_test_images_than_a_runs_is_not_used(project, truth):
    a = project("a")
    own = [*FACTS["digests"]["csvs"].values()]
    for source, known in ((own[:1], True), (["0" * 64], False), ([], True)):
        side = read_side(a, NAMES, None, truth, source)
        assert (side.answers["test", "merged"].true is not None) == known


def test_the_truth_about_other_pictures_than_a_runs_is_not_used(project, truth):
    """A folder of pictures has no file whose checksum tells what it is."""
    a = project("a", digests={"images": {"train": "00000001", "test": "00000002"}})
    for images, known in (("00000002", True), ("00000003", False), (None, True)):
        side = read_side(a, NAMES, None, truth, (), images)
        assert (side.answers["test", "merged"].true is not None) == known
    # Read in another way, the same CSV has other images and the same labels.
    b = project("b", digests=FACTS["digests"] | {"images": {"test": "00000002"}})
    own = [*FACTS["digests"]["csvs"].values()]
    side = read_side(b, NAMES, None, truth, own[:1], "00000003")
    assert side.answers["test", "merged"].true is not None


def test_validation_answers_that_mean_other_classes_are_not_compared(project, truth):
    digests = FACTS["digests"]
    a, b = (project(name, digests=digests | {"classes": name * 8}) for name in "ab")
    found = comparison_of(a, b, truth)
    assert {pair.rows for pair in found.pairs} == {"test"}
    assert (
        "validation images: not compared, because labels mean different classes in the two" in found.left_out
    )
    assert not comparison_of(a, a, truth).left_out


@pytest.mark.parametrize("turned", [False, True])
def test_after_corrections_the_labels_of_the_newer_run_judge_both(turned):
    ids, given = np.arange(1, 101), np.arange(100) % 10
    corrected = given.copy()
    corrected[:20] = (corrected[:20] + 1) % 10
    sides = [
        Side(name, {"time": f"2026-01-0{day}"}, {("validation", "merged"): answers})
        for name, day, answers in (
            ("old", 1, Answers(ids, given, given)),
            ("new", 2, Answers(ids, corrected, corrected)),
        )
    ]
    found = compare.compare(*(sides[::-1] if turned else sides), "0123456789")
    (merged,) = found.pairs
    values = [merged.first.value, merged.second.value]
    assert (values[::-1] if turned else values) == [0.8, 1]
    assert found.left_out == [
        "validation images: 20 have different labels in the two; judged by those of new"
    ]


def test_a_remembered_run_is_judged_by_its_own_answers_not_by_what_was_trained_since(project, truth):
    a = project("a")
    kept = remember(a, a / "results" / "runs")
    for model in MODELS:
        write_training(a, model, 0, np.zeros(VALID_ROWS, np.int64))
    assert comparison_of(kept, a, truth).pairs == comparison_of(kept, kept, truth).pairs
    assert not comparison_of(kept, a, truth).worse


def test_two_files_without_a_truth_tell_how_many_labels_differ(tmp_path, truth):
    labelscsv.write(tmp_path / "a.csv", truth)
    labelscsv.write(tmp_path / "b.csv", answers_of(truth, 17, 0))
    text = compare.as_text(comparison_of(tmp_path / "a.csv", tmp_path / "b.csv", None))
    assert text == f"test merged: 17 of {TEST_ROWS} labels differ"


def test_a_single_image_that_flipped_is_told_as_one(tmp_path, truth):
    labelscsv.write(tmp_path / "a.csv", truth)
    labelscsv.write(tmp_path / "b.csv", answers_of(truth, 1, 0))
    text = compare.as_text(comparison_of(tmp_path / "a.csv", tmp_path / "b.csv", truth))
    assert "broken, 1 test image\n" in text


def test_runs_that_were_remembered_are_compared(project, truth, tmp_path):
    kept = []
    for name, wrong, facts in (("a", 60, {}), ("b", 150, with_epochs(30))):
        folder = project(name, wrong, valid_seed=wrong, **facts)
        kept.append(remember(folder, tmp_path / "runs"))
    expected = comparison_of(tmp_path / "a", tmp_path / "b", truth)
    shutil.rmtree(tmp_path / "a")
    shutil.rmtree(tmp_path / "b")
    found = comparison_of(*kept, truth)
    assert [key for key, _, _ in found.settings] == ["models.keras_cnn.epochs"]
    assert found.worse
    validation = [pair for pair in found.pairs if pair.rows == "validation"]
    assert validation == [pair for pair in expected.pairs if pair.rows == "validation"]
    assert {pair.model for pair in validation if pair.changed} == {"merged", *MODELS}


@pytest.mark.parametrize("gone", ["the list", "what trained", "the split"])
def test_validation_answers_that_a_folder_no_longer_has_are_those_remembered(project, tmp_path, gone):
    a, b = project("a"), project("b", valid_seed=9)
    for folder in (a, b):
        remember(folder, folder / "results" / "runs")
    expected = comparison_of(a, b, None).pairs
    valid_lst = b / "data" / "rec" / "valid.lst"
    if gone == "the split":  # another configuration has split anew, and its run was cut off
        lst.write(valid_lst, lst.read(valid_lst).select(np.arange(VALID_ROWS) < 100))
    else:
        b = (b / "results").rename(tmp_path / "copied")
        shutil.rmtree(b / "models")
    if gone == "what trained":
        (tmp_path / "data" / "rec").mkdir(parents=True)
        shutil.copy(valid_lst, tmp_path / "data" / "rec")
    assert comparison_of(a, b, None).pairs == expected


def test_submissions_of_other_numbers_of_rows_are_left_out(project, truth):
    a, b = project("a"), project("b")
    for csv in [b / "results" / "submission.csv", *(b / "results" / "submissions").glob("*.csv")]:
        csv.write_text("".join(csv.read_text().splitlines(keepends=True)[:101]))
    found = comparison_of(a, b, truth)
    assert {pair.rows for pair in found.pairs} == {"validation"}
    assert "test images: not compared, because the two have 2,000 and 100 of them" in found.left_out


def test_submissions_are_compared_by_their_ids_whatever_the_order_of_the_rows(project, truth, tmp_path):
    a = project("a")
    shutil.copytree(a / "results", tmp_path / "other")
    (tmp_path / "other" / "run.json").unlink()
    csvs = [tmp_path / "other" / "submission.csv", *(tmp_path / "other" / "submissions").glob("*.csv")]
    for csv in csvs:
        head, *rows = csv.read_text().splitlines()
        csv.write_text("\n".join([head, *rows[::-1]]) + "\n")
    assert not any(pair.changed for pair in comparison_of(a, tmp_path / "other", truth).pairs)
    for csv in csvs:  # of other images
        head, *rows = csv.read_text().splitlines()
        csv.write_text("\n".join([head, *(f"x{row}" for row in rows)]) + "\n")
    found = comparison_of(a, tmp_path / "other", truth)
    assert not found.pairs
    assert "test images: not compared, because the two have different ids" in found.left_out


def test_changes_of_the_code_that_no_commit_has_show(project, truth):
    edits = [{"changed": True, "digests": FACTS["digests"] | {"code": digit * 64}} for digit in "12"]
    found = comparison_of(project("a", **edits[0]), project("b", **edits[1]), truth)
    assert [key for key, _, _ in found.settings] == ["digests.code"]


def test_the_record_of_a_folder_is_no_remembered_run(project, truth):
    with pytest.raises(InputError, match=r"run\.json: not a remembered run; name the run"):
        read_side(project("a") / "results" / "run.json", NAMES, None, truth)


def test_what_is_no_run_is_refused_with_the_forms_that_are(tmp_path):
    with pytest.raises(InputError, match=r"neither a submission file nor a folder with submission\.csv"):
        read_side(tmp_path, NAMES, None, None)


def test_json_has_every_image_that_flipped(project, truth):
    found = comparison_of(project("a", seed=1), project("b", seed=2), truth)
    told = json.loads(json.dumps(compare.as_json(found)))
    assert [len(told["flips"][kind]) for kind in found.flips] == [
        len(flips) for flips in found.flips.values()
    ]
    row = told["flips"]["fixed"][0]
    assert row["true"] == row["second"] != row["first"]
    assert told["worse"] is False
    pair = next(pair for pair in told["pairs"] if (pair["rows"], pair["model"]) == ("test", "merged"))
    assert [pair["only_second"], pair["only_first"]] == [
        len(told["flips"][kind]) for kind in ("fixed", "broken")
    ]
    assert 0 < pair["p_value"] <= 1


def test_sheets_show_the_very_images_that_flipped(project, truth, digits, tmp_path):
    idx.write(tmp_path / "test-images-idx3-ubyte", digits[0][:TEST_ROWS])
    found = comparison_of(project("a", seed=1), project("b", seed=2), truth)
    drawn = comparison_page.draw_sheets(found, tmp_path)
    assert comparison_page.draw_sheets(found, tmp_path) == drawn
    assert list(drawn) == ["fixed", "broken", "both_wrong"][: len(drawn)]
    comparison_page.write_comparison_folder(tmp_path / "flips", found, tmp_path)
    assert {path.stem for path in (tmp_path / "flips").glob("*.png")} == {*drawn}
    picture = cv2.imread(str(tmp_path / "flips" / "fixed.png"), cv2.IMREAD_GRAYSCALE)
    for row in found.flips["fixed"][: comparison_page.MOST]:
        image = digits[0][row["id"] - 1].repeat(2, axis=0).repeat(2, axis=1)
        assert cv2.matchTemplate(picture, image, cv2.TM_SQDIFF).min() == pytest.approx(0, abs=100)  # float32


def test_no_sheet_is_drawn_of_other_images_than_those_compared(project, truth, digits, tmp_path):
    idx.write(tmp_path / "test-images-idx3-ubyte", digits[0][:TEST_ROWS])
    images = tmp_path / "test-images-idx3-ubyte"
    checksums.write(tmp_path / "test.sfv", [images])
    known = checksums.of_images([tmp_path / "test.sfv"])
    for test, drawn in ((known["test"], True), ("00000001", False)):
        a, b = (
            project(f"{name}{test}", seed=seed, digests=FACTS["digests"] | {"images": {"test": test}})
            for seed, name in enumerate("ab")
        )
        assert bool(comparison_page.draw_sheets(comparison_of(a, b, truth), tmp_path)) == drawn
    idx.write(images, digits[0][:10])  # of fewer rows, with nothing known of either
    (tmp_path / "test.sfv").unlink()
    found = comparison_of(project("c"), project("d", seed=1), truth)
    assert comparison_page.draw_sheets(found, tmp_path) == {}


@pytest.mark.parametrize(
    "names", [["4", "9"], ["T-shirt/top", "Ankle boot"], ["W" * 40, "a class with a very long name"]]
)
def test_captions_on_a_sheet_stay_within_their_cells(monkeypatch, names):
    said = []

    def say(picture, text, left, baseline):
        (width, _), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 0.38, 1)
        said.append((baseline, left, left + width, picture.shape))

    monkeypatch.setattr(comparison_page, "_say", say)
    flips = [{"id": 12345678, "true": names[k % 2], "first": names[1], "second": names[0]} for k in range(30)]
    comparison_page._draw(np.zeros((30, 28, 28), np.uint8), flips, "fixed: 30 test images")
    said.sort()
    for line, after in pairwise(said):
        assert line[0] != after[0] or line[2] < after[1]
    assert all(left >= 0 and right <= width for _, left, right, (_, width) in said)
    assert all(baseline < height for baseline, _, _, (height, _) in said)


class Reader(HTMLParser):
    """The cells, images and addresses of a page."""

    def __init__(self, text: str):
        super().__init__()
        self.cells, self.images, self.addresses = [], [], []
        self.within = ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.within = tag
        self.addresses += [value for name, value in attributes.items() if name in ("src", "href")]
        if tag == "img":
            self.images.append(attributes["alt"])
        if tag == "td":
            self.cells.append("")

    def handle_endtag(self, tag):
        self.within = ""

    def handle_data(self, data):
        if self.within == "td":
            self.cells[-1] += data


def test_the_page_holds_all_and_asks_for_nothing_else(project, truth, digits, tmp_path):
    idx.write(tmp_path / "test-images-idx3-ubyte", digits[0][:TEST_ROWS])
    other = with_epochs("<b>30</b>")
    found = comparison_of(project("a", seed=1), project("b", seed=2, **other), truth)
    drawn = comparison_page.draw_sheets(found, tmp_path)
    comparison_page.write_comparison(tmp_path / "page.html", found, drawn)
    read_back = Reader((tmp_path / "page.html").read_text())
    assert read_back.cells[:3] == ["models.keras_cnn.epochs", "20", "<b>30</b>"]
    assert read_back.images == [kind.replace("_", " ") for kind in drawn]
    assert all(address.startswith("data:") for address in read_back.addresses)
    assert any(cell.endswith("may be chance") for cell in read_back.cells)


@pytest.mark.parametrize("remembered", [True, False])
def test_scores_that_are_a_little_too_good_are_marked(project, tmp_path, remembered):
    sides = [project("a"), project("b", valid_seed=3, time="2026-11-28T08:00:00+00:00")]
    for folder, looked in zip(sides, (False, True), strict=True):
        for model in MODELS:
            metrics = folder / "results" / "models" / model / "seed0" / "metrics.json"
            metrics.write_text(json.dumps({"looked_at_validation": looked and model == "keras_cnn"}))
    if remembered:
        sides = [remember(folder, tmp_path / "runs") for folder in sides]
    found = comparison_of(*sides, None)
    marked = {pair.model: pair.looked for pair in found.pairs if pair.rows == "validation"}
    assert marked == {"merged": (False, True), "keras_cnn": (False, True), "mxnet_cnn": (False, False)}
    lines = compare.as_text(found).splitlines()
    assert LOOKED_NOTE in lines
    for line in lines:
        if line.startswith("validation"):
            assert ("* % of" in line) == ("mxnet_cnn" not in line)
    pairs = [pair for pair in compare.as_json(found)["pairs"] if pair["rows"] == "validation"]
    assert {pair["model"]: tuple(pair["looked_at_validation"]) for pair in pairs} == marked
    comparison_page.write_comparison(tmp_path / "page.html", found, {})
    page = (tmp_path / "page.html").read_text()
    assert f"<p>{LOOKED_NOTE}</p>" in page
    assert page.count("* %</td>") == 2
    assert LOOKED_NOTE not in compare.as_text(comparison_of(sides[0], sides[0], None))
