"""Verbs of rules/train.smk: training and predicting, in each framework."""

import os

from digitflow.verbs.commandline import Input, Json, Output, Store


def train_keras(
    images: Input,
    train_lst: Input,
    valid_lst: Input,
    classes: Input,
    checksums: list[Input],
    model: Output,
    history: Output,
    metrics: Output,
    valid_probabilities: Output,
    settings: Json,
    seed: int,
    device: str,
    threads: int,
    code: str,
    store: Store = None,
) -> None:
    """Train a Keras model on the rows of a list, and predict the validation rows."""
    from digitflow.base import checksums as sfv
    from digitflow.base import files
    from digitflow.training import course, keras_trainer

    files.check_writable(model)
    sfv.check(checksums, images, train_lst, valid_lst)
    outputs = {"history": history, "metrics": metrics, "valid_probabilities": valid_probabilities}
    given = {"seed": seed, "threads": threads, "code": code, "store": store}
    job = course.job_of(settings, classes, [model], **given, **outputs)
    keras_trainer.train(images, train_lst, valid_lst, job, device)


def train_mxnet(
    train_rec: list[Input],
    train_idx: list[Input],
    valid_rec: list[Input],
    valid_idx: list[Input],
    train_lst: Input,
    valid_lst: Input,
    classes: Input,
    checksums: list[Input],
    symbol: Output,
    model: Output,
    history: Output,
    metrics: Output,
    valid_probabilities: Output,
    settings: Json,
    seed: int,
    device: str,
    threads: int,
    code: str,
    store: Store = None,
) -> None:
    """Train an MXNet model on RecordIO files, and predict the validation rows.

    `train_lst`, `valid_lst`: the lists that the files were packed from, and are compared with.
    """
    from digitflow.base import checksums as sfv
    from digitflow.base import files
    from digitflow.training import course, mxnet_trainer

    files.check_writable(symbol)
    sfv.check(checksums, train_lst, valid_lst)
    outputs = {"history": history, "metrics": metrics, "valid_probabilities": valid_probabilities}
    given = {"seed": seed, "threads": threads, "code": code, "store": store}
    job = course.job_of(settings, classes, [symbol, model], **given, **outputs)
    mxnet_trainer.train(
        list(zip(train_rec, train_idx, strict=True)),
        list(zip(valid_rec, valid_idx, strict=True)),
        (train_lst, valid_lst),
        job,
        device,
    )


def train_numpy(
    images: Input,
    train_lst: Input,
    valid_lst: Input,
    classes: Input,
    checksums: list[Input],
    model: Output,
    history: Output,
    metrics: Output,
    valid_probabilities: Output,
    settings: Json,
    seed: int,
    threads: int,
    code: str,
    store: Store = None,
) -> None:
    """Train a plain numpy model on the rows of a list, and predict the validation rows."""
    os.environ["OPENBLAS_NUM_THREADS"] = str(threads)  # numpy reads it when it is imported
    from digitflow.base import checksums as sfv
    from digitflow.base import files
    from digitflow.training import course, numpy_trainer

    files.check_writable(model)
    sfv.check(checksums, images, train_lst, valid_lst)
    outputs = {"history": history, "metrics": metrics, "valid_probabilities": valid_probabilities}
    given = {"seed": seed, "threads": threads, "code": code, "store": store}
    job = course.job_of(settings, classes, [model], **given, **outputs)
    numpy_trainer.train(images, train_lst, valid_lst, job)


def predict_keras(
    model: Input,
    metrics: Input,
    images: Input,
    checksums: list[Input],
    probabilities: Output,
    prediction: Output,
    device: str,
    threads: int,
) -> None:
    """Predict all images of an IDX file with a saved Keras model."""
    from digitflow.base import checksums as sfv
    from digitflow.base import files
    from digitflow.training import keras_predictor, results

    files.check_writable(probabilities)
    sfv.check(checksums, images)
    pixels, settings = results.open_for_model(images, metrics, model)
    found, where = keras_predictor.apply(model, pixels, settings, device, threads)
    results.write_prediction(probabilities, prediction, found, metrics, [model], images, where)


def predict_mxnet(
    symbol: Input,
    model: Input,
    metrics: Input,
    images: Input,
    checksums: list[Input],
    probabilities: Output,
    prediction: Output,
    device: str,
    threads: int,
) -> None:
    """Predict all images of an IDX file with a saved MXNet model."""
    from digitflow.base import checksums as sfv
    from digitflow.base import files
    from digitflow.training import mxnet_predictor, results

    files.check_writable(probabilities)
    sfv.check(checksums, images)
    pixels, settings = results.open_for_model(images, metrics, symbol, model)
    found, where = mxnet_predictor.apply(symbol, model, pixels, settings, device, threads)
    results.write_prediction(probabilities, prediction, found, metrics, [symbol, model], images, where)


def predict_numpy(
    model: Input,
    metrics: Input,
    images: Input,
    checksums: list[Input],
    probabilities: Output,
    prediction: Output,
    threads: int,
) -> None:
    """Predict all images of an IDX file with a saved numpy model."""
    os.environ["OPENBLAS_NUM_THREADS"] = str(threads)  # numpy reads it when it is imported
    from digitflow.base import checksums as sfv
    from digitflow.base import files
    from digitflow.training import numpy_predictor, results

    files.check_writable(probabilities)
    sfv.check(checksums, images)
    pixels, settings = results.open_for_model(images, metrics, model)
    found, where = numpy_predictor.apply(model, pixels, settings)
    results.write_prediction(probabilities, prediction, found, metrics, [model], images, where)


def collect_folds(
    metrics: list[Input],
    fold_valid_lsts: list[Input],
    fold_valid_probabilities: list[Input],
    images: Input,
    valid_lst: Input,
    valid_probabilities: Output,
    oof_probabilities: Output,
    fold_metrics: Output,
) -> None:
    """Join the predictions of all folds, each of the rows that it left out, as those of one training."""
    from digitflow.training import folds

    folds.collect(
        metrics,
        fold_valid_lsts,
        fold_valid_probabilities,
        images,
        valid_lst,
        valid_probabilities,
        oof_probabilities,
        fold_metrics,
    )


def average_folds(predictions: list[Input], probabilities: Output, prediction: Output) -> None:
    """Average the folds' predictions of the same images."""
    from digitflow.training import folds

    folds.average(predictions, probabilities, prediction)


def find_learning_rate(
    images: Input,
    train_lst: Input,
    classes: Input,
    checksums: list[Input],
    curve: Output,
    figure: Output,
    settings: Json,
    seed: int,
    device: str,
    threads: int,
) -> None:
    """Train a Keras model with a rising learning rate, draw the curve of the loss, and suggest a rate."""
    from digitflow.base import checksums as sfv
    from digitflow.base import files
    from digitflow.dataset import classes as class_names
    from digitflow.look import curves
    from digitflow.training import learning_rate_finder
    from digitflow.training.settings import Settings

    files.check_writable(curve)
    sfv.check(checksums, images, train_lst)
    settings = Settings.from_dict(settings)
    found = learning_rate_finder.find(
        images,
        train_lst,
        classes=len(class_names.read(classes)),
        settings=settings,
        seed=seed,
        device=device,
        threads=threads,
    )
    found.write(curve)
    title = f"{settings.architecture}, {settings.optimizer}, batches of {settings.batch_size}"
    curves.learning_rate_curve(figure, found.rates, found.losses, found.smoothed, found.suggested, title)
