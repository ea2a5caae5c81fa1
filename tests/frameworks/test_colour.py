"""Digits in colour, each in a shade that depends on its row: read by MXNet, learned by Keras and by numpy."""

import os
import subprocess

import cv2
import numpy as np
import pytest
from tests.conftest import PROJECT

from digitflow import models
from digitflow.dataset import lists, packing
from digitflow.formats import idx, lst, recordio
from digitflow.models.registry import KERAS, MXNET, NUMPY
from digitflow.training import keras_trainer, numpy_trainer
from digitflow.training.course import fit
from digitflow.training.data import Data
from digitflow.training.settings import Settings

AUGMENT = {"rotate": 5.0, "shift": 0.05}

# What MXNet reads of a RecordIO file: the first record, as OpenCV has it, and all that the iterator gives.
READ = """
import numpy as np
import mxnet as mx
_, picture = mx.recordio.unpack(mx.recordio.MXRecordIO("train.rec", "r").read())
iterator = mx.io.ImageRecordIter(path_imgrec="train.rec", data_shape=(3, 28, 28), batch_size=10)
opencv = mx.image.imdecode(picture, to_rgb=0)
np.savez("read", opencv=opencv.asnumpy(), iterator=next(iterator).data[0].asnumpy())
"""

# Builds the networks that are named for images in colour, and prints the shape of what they give for two.
BUILD = """
import sys
from digitflow.models.registry import MXNET
from digitflow.training import mxnet_predictor
from digitflow.training.settings import Settings
mxnet_predictor.prepare("cpu", 1)
import mxnet as mx
from digitflow.training import mxnet_networks
for name in sys.argv[1:]:
    settings = Settings(name, MXNET[name], epochs=1, batch_size=2, learning_rate=0.1)
    network = mxnet_networks.build(settings, (3, 28, 28), 10, 2, mx.cpu())
    rows = network.probabilities(mx.nd.ones((2, 3, 28, 28))).asnumpy()
    print(name, rows.shape, abs(rows.sum(axis=1) - 1).max() < 1e-5)
"""


@pytest.fixture(scope="module")
def coloured(digits):
    """1,800 digits uint8 (n, 28, 28, 3), inks and grounds of many colours, and their labels."""
    images, labels = (part[:1800] for part in digits)
    rng = np.random.default_rng(20)
    ground, ink = (rng.integers(*ends, (len(images), 1, 1, 3)) for ends in ((0, 96), (128, 256)))
    return np.rint(ground + (ink - ground) * (images[..., None] / 255)).astype(np.uint8), labels.astype(int)


def run(python, script, folder, *arguments):
    environment = os.environ | {"PYTHONPATH": str(PROJECT / "workflow")}
    command = [python, "-c", script, *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_record_is_blue_first_for_opencv_and_red_first_from_mxnets_iterator(
    coloured, tmp_path, mxnet_python
):
    images, labels = (part[:10] for part in coloured)
    idx.write(tmp_path / "images", images)
    lst.write(tmp_path / "train.lst", lists.of_rows("train", 10, labels, "0123456789"))
    packing.pack(
        tmp_path / "train.rec", tmp_path / "train.idx", lst.read(tmp_path / "train.lst"), tmp_path / "images"
    )
    for image, record in zip(images, recordio.read(tmp_path / "train.rec"), strict=True):
        bgr = cv2.imdecode(np.frombuffer(record.payload, np.uint8), cv2.IMREAD_COLOR)
        assert np.array_equal(bgr, image[:, :, ::-1])
    run(mxnet_python, READ, tmp_path)
    read = np.load(tmp_path / "read.npz")
    assert np.array_equal(read["opencv"], images[0][:, :, ::-1])
    assert np.array_equal(read["iterator"], images.transpose(0, 3, 1, 2))


def test_every_mxnet_network_can_be_built_for_colour(tmp_path, mxnet_python):
    lines = run(mxnet_python, BUILD, tmp_path, *MXNET).splitlines()
    assert lines == [f"{name} (2, 10) True" for name in MXNET]


@pytest.mark.parametrize("name", KERAS)
def test_every_keras_network_can_be_built_for_colour(coloured, name):
    keras_trainer.prepare("cpu")
    network = models.build(KERAS[name], name, (28, 28, 3), 10)
    rows = np.asarray(network(coloured[0][:2]))
    assert rows.shape == (2, 10)
    assert rows.sum(axis=1) == pytest.approx(1, abs=1e-5)
    grey = models.build(KERAS[name], name, (28, 28), 10)
    grey.build((None, 28, 28))
    assert network.count_params() > grey.count_params()  # it looks at all three


@pytest.mark.parametrize("name", NUMPY)
def test_every_numpy_network_can_be_built_for_colour(coloured, name):
    images, labels = coloured
    network = models.build(NUMPY[name], name, (28, 28, 3), 10)
    if name == "neighbours":  # it predicts nothing without images to compare with
        network = type(network)(images[:100], labels[:100], network.classes, network.candidates)
    what = np.arange(2) if NUMPY[name] == "baseline" else images[:2]  # a guess looks at the row alone
    assert network.predict(what).shape == (2, 10)


def settings(**changes):
    return Settings.from_dict({"batch_size": 32, "learning_rate": 0.002, "augment": AUGMENT, **changes})


def split(labels):
    rows = np.arange(len(labels))
    return (rows[:1500], labels[:1500]), (rows[1500:], labels[1500:])


def test_numpy_learns_digits_in_colour(coloured):
    images, labels = coloured
    chosen = settings(architecture="mlp", module="numpy_mlp", epochs=8)
    learner = numpy_trainer.make_learner(Data(images, *split(labels)), 10, chosen, seed=0)
    history = fit(learner)
    assert history.rows[-1]["valid_accuracy"] > 0.82
    assert learner.model.predict(images[:5]).shape == (5, 10)


@pytest.mark.parametrize(
    ("architecture", "module"),
    [("lenet", "keras_cnn"), ("sequential_cnn", "keras_styles"), ("subclassed_cnn", "keras_styles")],
)
def test_keras_learns_digits_in_colour(coloured, architecture, module):
    images, labels = coloured
    chosen = settings(architecture=architecture, module=module, epochs=2)
    learner = keras_trainer.KerasLearner(Data(images, *split(labels)), 10, chosen, seed=0)
    history = fit(learner)
    assert keras_trainer.plain(learner.model, (28, 28, 3)).input_shape[1:] == (28, 28, 3)
    assert history.rows[-1]["valid_accuracy"] > 0.8
