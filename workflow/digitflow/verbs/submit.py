"""Verbs of rules/submit.smk: from probabilities to submissions. None of them may see a solution."""

from digitflow.verbs.commandline import Input, Json, Output


def submit_model(
    probabilities: list[Input], classes: Input, ids: Input, submission: Output, form: Json
) -> None:
    """Write one model's submission: its seeds averaged."""
    from digitflow.dataset import classes as class_names
    from digitflow.formats.probabilities import read_probabilities
    from digitflow.merging import methods
    from digitflow.merging import submission as submissions

    merged = methods.mean([read_probabilities(path) for path in probabilities])
    submissions.write(submission, merged, class_names.read(classes), ids, form)


def fit_weights(probabilities: list[Input], valid_lst: Input, weights: Output, merge: Json) -> None:
    """Fit the weights of the merged models to the validation rows; with folds, these are all rows."""
    from digitflow.formats import lst
    from digitflow.merging import merged

    merged.write_weights(weights, probabilities, merge, lst.read(valid_lst).label)


def check_submissions(
    files: list[Input],
    test_images: Input,
    classes: Input,
    ids: Input,
    checked: Output,
    form: Json,
) -> None:
    """Check the submission files to be merged, before models are trained for the merge."""
    from digitflow.base.files import write_json
    from digitflow.competing import submissions
    from digitflow.dataset import classes as class_names

    _, found = submissions.read_merged(files, class_names.read(classes), test_images, ids, form)
    write_json(checked, sorted(found))


def merge(
    probabilities: list[Input],
    valid_probabilities: list[Input],
    valid_lst: Input,
    classes: Input,
    ids: Input,
    submission: Output,
    run: Output,
    merge: Json,
    form: Json,
    configuration: Json,
    checksums: list[Input],
    list_checksums: Input,
    lists: list[Input],
    run_code: str,
    runs: str,
    weights: Input | None = None,
    files: list[Input] | None = None,
    test_images: Input | None = None,
) -> None:
    """Merge the models' test probabilities, and any submission files named beside them, into the submission;
    write the run's record, and remember the run.

    `run_code`: a digest of all code that the submission depends on. `runs`: the folder of remembered runs.
    """
    from digitflow.competing import runs as memory
    from digitflow.competing import submissions as competing
    from digitflow.dataset import classes as class_names
    from digitflow.merging import merged, run_record
    from digitflow.merging import submission as submissions

    names = class_names.read(classes)
    if files:
        competing.blend_with_models(submission, files, probabilities, merge, names, test_images, ids, form)
    else:
        submissions.write(submission, merged.merge_files(probabilities, merge, weights), names, ids, form)
    inputs = checksums, list_checksums, lists, files or [], probabilities, names
    run_record.write(run, submission, configuration, run_code, *inputs)
    answers = memory.validation_answers(valid_lst, valid_probabilities, merge, weights)
    memory.remember(runs, memory.read_run(run, None, submission), submission, answers)


def convert_further(
    source: Input,
    like: Input,
    images: Output,
    checksums: Output,
    ids: Output,
    data: Json,
    member: str = "",
) -> None:
    """Convert further images, a CSV or a folder of PNG files, to an IDX file, and write their ids.

    `like`: the IDX file of the training images, whose size they must have. `member`: the file's name in the
    archive `source`.
    """
    from digitflow.base import checksums as sfv
    from digitflow.dataset.further import convert

    convert(source / member, images, ids, data, like)
    sfv.write(checksums, [images])


def predict(
    probabilities: list[Input],
    classes: Input,
    ids: Input,
    predictions: Output,
    merge: Json,
    weights: Input | None = None,
) -> None:
    """Label further images with the merged models: a row for each image with its label and probability."""
    from digitflow.dataset import classes as class_names
    from digitflow.merging import merged
    from digitflow.merging import submission as submissions

    found = merged.merge_files(probabilities, merge, weights)
    submissions.write_predictions(predictions, found, class_names.read(classes), ids)
