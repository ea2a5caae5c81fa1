"""The figure of a study: drawn for every kind of grid."""

import math

import pytest

from digitflow.studies import figure
from digitflow.studies.points import Point
from digitflow.studies.table import Result

EPOCH = {"loss": 0.5, "accuracy": 0.8, "valid_loss": 0.4, "valid_accuracy": 0.9, "learning_rate": 0.01}
LOST = {**EPOCH, "loss": math.nan, "valid_loss": math.inf, "valid_accuracy": 0.1}
HISTORIES = {
    "whole": [EPOCH, {**EPOCH, "loss": 0.3, "valid_loss": 0.001}, EPOCH],
    "diverged at once": [LOST],
}


def point(accuracy, history=(EPOCH,), seeds=1, **values):
    """A study's result: the same history and score for each seed."""
    rows = [{"epoch": epoch, **row} for epoch, row in enumerate(history, start=1)]
    scored = {"valid_accuracy": accuracy, "valid_low": accuracy - 0.02, "valid_high": accuracy + 0.01}
    test = {name.replace("valid", "test"): value for name, value in scored.items()}
    named = {axis: str(value) for axis, value in values.items()}
    return Result(Point(named, {}), [], [scored | test] * seeds, [rows] * seeds)


GRID = [
    point(0.9 - 0.01 * rate - 0.1 * size, HISTORIES["whole"], rate=rate, size=size, kind="a")
    for size in (1, 2)
    for rate in (3, 10, 20)
]
STUDIES = {
    "one axis": [point(0.9, HISTORIES["whole"], epochs=3), point(0.8, epochs=20)],
    "several seeds": [point(0.9, seeds=3, epochs=3), point(0.8, seeds=3, epochs=1)],
    "a point far below the others": [point(0.9, epochs=20), point(0.1, epochs=3), point(0.1, epochs=4)],
    "a single point": [point(0.9, epochs=3)],
    "a grid": GRID,
    "a grid with failures": [
        *GRID[:-1],
        point(0.1, HISTORIES["diverged at once"], rate=20, size=2, kind="a"),
    ],
    "failures only": [point(0.1, HISTORIES["diverged at once"], epochs=3)],
}


@pytest.mark.filterwarnings("error::UserWarning")  # Matplotlib's way of saying that something does not fit
@pytest.mark.parametrize("what", STUDIES)
def test_a_figure_is_drawn_without_a_warning_and_with_the_same_bytes_each_time(tmp_path, what):
    for name in ("first.png", "second.png"):
        figure.study_figure(tmp_path / name, STUDIES[what])
    first, second = ((tmp_path / name).read_bytes() for name in ("first.png", "second.png"))
    assert first == second
    assert len(first) > 1000
    assert b"matplotlib" not in first.lower()


def test_the_values_of_an_axis_stand_in_their_natural_order():
    values = ["sgd", "10", "800-1200", "1e-05", "adam", "800-500", "2"]
    ordered = ["1e-05", "2", "10", "800-500", "800-1200", "adam", "sgd"]
    assert sorted(values, key=figure._sort_key) == ordered


def test_a_point_far_below_the_others_is_named_at_the_edge_and_does_not_widen_the_axis():
    from matplotlib.figure import Figure

    axes = Figure().subplots()
    figure._draw_marks(axes, [point(0.9, epochs=20), point(0.1, epochs=3)], "epochs")
    edge = axes.get_xlim()[0]
    assert edge > 80
    named = [(text.get_text().strip(), text.get_position()[0]) for text in axes.texts]
    assert named == [("← 10.0", edge)] * 2  # validation and test


def test_epochs_are_whole_numbers_even_if_there_is_one():
    from matplotlib.figure import Figure

    accuracy, loss = Figure().subplots(1, 2)
    figure._draw_curves(accuracy, loss, [point(0.9, epochs=1)], ["epochs"])
    for axes in (accuracy, loss):
        left, right = axes.get_xlim()
        assert [tick for tick in axes.get_xticks() if left <= tick <= right] == [1]


def test_what_the_colours_mean_is_told_even_if_no_test_accuracy_is_near_the_validations():
    from matplotlib.figure import Figure

    axes = Figure().subplots()
    far = point(0.9, epochs=1)
    far.scores[0].update({"test_accuracy": 0.5, "test_low": 0.4, "test_high": 0.6})
    figure._draw_marks(axes, [far], "epochs")
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["validation", "test"]


@pytest.mark.parametrize(("columns", "numbers"), [(16, 32), (17, 0)])
def test_many_points_have_room_and_a_scale_of_colours_instead_of_numbers(monkeypatch, columns, numbers):
    drawn = []
    monkeypatch.setattr(figure, "save", lambda whole, _: drawn.append(whole))
    figure.study_figure("", [point(0.9, rate=rate, size=size) for rate in (1, 2) for size in range(columns)])
    figure.study_figure("", [point(0.9, rate=rate) for rate in range(40)])
    assert [whole.get_size_inches()[1] for whole in drawn] == [4.2, 8]
    assert len(drawn[0].axes[0].texts) == numbers
    assert len(drawn[0].axes) == (3 if numbers else 4)


def test_a_legend_of_long_names_stays_inside_its_panel(monkeypatch):
    drawn = []
    monkeypatch.setattr(figure, "save", lambda whole, _: drawn.append(whole))
    names = [f"a_name_as_long_as_those_of_{kind}" for kind in ("wide_networks", "deep_networks")]
    figure.study_figure("", [point(0.9, network=name, augment=name) for name in names])
    drawn[0].draw_without_rendering()
    panel = drawn[0].axes[1]
    legend = panel.get_legend().get_window_extent()
    assert panel.bbox.x0 < legend.x0
    assert legend.x1 < panel.bbox.x1
