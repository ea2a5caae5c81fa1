"""The Keras networks, on the CPU: they learn, have the size that they should have, and can be saved."""

import json

import numpy as np
import pytest

from digitflow import __main__, models
from digitflow.base import checksums
from digitflow.base.errors import ConfigError
from digitflow.dataset import classes, lists
from digitflow.formats import idx, lst
from digitflow.models.registry import KERAS
from digitflow.training import keras_trainer as training
from digitflow.training.course import fit
from digitflow.training.data import Data
from digitflow.training.history import accuracy_of
from digitflow.training.settings import Settings

PARAMETERS = {
    "mlp": 784 * 800 + 800 + 800 * 10 + 10,
    "small_cnn": 131_754,
    "residual_cnn": 207_274,
    "dense_net": 784 * 128 + 128 + 128 * 128 + 128 + 128 * 10 + 10,
    "sequential_cnn": 1_199_882,
    "functional_cnn": 1_199_882,
    "subclassed_cnn": 1_199_882,
    "cnn_128_256": 21_670_282,
    "resnet18": 11_182_410,
    "deotte": 327_242,
}
STYLES = ("sequential_cnn", "functional_cnn", "subclassed_cnn")
SUBCLASSES = ("dense_net", "subclassed_cnn")


@pytest.fixture(scope="module", autouse=True)
def keras():
    training.prepare("cpu")
    import keras

    return keras


def build(name, shape=(28, 28), classes=10, **options):
    return models.build(KERAS[name], name, shape, classes, **options)


def trained(images, training_rows, validation_rows, settings):
    learner = training.KerasLearner(Data(images, training_rows, validation_rows), 10, settings, seed=0)
    fit(learner)
    return learner.model


@pytest.mark.parametrize("name", PARAMETERS)
def test_it_has_the_number_of_parameters_that_its_docstring_states(name):
    assert build(name).count_params() == PARAMETERS[name]


# The functional network is the sequential one, see below.
@pytest.mark.parametrize(
    ("name", "network", "rate", "rows"),
    [
        ("mlp", {}, 0.002, 1000),
        ("mlp", {"hidden": [200, 100]}, 0.005, 1000),
        ("dense_net", {}, 0.005, 1000),
        ("sequential_cnn", {}, 0.003, 1000),
        ("subclassed_cnn", {}, 0.003, 1000),
        ("cnn_128_256", {}, 0.001, 320),
        ("resnet18", {"width": 8}, 0.01, 640),
        ("deotte", {}, 0.005, 1000),
        ("residual_cnn", {}, 0.005, 500),
        ("residual_cnn", {"channels": 16, "dropout": 0}, 0.005, 1000),
    ],
)
def test_three_epochs_of_some_digits_are_learnt_to_more_than_70_percent(digits, name, network, rate, rows):
    images, labels = digits
    settings = Settings(name, KERAS[name], 3, 32, rate, schedule="one_cycle", network=network)
    train, valid = np.arange(rows), np.arange(1000, 1300)
    model = trained(images, (train, labels[train]), (valid, labels[valid]), settings)
    found = model.predict_on_batch(images[valid])
    assert accuracy_of(found, labels[valid]) > 0.7


def test_the_three_styles_have_equal_first_weights_from_the_same_seed(keras):
    weights = []
    for name in STYLES:
        keras.utils.set_random_seed(7)
        weights.append(build(name).get_weights())
    for other in weights[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(weights[0], other, strict=True))


def test_the_three_styles_with_equal_weights_give_equal_outputs(digits):
    built = [build(name) for name in STYLES]
    for model in built[1:]:
        model.set_weights(built[0].get_weights())
    rows = [model.predict_on_batch(digits[0][:300]) for model in built]
    assert np.ptp(rows[0], axis=0).min() > 0.01  # they do depend on the image
    assert np.array_equal(rows[1], rows[0])
    assert np.array_equal(rows[2], rows[0])


@pytest.mark.parametrize("name", SUBCLASSES)
def test_what_is_saved_of_a_subclassed_model_is_loaded_without_its_class(tmp_path, digits, keras, name):
    images, labels = (array[:300] for array in digits)
    settings = Settings(name, KERAS[name], 2, batch_size=50, learning_rate=0.003, weight_average=0.9)
    rows = np.arange(300)
    model = trained(images, (rows, labels), (rows[:50], labels[:50]), settings)
    training.plain(model, (28, 28)).save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    assert type(loaded).__module__.startswith("keras.")
    expected, found = (model.predict_on_batch(images) for model in (model, loaded))
    assert np.array_equal(found, expected)


@pytest.mark.parametrize(
    ("name", "network", "message"),
    [
        ("mlp", {"hidden": 800}, "mlp cannot be built for 28 x 28 pixels with {'hidden': 800}: 'int' object"),
        ("resnet18", {"width": 0}, "resnet18 cannot be built for 28 x 28 pixels with {'width': 0}: "),
        ("deotte", {"width": 8}, "network: deotte does not take 'width'; it has no options"),
    ],
)
def test_an_option_that_does_not_fit_is_refused_by_name(name, network, message):
    with pytest.raises(ConfigError, match=message):
        build(name, **network)


@pytest.mark.parametrize("shape", [(1, 1), (5, 9), (6, 6, 3)])
@pytest.mark.parametrize("name", KERAS)
def test_images_of_a_few_pixels_are_predicted_or_refused_by_name(name, shape):
    if name in STYLES and min(shape[:2]) < 6:  # two windows of 3 and pooling, without a border
        size = " x ".join(map(str, shape))
        with pytest.raises(ConfigError, match=f"{name} cannot be built for {size} pixels"):
            build(name, shape)
        return
    model = build(name, shape)
    assert model.predict_on_batch(np.zeros((2, *shape), np.uint8)).shape == (2, 10)


def test_the_learning_rate_that_is_found_trains(tmp_path, digits):
    images, labels = digits[0][:2000], digits[1][:2000]
    idx.write(tmp_path / "images", images)
    lst.write(tmp_path / "train.lst", lists.of_rows("train", 2000, labels, "0123456789"))
    settings = {
        "architecture": "mlp",
        "module": "keras_mlp",
        "epochs": 1,
        "batch_size": 50,
        "learning_rate": 1.0,
        "network": {"hidden": [100]},
    }
    classes.write(tmp_path / "classes.csv", "0123456789")
    checksums.write(tmp_path / "checksums.sfv", [tmp_path / "images", tmp_path / "train.lst"])
    flags = {"settings": json.dumps(settings), "seed": 0, "device": "cpu", "threads": 2}
    flags |= {"classes": tmp_path / "classes.csv", "checksums": tmp_path / "checksums.sfv"}
    flags |= {"images": tmp_path / "images", "train-lst": tmp_path / "train.lst"}
    flags |= {"curve": tmp_path / "curve.csv", "figure": tmp_path / "curve.png", "log": tmp_path / "log"}
    arguments = [str(text) for flag, value in flags.items() for text in (f"--{flag}", value)]
    assert __main__.main(["find_learning_rate", *arguments]) == 0

    suggested = float((tmp_path / "log").read_text().partition("suggested learning rate ")[2].split(",")[0])
    assert 1e-4 < suggested < 1e-2
    curve = np.genfromtxt(tmp_path / "curve.csv", delimiter=",", names=True)
    assert curve["learning_rate"][0] == pytest.approx(1e-6)
    assert curve["smoothed_loss"].min() < 0.6
    assert curve["smoothed_loss"][-1] > 4 * curve["smoothed_loss"].min()  # it stopped there
    assert len(curve) < 300
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")

    settings = Settings.from_dict(settings | {"learning_rate": suggested, "epochs": 6})
    rows = np.arange(2000)
    model = trained(images, (rows[:1500], labels[:1500]), (rows[1500:], labels[1500:]), settings)
    assert accuracy_of(model.predict_on_batch(images[1500:]), labels[1500:]) > 0.85
