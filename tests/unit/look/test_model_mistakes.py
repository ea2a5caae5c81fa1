"""What a model gets wrong: counted, written, and drawn."""

import logging

import matplotlib
import numpy as np
import pytest
from tests.unit.eight_rows import TRUE, softmax, wrong_at

from digitflow.base.errors import FormatError
from digitflow.dataset.lists import of_rows
from digitflow.formats import idx
from digitflow.look import mistakes as figures
from digitflow.look.canvas import arrow
from digitflow.look.mistakes import (
    confusion_figure,
    mistakes_figure,
    read_confusion,
    show_mistakes,
    write_confusion,
)
from digitflow.scoring.measures import confusion_matrix

PNG = b"\x89PNG"


def test_a_confusion_matrix_is_written_with_the_names_of_the_classes_and_comes_back(tmp_path):
    matrix = np.array([[5, 1], [0, 7]])
    write_confusion(tmp_path / "c.csv", matrix, ["ka", "a,b"])
    found, names = read_confusion(tmp_path / "c.csv")
    np.testing.assert_array_equal(found, matrix)
    assert names == ["ka", "a,b"]
    assert (tmp_path / "c.csv").read_bytes() == b'true,ka,"a,b"\nka,5,1\n"a,b",0,7\n'


@pytest.mark.parametrize(
    "text", ["", "true,0,1\n0,5\n1,0,7\n", "true,0\n0,x\n", "true,0,1\n0,5,1\n", "true,0\n0,5,1\n1,0,7\n"]
)
def test_a_damaged_confusion_matrix_is_refused(tmp_path, text):
    (tmp_path / "c.csv").write_text(text)
    with pytest.raises(FormatError, match=r"c\.csv: damaged: .*; delete it and run again"):
        read_confusion(tmp_path / "c.csv")


def show(folder, probabilities):
    """Show the mistakes of eight rows; the paths of the files."""
    idx.write(folder / "images", np.zeros((9, 4, 4), np.uint8))
    listing = of_rows("train", 9, np.array([0, *TRUE]), "abc").select(np.arange(9) > 0)
    files = [folder / name for name in ("c.csv", "c.png", "m.png")]
    names = ["ka", "kha", "ga"]
    show_mistakes(probabilities, folder / "images", listing, TRUE, names, "net, seed 0", *files)
    return files


def test_the_worst_mistakes_come_first_and_all_are_counted(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(figures, "mistakes_figure", lambda path, images, *drawing: drawn.append(drawing))
    monkeypatch.setattr(figures, "WORST", 2)
    probabilities = softmax(wrong_at(1, 3, 6))
    probabilities[3] = [0.95, 0.05, 0]
    show(tmp_path, probabilities)
    ((captions, title),) = drawn
    assert captions == ["5\nga → ka   0.95", "3\nkha → ga   0.80"]
    assert title == "net, seed 0: 3 of 8 images wrong; the 2 with the highest probability"


@pytest.mark.parametrize("places", [(), (1, 3, 6)])
def test_mistakes_are_told_by_the_classes_names_and_written_and_drawn(tmp_path, caplog, places):
    caplog.set_level(logging.INFO, "digitflow")
    files = show(tmp_path, softmax(wrong_at(*places)))
    assert f"net, seed 0: {len(places)} of 8 images wrong" in caplog.messages
    assert ("kha taken for ga: 2" in caplog.messages) == bool(places)
    assert np.trace(read_confusion(files[0])[0]) == 8 - len(places)
    assert all(path.read_bytes().startswith(PNG) for path in files[1:])


@pytest.fixture(autouse=True)
def usual_fonts():
    """Those of Matplotlib itself, whatever a matplotlibrc says here."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        yield


@pytest.mark.parametrize("name", ["ka", "a longer name", "a class with a long name"])
def test_the_caption_of_a_mistake_is_hardly_wider_than_its_image(tmp_path, monkeypatch, name):
    widths = []

    def save(figure, path):
        figure.canvas.draw()
        for axes in figure.axes:
            widths.append(axes.title.get_window_extent().width)
        widths.append(figure.bbox.width / figures.COLUMNS)

    monkeypatch.setattr(figures, "save", save)
    caption = f"00001\n{arrow(name, name, figures.ROOM, '   0.98')}"
    mistakes_figure(tmp_path / "m.png", np.zeros((3, 28, 28), np.uint8), [caption] * 3, "a")
    *captions, room = widths
    assert max(captions) < 1.05 * room


def test_characters_that_the_font_lacks_are_named_once_with_the_way_to_another_font(tmp_path, caplog):
    confusion_figure(tmp_path / "c.png", np.eye(2, dtype=int), ["数", "字"], "a")
    (message,) = caplog.messages
    assert message.startswith(f"{tmp_path}/c.png: Matplotlib's font lacks '数', '字', drawn as boxes: ")
    assert "a file matplotlibrc in the project's folder" in message


def draw_mistakes(path, count):
    images = np.random.default_rng(1).integers(0, 256, (count, 28, 28), np.uint8)
    mistakes_figure(
        path, images, [f"{row:05d}\n$x^$ → a class wi…   0.98" for row in range(count)], "a, seed 0"
    )


def confused(wrong, rows=60, classes=10):
    """The confusion matrix of a model that got `wrong` of the rows wrong."""
    given = np.random.default_rng(0).integers(0, classes, rows)
    true = given.copy()
    true[:wrong] = (true[:wrong] + 1) % classes
    return confusion_matrix(given, true, classes)


def draw_confusion(path, matrix):
    """With labels of several kinds, a formula and a long word among them."""
    names = ["$x^$", "a class with a long name", *map(str, range(len(matrix)))][: len(matrix)]
    confusion_figure(path, matrix, names, "a, seed 0: " + "long " * 30)


DRAWINGS = {
    **{f"{wrong} mistakes": (draw_mistakes, wrong) for wrong in (0, 3, 40)},
    **{f"{wrong} confused": (draw_confusion, confused(wrong)) for wrong in (0, 60)},
    "two classes": (draw_confusion, confused(20, classes=2)),
    "sixty classes": (draw_confusion, confused(20, rows=200, classes=60)),
    **{f"300 classes, {wrong} wrong": (draw_confusion, confused(wrong, 400, 300)) for wrong in (0, 3, 200)},
}


@pytest.mark.filterwarnings("error::UserWarning")  # Matplotlib's way of saying that something does not fit
@pytest.mark.parametrize("what", DRAWINGS)
def test_a_figure_is_drawn_without_a_warning_and_with_the_same_bytes_each_time(tmp_path, what):
    for name in ("first.png", "second.png"):
        draw, drawn = DRAWINGS[what]
        draw(tmp_path / name, drawn)
    first, second = ((tmp_path / name).read_bytes() for name in ("first.png", "second.png"))
    assert first == second
    assert len(first) > 1000
    assert b"matplotlib" not in first.lower()


def test_of_very_many_classes_the_figure_shows_no_more_than_the_most_frequent_mistakes(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(figures, "save", lambda figure, path: drawn.append(figure))
    true = np.repeat(np.arange(300), 3)
    given = true.copy()
    given[np.arange(0, 900, 3)] = (true[::3] + 1) % 300  # each class once,
    given[:3] = 7  # and the first three times
    names = [f"class {label}" for label in range(300)]
    confusion_figure(tmp_path / "c.png", confusion_matrix(given, true, 300), names, "a")
    (axes,) = drawn[0].axes
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels[:2] == ["class 0 → class 7", "class 1 → class 2"]
    assert len(labels) == figures.MOST_BARS
    assert [bar.get_width() for bar in axes.patches[:2]] == [3, 1]
    assert not axes.images
