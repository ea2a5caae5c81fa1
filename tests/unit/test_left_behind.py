"""What earlier configurations have left: found by what files say, so that nobody else's are ever listed."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from tests.conftest import PROJECT

from digitflow.base import checksums
from digitflow.base.errors import ConfigError, InputError
from digitflow.base.files import write_json
from digitflow.config.checks import validate
from digitflow.dataset.locations import converted_images
from digitflow.stale import find
from digitflow.training.checkpoint import Checkpoint
from digitflow.training.history import History
from digitflow.training.settings import Settings
from digitflow.verbs.tools import clean_stale

MODEL = {"framework": "numpy", "architecture": "mlp", "epochs": 1, "batch_size": 8, "learning_rate": 0.1}
FACTS = {"framework": "numpy", "settings": {}, "sha256": {}}


def training(folder: Path) -> Path:
    """What a training leaves."""
    write_json(folder / "metrics.json", FACTS)
    for name in ("model.npz", "history.csv", "valid_probabilities.npy", "score.json"):
        (folder / name).touch()
    return folder


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with the training of the one model that is wanted."""
    monkeypatch.chdir(tmp_path)
    training(Path("results/models/net/seed0"))
    return tmp_path


def listed(folds=1, shards=1, predict=None, studies=None, channels="auto") -> list[str]:
    config = yaml.safe_load((PROJECT / "config" / "config.yaml").read_text())
    config |= {"models": {"net": MODEL}, "merge": {"models": ["net"]}, "rec": {"shards": shards}}
    config |= {"validation": {"folds": folds}, "predict": predict or {}, "studies": studies or {}}
    config["data"] = {"image": {"channels": channels}}
    return [str(path) for path in find(validate(config))]


def test_a_training_of_another_model_and_its_submission_are_listed(project):
    training(Path("results/models/old/seed1"))
    for name in ("net", "old", "mine"):
        Path("results/submissions").mkdir(exist_ok=True)
        Path(f"results/submissions/{name}.csv").touch()
    assert listed() == ["results/models/old/seed1", "results/submissions/old.csv"]


def test_a_model_that_is_called_like_a_seed_is_wanted(project):
    Path("results/models/net").rename("results/models/seed0")
    config = yaml.safe_load((PROJECT / "config" / "config.yaml").read_text())
    config |= {"models": {"seed0": MODEL}, "merge": {"models": ["seed0"]}}
    assert find(validate(config)) == []


def killed(folder: Path) -> Path:
    """What a training leaves that was killed in its second epoch, while it saved."""
    history = History(Settings("mlp", "numpy_mlp", epochs=2, batch_size=8, learning_rate=0.1))
    Checkpoint(folder / "checkpoint.npz", "made from").save({"weights": np.arange(3)}, history)
    (folder / ".partial.77.checkpoint.npz").touch()
    return folder


def test_a_training_of_another_model_that_was_killed_before_it_had_results_is_listed_and_removed(project):
    left = killed(Path("results/models/old/seed1"))
    fold = killed(Path("results/models/net/seed0/fold1"))
    here = killed(Path("results/models/net/seed0"))
    assert listed() == [str(fold), str(left)]
    settings = {"models": {"net": MODEL}, "merge": {"models": ["net"]}}
    (project / "mine.yaml").write_text(yaml.safe_dump(settings))
    clean_stale([project / "mine.yaml"], remove=True)
    assert not left.exists()
    assert not fold.exists()
    assert (here / "checkpoint.npz").exists()


def test_a_checkpoint_of_somebody_elses_is_not_listed(project):
    for number, arrays in enumerate(({"weights": np.arange(3)}, {"stored": np.array('{"epoch": 3}')})):
        Path(f"results/models/theirs/seed{number}").mkdir(parents=True)
        np.savez(f"results/models/theirs/seed{number}/checkpoint.npz", **arrays)
    for number, data in enumerate((b"", b"weights", np.lib.format.MAGIC_PREFIX), start=2):
        Path(f"results/models/theirs/seed{number}").mkdir(parents=True)
        Path(f"results/models/theirs/seed{number}/checkpoint.npz").write_bytes(data)
    assert listed() == []


def test_a_file_of_a_persons_beside_a_checkpoint_is_left(project):
    left = killed(Path("results/models/old/seed1"))
    (left / "notes.txt").touch()
    assert listed() == [str(left / ".partial.77.checkpoint.npz"), str(left / "checkpoint.npz")]


def test_what_somebody_else_put_into_the_folders_is_not(project):
    stranger = Path("results/models/theirs/seed3")
    write_json(stranger / "metrics.json", {"loss": 0.1})
    (stranger / "model.keras").touch()
    Path("results/models/notes/seed0").mkdir(parents=True)
    for name, text in (
        ("results/predictions/theirs.csv", "image,digit\n"),
        ("data/idx/theirs.sfv", "theirs.dat 00000000\n"),
        ("results/submissions/theirs.csv", "ImageId,Label\n"),
        ("data/rec/fold7/notes.txt", ""),
    ):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(text)
    assert listed() == []


def test_a_file_of_a_persons_in_the_folder_of_a_training_is_left(project):
    old = training(Path("results/models/old/seed1"))
    (old / "notes.txt").touch()
    assert listed() == sorted(str(path) for path in old.iterdir() if path.name != "notes.txt")


def test_studies_of_another_configuration_are_left_and_points_of_this_one_that_are_gone_are_not(project):
    training(Path("results/models/rates/learning_rate-0.1/seed0"))
    gone = str(training(Path("results/models/rates/learning_rate-9/seed0")))
    assert listed() == []
    study = {"title": "Which rate?", "model": MODEL, "vary": {"learning_rate": [0.1]}}
    assert gone in listed(studies={"rates": study})


def test_folds_that_are_no_longer_asked_for_are_listed_also_of_the_labels_as_given(project):
    folds = [f"results/models/net/seed0/{name}" for name in ("fold0", "fold4", "given/fold0", "given/fold4")]
    for fold in folds:
        training(Path(fold))
    for name in ("model.npz", "history.csv"):
        Path("results/models/net/seed0", name).unlink()
    assert listed(folds=4) == [folds[1], folds[3]]
    assert listed() == folds


def test_what_a_training_without_folds_left_is_listed_if_there_are_folds_and_the_other_way_round(project):
    net = Path("results/models/net/seed0")
    for name in ("checkpoint.npz", ".partial.77.model.npz", "oof_probabilities.npy", "notes.txt"):
        (net / name).touch()
    training(net / "given")
    training(net / "fold0")
    training(net / "given" / "fold0")
    single = [net / ".partial.77.model.npz", net / "checkpoint.npz"]
    single += [net / "given" / name for name in sorted(path.name for path in (net / "given").glob("*.*"))]
    single += [net / "history.csv", net / "model.npz"]
    assert listed(folds=2) == [*map(str, single)]
    folds = [net / "fold0", net / "given" / "fold0", net / "oof_probabilities.npy"]
    assert listed() == [*map(str, folds)]


def test_a_point_of_a_study_which_has_no_folds_is_left_where_there_are_some(project):
    training(Path("results/models/rates/learning_rate~0.1/seed0"))
    study = {"title": "Which rate?", "model": MODEL, "vary": {"learning_rate": [0.1]}}
    Path("results/models/net/seed0/model.npz").unlink()
    Path("results/models/net/seed0/history.csv").unlink()
    assert listed(folds=2, studies={"rates": study}) == []


def test_files_like_those_of_a_training_are_left_where_nothing_says_that_they_are_ours(project):
    net = Path("results/models/net/seed0")
    (net / "metrics.json").write_text('{"loss": 0.1}')
    (net / "oof_probabilities.npy").touch()
    assert listed() == listed(folds=2) == []


@pytest.mark.parametrize(("before", "channels"), [(3, 3), (4, 1), (4, "auto")])
def test_images_of_another_number_of_channels_are_listed_and_the_present_ones_are_found(
    project, before, channels
):
    old, new = (Path(f"data/idx/test-images-idx{number}-ubyte") for number in (before, 7 - before))
    new.parent.mkdir(parents=True)
    new.touch()
    checksums.write("data/idx/test.sfv", [new])
    assert (listed(channels=channels), converted_images("data/idx", "test")) == ([], new)
    for path in (old, old.with_name(f"{old.name}.gz"), new.with_name(f"{new.name}.gz")):
        path.touch()
    assert listed(channels=channels) == [str(old), f"{old}.gz"]
    assert converted_images("data/idx", "test") == new
    assert converted_images("data/idx", "train") is None


def test_images_that_this_configuration_makes_are_not_listed_after_a_change_of_channels_and_back(project):
    """The checksums are those of the colour images, until the grey ones are converted again."""
    grey, colour = (Path(f"data/idx/test-images-idx{number}-ubyte") for number in (3, 4))
    grey.parent.mkdir(parents=True)
    grey.touch()
    colour.touch()
    checksums.write("data/idx/test.sfv", [colour])
    assert listed(channels=3) == [str(grey)]
    assert listed(channels=1) == listed() == [str(colour)]


def test_images_that_are_no_longer_predicted_are_listed_with_all_that_was_made_of_them(project):
    Path("data/idx").mkdir(parents=True)
    Path("results/predictions").mkdir()
    Path("results/predictions/more.csv").write_text("id,label,probability\n")
    images, net = Path("data/idx/more-images-idx3-ubyte"), Path("results/models/net/seed0")
    for path in (images, Path("data/idx/more-ids.csv"), net / "more_probabilities.npy"):
        path.touch()
    checksums.write("data/idx/more.sfv", [images])
    write_json(net / "more_prediction.json", {"sha256": {"more_probabilities.npy": ""}})
    (net / "theirs_probabilities.npy").touch()
    (project / "new.csv").write_text("pixel0\n")
    assert listed(predict={"more": "new.csv"}) == []
    assert listed() == [
        *("data/idx/more-ids.csv", "data/idx/more-images-idx3-ubyte", "data/idx/more.sfv"),
        *(f"results/models/net/seed0/more_{name}" for name in ("prediction.json", "probabilities.npy")),
        "results/predictions/more.csv",
    ]


def test_nothing_is_removed_while_a_run_is_working(project, tmp_path):
    mine = {"models": {"net": MODEL}, "merge": {"models": ["net"]}}
    (project / "mine.yaml").write_text(yaml.safe_dump(mine))
    old = training(Path("results/models/old/seed1"))
    lock = project / ".snakemake" / "locks" / "0.input.lock"
    lock.parent.mkdir(parents=True)
    lock.touch()
    with pytest.raises(InputError, match="a run is working in this folder, or was killed"):
        clean_stale([project / "mine.yaml"], remove=True)
    assert old.exists()
    lock.unlink()
    clean_stale([project / "mine.yaml"], remove=True)
    assert not old.exists()


def test_without_a_configuration_nothing_of_the_latest_submission_is_removed(project, monkeypatch):
    """In the clone, where the defaults need not be named."""
    monkeypatch.setattr("digitflow.config.schema.CLONE", project)
    write_json(Path("results/run.json"), {"configuration": {"merge": {"models": ["net"]}}})
    old = training(Path("results/models/old/seed1"))
    with pytest.raises(InputError, match=r"models/net/seed0 belongs to results/submission\.csv, .* CONFIG="):
        clean_stale(remove=True)
    assert old.exists()
    write_json(Path("results/run.json"), {"configuration": {"merge": {"models": ["keras_cnn"]}}})
    clean_stale(remove=True)
    assert not old.exists()


def test_nothing_is_left_behind_by_others_where_the_configuration_is_forgotten(project, monkeypatch):
    """The defaults know none of a project's models: all would be removed."""
    monkeypatch.chdir(project)
    (project / "mine.yaml").write_text("models: {}\n")
    before = sorted(project.rglob("*"))
    with pytest.raises(ConfigError, match=r"mine\.yaml is in this folder, but no .* given; add --configfile"):
        clean_stale(remove=True)
    assert sorted(project.rglob("*")) == before
