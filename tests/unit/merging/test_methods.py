"""How models are merged: averaged or voted, with weights."""

import numpy as np
import pytest

from digitflow.base.errors import FormatError
from digitflow.merging import methods

SURE = np.array([[0.9, 0.1, 0.0]])
UNSURE = np.array([[0.3, 0.4, 0.3]])


def test_the_mean_weighs_how_sure_a_model_is_and_the_vote_does_not():
    models = [SURE, UNSURE, UNSURE]
    assert methods.mean(models).argmax() == 0
    assert methods.vote(models).argmax() == 1


def test_weights_decide_both():
    models = [SURE, UNSURE, UNSURE]
    assert methods.mean(models, [1, 10, 10]).argmax() == 1
    assert methods.vote(models, [3, 1, 1]).argmax() == 0


def test_a_tied_vote_goes_to_the_surer_model():
    assert methods.vote([SURE, UNSURE]).argmax() == 0
    assert methods.vote([UNSURE, SURE]).argmax() == 0


def test_models_of_other_sizes_do_not_merge():
    with pytest.raises(FormatError, match="differ in shape"):
        methods.mean([SURE, np.vstack([SURE, SURE])])


@pytest.mark.parametrize("method", methods.MERGE_METHODS)
def test_every_method_gives_softmax_rows_in_double_precision(method):
    merged = methods.MERGE_METHODS[method]([SURE.astype(np.float32), UNSURE.astype(np.float32)], [1, 3])
    assert merged.dtype == np.float64
    np.testing.assert_allclose(merged.sum(axis=1), 1)


def test_a_model_of_weight_0_has_no_say():
    np.testing.assert_allclose(methods.mean([SURE, UNSURE], [1, 0]), SURE)


@pytest.mark.parametrize("method", methods.MERGE_METHODS)
@pytest.mark.parametrize("factor", [1e308, 1e-308])
def test_only_the_ratios_of_weights_count_however_large_or_small_they_are(method, factor):
    expected = methods.MERGE_METHODS[method]([SURE, UNSURE], [1, 0.5])
    np.testing.assert_allclose(methods.MERGE_METHODS[method]([SURE, UNSURE], [factor, factor / 2]), expected)
