"""The page of all studies: sections, tables, figures and what each point confuses."""

import numpy as np
import pytest

from digitflow.base.errors import InputError
from digitflow.look.mistakes import write_confusion
from digitflow.scoring.pairs import PAIR_COLUMNS, compare_pairs
from digitflow.scoring.table import write_table
from digitflow.studies import page as pages
from digitflow.studies import table as tables


@pytest.fixture
def page(results, tmp_path):
    """A function that writes the page of one study; returns its text and the folder beside it."""

    def write(failed=False, seeds=(0,), looked=(), **keys):
        study = results(seeds, failed, looked) | keys
        tables.write_table(tmp_path / "table.csv", tables.read(study, tmp_path / "models" / "which"))
        (tmp_path / "figure.png").write_bytes(b"picture")
        labels = {"epochs 1": np.array([0, 1, 1]), "epochs 2": np.array([0, 1, 2])}
        pairs = compare_pairs(labels, np.array([0, 1, 2]), "test")
        write_table(tmp_path / "pairs.csv", pairs, PAIR_COLUMNS)
        left = [tmp_path / name for name in ("table.csv", "pairs.csv", "figure.png")]
        path = tmp_path / "page.md"
        studies = [pages.Study("which", study, *left)]
        pages.write(path, studies, tmp_path / "models", tmp_path / "rates")
        return path.read_text(), tmp_path / "experiments"

    return write


def test_a_page_has_a_section_a_study_and_its_figure_and_table_beside_it(page, tmp_path):
    text, folder = page(failed=True)
    assert "- [Which?](#which) Best on validation: epochs 2; test %: not known.\n" in text
    assert "## Which?\n\nThis.\n" in text
    assert "| epochs | training % | validation % | test % | parameters | epochs trained | seconds |" in text
    assert "| 2 | 50.00 | 90.00 (85.00-95.00) | not known | 1,000 | 2 | 2 |" in text
    assert "80.00 (75.00-85.00); diverged" in text
    assert "On the configuration's data, with cpu: a fast one; `framework keras," in text
    assert "Of [all pairs](experiments/which-pairs.csv), on the 3 test images, these may be equally" in text
    assert "- epochs 1 and epochs 2 differ by 33.33 points, 1 of 3 test images, p = 1: may be chance" in text
    assert (folder / "which.png").read_bytes() == b"picture"
    assert (folder / "which.csv").read_bytes() == (tmp_path / "table.csv").read_bytes()


def test_a_page_names_the_framework_where_a_study_has_more_than_one(page):
    variants = {"1": {"epochs": 1}, "2": {"epochs": 2, "framework": "numpy"}}
    text, _ = page(vary={"epochs": variants})
    assert "| epochs | framework | training % |" in text
    assert "| 2 | numpy | 50.00 |" in text
    assert (
        "<summary>What each value of epochs sets</summary>\n\n- 1: `epochs 1`\n- 2: `epochs 2, framework"
        in text
    )


def test_a_page_has_means_intervals_and_deviations_of_several_seeds(page):
    text, _ = page(seeds=(0, 1, 2))
    assert "| 91.00 (86.00-96.00) ± 1.00 over 3 seeds |" in text


def test_a_validation_accuracy_that_is_a_little_too_good_has_a_star_on_the_page(page):
    text, _ = page(seeds=(0, 1, 2), looked=[(2, 1)], failed=True)
    assert "| 91.00 (86.00-96.00)* ± 1.00 over 3 seeds |" in text
    assert "| 81.00 (76.00-86.00) ± 1.00 over 3 seeds; diverged |" in text
    assert "A star marks a validation accuracy" in text


def test_a_page_shows_what_each_point_confuses_and_the_finders_curve_if_asked_for(page, results, tmp_path):
    for number, epochs in enumerate((1, 2)):
        folder = tmp_path / "models" / "which" / f"epochs~{epochs}" / "seed0"
        folder.mkdir(parents=True)
        write_confusion(folder / "confusion.csv", np.array([[5, 2 + number], [1, 7]]), ["1", "a|b"])
        (folder / "confusion.png").write_bytes(b"matrix %d" % epochs)
        (folder / "mistakes.png").write_bytes(b"mistakes %d" % epochs)
    curve = tmp_path / "rates" / "which" / "epochs~1.png"
    curve.parent.mkdir(parents=True)
    curve.write_bytes(b"curve")
    text, folder = page(figures=["mistakes", "learning_rate"])
    assert r"| 1 | 1 → a\|b (2), a\|b → 1 (1) | [confusion matrix](experiments/which-epochs~1-" in text
    assert r"| 2 | 1 → a\|b (3), a\|b → 1 (1) |" in text
    assert "![worst mistakes](experiments/which-epochs~2-mistakes.png)\n" in text  # the best one's
    assert (folder / "which-epochs~1-confusion.png").read_bytes() == b"matrix 1"
    assert (folder / "which-epochs~2-mistakes.png").read_bytes() == b"mistakes 2"
    assert "](experiments/which-learning_rate.png)" in text
    assert (folder / "which-learning_rate.png").read_bytes() == b"curve"
    page(figures=[])
    assert sorted(file.name for file in folder.iterdir()) == ["which-pairs.csv", "which.csv", "which.png"]


@pytest.mark.parametrize("name", ["notes.md", "other.png", "which-mine.png", "other.csv"])
def test_a_folder_beside_the_page_that_holds_something_else_is_not_replaced(page, name):
    _, folder = page()
    (folder / name).write_text("mine,1\n")
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    with pytest.raises(
        InputError, match=rf"experiments: .*not its own: {name}\. Nothing was changed; move it"
    ):
        page(figures=["learning_rate"])
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before


def test_what_a_study_left_that_the_page_has_no_longer_is_replaced(page):
    _, folder = page()
    for file in list(folder.iterdir()):
        file.rename(file.with_name(file.name.replace("which", "gone")))
    page()
    assert sorted(file.name for file in folder.iterdir()) == ["which-pairs.csv", "which.csv", "which.png"]


def test_a_file_with_the_name_of_the_folder_is_not_replaced(page, tmp_path):
    (tmp_path / "experiments").write_text("mine")
    with pytest.raises(InputError, match="not its own: experiments"):
        page()
    assert (tmp_path / "experiments").read_text() == "mine"
