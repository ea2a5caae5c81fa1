"""Verbs of rules/score.smk: how good the models are, and what they get wrong. Only these see a solution."""

from digitflow.verbs.commandline import Input, Json, Output


def score(
    metrics: Input,
    valid_probabilities: Input,
    valid_lst: Input,
    score: Output,
    model: str,
    test_probabilities: Input | None = None,
    solution: Input | None = None,
) -> None:
    """Score one training on the validation rows, and on the test rows if a solution is known."""
    from digitflow.base.files import write_json
    from digitflow.formats import lst
    from digitflow.scoring.table import score_training

    labels = lst.read(valid_lst).label
    write_json(score, score_training(model, metrics, labels, test_probabilities, solution))


def score_table(
    scores: list[Input],
    valid_probabilities: list[Input],
    valid_lst: Input,
    classes: Input,
    table: Output,
    merge: Json,
    weights: Input | None = None,
    submission: Input | None = None,
    solution: Input | None = None,
    files: list[Input] | None = None,
) -> None:
    """Gather the models' scores, add those of submission files and of the merge, and write the table."""
    from digitflow.competing import submissions
    from digitflow.dataset import classes as class_names
    from digitflow.formats import lst
    from digitflow.merging.merged import merge_files
    from digitflow.scoring.table import read_score, score_merged, write_table

    labels, names = lst.read(valid_lst).label, class_names.read(classes)
    merged = None if "order" in merge else merge_files(valid_probabilities, merge, weights, len(labels))
    trainings = [*map(read_score, scores)]
    last = score_merged(
        merge["method"], merged, labels, submission, solution, names, trainings, fitted=weights is not None
    )
    others = submissions.score_files(files or [], names, submission, solution)
    write_table(table, [*trainings, *others, last])


def compare_models(
    valid_probabilities: list[Input],
    valid_lst: Input,
    classes: Input,
    table: Output,
    merge: Json,
    weights: Input | None = None,
    submissions: list[Input] | None = None,
    submission: Input | None = None,
    solution: Input | None = None,
    files: list[Input] | None = None,
) -> None:
    """Compare the models and the merged submission in pairs, and write the table of pairs."""
    from digitflow.competing import submissions as competing
    from digitflow.dataset import classes as class_names
    from digitflow.formats import lst
    from digitflow.merging import merged as merging
    from digitflow.scoring.pairs import PAIR_COLUMNS, compare_models
    from digitflow.scoring.table import MERGED, write_table

    labels, names = lst.read(valid_lst).label, class_names.read(classes)
    models = merging.read_models(valid_probabilities, merge["seeds"], len(labels))
    compared = dict(models)
    if "order" not in merge:
        compared[MERGED] = merging.merge_models(models, merge, weights)
    tested: dict = {}
    if solution:
        others = competing.labels_of_files(files or [], names, submission)
        tested = {**dict(zip(models, submissions or [], strict=True)), **others, MERGED: submission}
    write_table(table, compare_models(compared, labels, tested, solution, names), PAIR_COLUMNS)


def compare_submissions(
    submissions: list[Input],
    submission: Input,
    files: list[Input],
    classes: Input,
    table: Output,
) -> None:
    """Check the submission files of others, and say on how many images any two submissions agree."""
    from digitflow.competing import submissions as competing
    from digitflow.dataset import classes as class_names
    from digitflow.formats import labelscsv
    from digitflow.scoring.table import MERGED

    names = class_names.read(classes)
    form = labelscsv.read_sample(submission)
    own = {path.stem: competing.read_submission(path, names, form) for path in submissions}
    merged = competing.read_submission(submission, names, form)
    others = competing.read_fitting(files, names, form)
    competing.write_agreement(table, {MERGED: merged, **own, **others})


def remember_run(
    run: Input,
    scores: Input,
    submission: Input,
    valid_probabilities: list[Input],
    valid_lst: Input,
    remembered: Output,
    runs: str,
    merge: Json,
    weights: Input | None = None,
) -> None:
    """Keep the run's record, scores and answers in the folder of runs."""
    from digitflow.base.files import atomic_open
    from digitflow.competing import runs as competing

    answers = competing.validation_answers(valid_lst, valid_probabilities, merge, weights)
    found = competing.read_run(run, scores, submission, len(answers.ids))
    path = competing.remember(runs, found, submission, answers)
    with atomic_open(remembered, "w") as file:
        file.write(f"{path}\n")


def show_mistakes(
    probabilities: list[Input],
    images: Input,
    lst: Input,
    classes: Input,
    confusion: Output,
    confusion_figure: Output,
    mistakes_figure: Output,
    merge: Json,
    title: str,
    weights: Input | None = None,
    solution: Input | None = None,
) -> None:
    """Draw the confusion matrix and the worst mistakes of one training, or of several merged ones."""
    from digitflow.dataset import classes as class_names
    from digitflow.formats import idx
    from digitflow.formats import lst as lists
    from digitflow.look import mistakes
    from digitflow.merging.merged import merge_files

    listing, names = lists.read(lst), class_names.read(classes)
    merged = merge_files(probabilities, merge, weights, len(listing))
    true = idx.read_labels(solution, len(listing), len(names)) if solution else listing.label
    mistakes.show_mistakes(
        merged, images, listing, true, names, title, confusion, confusion_figure, mistakes_figure
    )


def show_curves(history: Input, figure: Output, title: str) -> None:
    """Draw the accuracy, the loss and the learning rate of a training."""
    from digitflow.look import curves
    from digitflow.training.history import read_history

    curves.curves_figure(figure, read_history(history), title)


def solution_to_idx(
    solution: Input,
    images: Input,
    classes: Input,
    labels: Output,
    checksums: Output,
    kind: str,
    data: Json,
    submission: Json = None,
    ids: Input | None = None,
    member: str = "",
) -> None:
    """Check a solution, and write its labels as an IDX file, in the order of the test images.

    `kind`: csv for rows of id and label or of the label only, pixels for a test CSV with labels, idx for an
    IDX file. `member`: the file's name in the archive `solution`. `checksums` gets those of the labels, and
    of the images that they belong to.
    """
    from digitflow.base import checksums as sfv
    from digitflow.dataset.testset import write_solution

    write_solution(labels, solution / member, images, classes, ids, submission, kind, data)
    sfv.write(checksums, [labels, images])
