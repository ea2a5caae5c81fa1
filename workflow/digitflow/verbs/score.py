"""Verbs of rules/score.smk: what the models are worth, and what they get wrong. Only these see a solution."""

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
    """Score one training on the validation rows, and on the test rows where a solution is known."""
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
) -> None:
    """Gather the models' scores, add the merged submission's, and write the table."""
    from digitflow.dataset import classes as class_names
    from digitflow.formats import lst
    from digitflow.merging.merged import merge_files
    from digitflow.scoring.table import read_score, score_merged, write_table

    labels = lst.read(valid_lst).label
    merged = merge_files(valid_probabilities, merge, weights, len(labels))
    last = score_merged(merge["method"], merged, labels, submission, solution, class_names.read(classes))
    write_table(table, [*map(read_score, scores), last])


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
) -> None:
    """Compare every two of the models and the merged submission, and write the table of pairs."""
    from digitflow.dataset import classes as class_names
    from digitflow.formats import lst
    from digitflow.merging import merged as merging
    from digitflow.merging import methods
    from digitflow.scoring.pairs import PAIR_COLUMNS, compare_models
    from digitflow.scoring.table import MERGED, write_table

    labels = lst.read(valid_lst).label
    models = merging.read_models(valid_probabilities, merge["seeds"], len(labels))
    averaged = {name: methods.mean(seeds) for name, seeds in models.items()}
    averaged[MERGED] = merging.merge_files(valid_probabilities, merge, weights, len(labels))
    own = dict(zip(averaged, [*submissions, submission], strict=True)) if submissions else None
    pairs = compare_models(averaged, labels, own, solution, class_names.read(classes))
    write_table(table, pairs, PAIR_COLUMNS)


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
    """Draw the confusion matrix and the worst mistakes of one training, or of several that are merged."""
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
    kind: str,
    data: Json,
    submission: Json,
    ids: Input | None = None,
    member: str = "",
) -> None:
    """Check a solution, and write its labels as an IDX file, in the order of the test images.

    `kind`: csv for rows of id and label, pixels for a test CSV with labels, idx for an IDX file. `member`:
    the file's name in the archive `solution`.
    """
    from digitflow.dataset.testset import write_solution

    write_solution(labels, solution / member, images, classes, ids, submission, kind, data)
