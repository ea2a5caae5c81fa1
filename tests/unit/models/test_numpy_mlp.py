"""The network in plain numpy: its gradients are the derivatives of its loss, its file gives it back."""

import itertools
import re

import numpy as np
import pytest
from tests.conftest import PROJECT

from digitflow import models
from digitflow.base.errors import FormatError
from digitflow.models import numpy_mlp
from digitflow.training.history import one_hot


def network(*sizes, dtype=np.float64):
    net = numpy_mlp.MLP(sizes, dtype)
    net.initialize(np.random.default_rng(0))
    net.parameters += np.random.default_rng(1).normal(0, 0.1, net.parameters.size)  # biases, too
    return net


def batch(n, shape=(4, 5), classes=4):
    rng = np.random.default_rng(2)
    return rng.uniform(0, 255, (n, *shape)), rng.integers(classes, size=n)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("hidden", [(), (7,), (7, 6, 5)])
def test_each_gradient_is_the_slope_of_the_loss_by_central_differences(hidden, smoothing):
    net = network(20, *hidden, 4)
    images, labels = batch(9)
    targets = one_hot(labels, 4, smoothing).astype(np.float64)
    targets /= targets.sum(axis=1, keepdims=True)  # float32's rounding is 1e-7
    net.differentiate(images, targets)
    found = net.gradients.copy()
    slopes = np.empty_like(found)
    for i, value in enumerate(net.parameters.copy()):
        losses = []
        for step in (1e-5, -1e-5):
            net.parameters[i] = value + step
            losses.append(net.differentiate(images, targets)[0])
        net.parameters[i] = value
        slopes[i] = (losses[0] - losses[1]) / 2e-5
    for (weight, bias), (weight_slope, bias_slope) in zip(net._views(found), net._views(slopes), strict=True):
        for mine, slope in ((weight, weight_slope), (bias, bias_slope)):
            assert np.linalg.norm(mine - slope) / np.linalg.norm(slope) < 1e-6


def test_the_gradient_of_a_batch_is_the_mean_of_its_images_gradients():
    net = network(20, 7, 4)
    images, labels = batch(9)
    targets = one_hot(labels, 4)
    loss, accuracy = net.differentiate(images, targets)
    whole, single = net.gradients.copy(), []
    for i in range(9):
        single.append((*net.differentiate(images[i : i + 1], targets[i : i + 1]), net.gradients.copy()))
    losses, hits, gradients = zip(*single, strict=True)
    assert loss == pytest.approx(np.mean(losses))
    assert accuracy == pytest.approx(np.mean(hits))
    np.testing.assert_allclose(whole, np.mean(gradients, axis=0), rtol=0, atol=1e-12)


def test_the_loss_and_the_accuracy_are_those_of_the_probabilities():
    net = network(20, 7, 4)
    images, labels = batch(50)
    rows = net.predict(images)
    loss, accuracy = net.differentiate(images, one_hot(labels, 4))
    assert loss == pytest.approx(-np.log(rows[np.arange(50), labels]).mean())
    assert accuracy == (rows.argmax(axis=1) == labels).mean()


def test_two_layers_by_hand_give_the_hand_computed_probabilities():
    net = numpy_mlp.MLP((2, 2, 2), np.float64)
    (w1, b1), (w2, b2) = net.layers
    w1[...], b1[...] = [[1, -1], [2, 1]], [0.5, -2]
    w2[...], b2[...] = [[1, 0], [5, 5]], [0, 1]
    # x = (1, 0): z = (1.5, -3), after ReLU (1.5, 0), logits (1.5, 1)
    np.testing.assert_allclose(
        net.predict(np.array([[[255, 0]]])), [[1 / (1 + np.exp(-0.5)), 1 / (1 + np.exp(0.5))]]
    )


def test_logits_of_thousands_do_not_overflow():
    net = network(20, 7, 4, dtype=np.float32)
    net.parameters *= 1e4
    images, labels = batch(9)
    with np.errstate(all="raise", under="ignore"):
        loss, _ = net.differentiate(images.astype(np.uint8), one_hot(labels, 4))
    assert np.isfinite(loss)
    assert np.isfinite(net.gradients).all()


def test_all_of_it_is_float32_and_a_larger_batch_grows_the_buffers():
    net = models.build("numpy_mlp", "mlp", (28, 28), 10)
    assert net.parameters.size == 784 * 800 + 800 + 800 * 10 + 10
    assert net.parameters.dtype == net.gradients.dtype == np.float32
    for n in (1, 30, 7):
        rows = net.predict(np.full((n, 28, 28), 255, np.uint8))
        assert rows.shape == (n, 10)
        assert rows.dtype == np.float32
        np.testing.assert_array_equal(rows, np.float32(0.1))  # no weights yet


def test_the_first_weights_keep_the_variance_and_depend_on_the_seed():
    def first(seed):
        net = numpy_mlp.MLP((784, 800, 500, 10))
        net.initialize(np.random.default_rng(seed))
        return net

    net = first(0)
    for (weight, bias), inputs in zip(net.layers[:2], (784, 800), strict=True):
        assert weight.std() == pytest.approx(np.sqrt(2 / inputs), rel=0.01)
        assert not bias.any()
    assert net.layers[2][0].std() == pytest.approx(np.sqrt(2 / 510), rel=0.03)
    assert np.array_equal(net.parameters, first(0).parameters)
    assert not np.array_equal(net.parameters, first(1).parameters)


def test_a_saved_network_is_read_back_without_pickles(tmp_path):
    net = network(20, 7, 6, 4, dtype=np.float32)
    net.save(tmp_path / "model.npz")
    with np.load(tmp_path / "model.npz", allow_pickle=False) as file:
        assert sorted(file.files) == [
            f"{name}{k}" for name, k in itertools.product(("bias", "weight"), (1, 2, 3))
        ]
    again = numpy_mlp.load(tmp_path / "model.npz")
    images, _ = batch(9)
    assert np.array_equal(again.predict(images.astype(np.uint8)), net.predict(images.astype(np.uint8)))


@pytest.mark.parametrize(
    "arrays", [{}, {"weight1": np.zeros((3, 2)), "bias1": np.zeros(4)}, {"seed": np.zeros(2)}]
)
def test_a_file_of_something_else_is_refused_by_name(tmp_path, arrays):
    np.savez(tmp_path / "model.npz", **arrays)
    with pytest.raises(FormatError, match=r"model\.npz: not a model of weight1, bias1"):
        numpy_mlp.load(tmp_path / "model.npz")


def test_a_damaged_file_is_refused_by_name(tmp_path):
    (tmp_path / "model.npz").write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(FormatError, match=r"model\.npz: not a model"):
        numpy_mlp.load(tmp_path / "model.npz")


def test_the_lines_of_code_in_the_docs_are_lines_of_the_code():
    package = PROJECT / "workflow" / "digitflow"
    sources = [package / "models" / "numpy_mlp.py", package / "training" / "numpy_trainer.py"]
    code = {line.strip() for source in sources for line in source.read_text().splitlines()}
    text = (PROJECT / "docs" / "numpy_network.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    quoted = [line for block in blocks for line in block.splitlines()]
    assert len(quoted) > 30
    assert [line for line in quoted if line not in code] == []
