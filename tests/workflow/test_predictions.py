"""Labels for further images, by the models that are there."""

import zipfile

import numpy as np
import pytest
from tests.conftest import read_rows

from digitflow.dataset.mnist import write_csv
from digitflow.formats import png

FIRST, COUNT = 60_200, 50  # images that neither CSV has


@pytest.fixture
def further(digits):
    images, labels = digits
    return images[FIRST : FIRST + COUNT], labels[FIRST : FIRST + COUNT]


def predictions_of(clone, name: str) -> list[dict[str, str]]:
    return read_rows(clone.folder / "results" / "predictions" / f"{name}.csv")


def test_a_further_csv_is_labelled_and_trains_nothing(finished_numpy, further):
    images, labels = further
    write_csv(finished_numpy.folder / "own" / "new.csv", images.reshape(COUNT, -1), None)
    target = ["results/predictions/mine.csv", "--config", "predict={mine: own/new.csv}"]
    assert finished_numpy.planned_rules(*target) == {"convert_further": 1, "predict_numpy": 2, "predict": 1}
    result = finished_numpy.snakemake(*target)
    assert result.returncode == 0, result.stdout
    rows = predictions_of(finished_numpy, "mine")
    assert [row["id"] for row in rows] == [str(row) for row in range(1, COUNT + 1)]
    assert np.mean([int(row["label"]) for row in rows] == labels) > 0.7
    assert all(0.1 <= float(row["probability"]) <= 1 for row in rows)
    assert not finished_numpy.planned(*target)
    assert not finished_numpy.planned()


def test_a_csv_in_an_archive_is_labelled_as_it_would_be_unpacked(finished_numpy, further):
    images, _ = further
    own = finished_numpy.folder / "own"
    write_csv(own / "new.csv", images.reshape(COUNT, -1), None)
    with zipfile.ZipFile(own / "both.zip", "w") as archive:
        archive.write(own / "new.csv", "new.csv")
        archive.write(own / "train.csv", "train.csv")
    (finished_numpy.folder / "tiny.yaml").open("a").write(
        "predict: {rows: own/new.csv, packed: own/both.zip/new.csv, absent: own/both.zip/more.csv}\n"
    )
    result = finished_numpy.snakemake("results/predictions/rows.csv", "results/predictions/packed.csv")
    assert result.returncode == 0, result.stdout
    assert predictions_of(finished_numpy, "packed") == predictions_of(finished_numpy, "rows")
    result = finished_numpy.snakemake("results/predictions/absent.csv")
    assert "both.zip: this archive has no 'more.csv', only ['new.csv', 'train.csv']" in result.stdout


def test_a_folder_of_pictures_is_labelled_as_the_csv_of_them(finished_numpy, further):
    images, _ = further
    write_csv(finished_numpy.folder / "own" / "new.csv", images.reshape(COUNT, -1), None)
    folder = finished_numpy.folder / "own" / "o'brien's photos" / "é"
    folder.mkdir(parents=True)
    for row, picture in enumerate(png.encode(images), 1):
        (folder / f"{row:02d}.png").write_bytes(picture)
    (finished_numpy.folder / "tiny.yaml").open("a").write(
        "predict: {rows: own/new.csv, pictures: \"own/o'brien's photos\"}\n"
    )
    result = finished_numpy.snakemake("results/predictions/rows.csv", "results/predictions/pictures.csv")
    assert result.returncode == 0, result.stdout
    rows, pictures = predictions_of(finished_numpy, "rows"), predictions_of(finished_numpy, "pictures")
    assert [row["id"] for row in pictures] == [f"é/{row:02d}.png" for row in range(1, COUNT + 1)]
    assert [(row["label"], row["probability"]) for row in rows] == [
        (row["label"], row["probability"]) for row in pictures
    ]


def test_a_folder_without_a_picture_is_named(finished_numpy):
    (finished_numpy.folder / "own" / "empty").mkdir()
    result = finished_numpy.snakemake("results/predictions/mine.csv", "--config", "predict={mine: own/empty}")
    assert result.returncode == 1
    assert "error: own/empty: there is no PNG file in it" in result.stdout
