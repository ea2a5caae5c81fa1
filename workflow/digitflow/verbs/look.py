"""Verbs of rules/look.smk: what looks wrong, and the page to see and correct it."""

from digitflow.verbs.commandline import Input, Json, Output


def audit_labels(
    probabilities: list[Input],
    valid_lst: Input,
    train_lst: Input,
    classes: Input,
    audit: Output,
    merge: Json,
    folds: int,
) -> None:
    """Rank the training rows by how wrong their labels look to models that did not learn from them."""
    from digitflow.dataset import classes as class_names
    from digitflow.look import audit as audits

    names, split = class_names.read(classes), "train" if folds > 1 else "valid"
    audits.audit_labels(audit, probabilities, merge["seeds"], valid_lst, train_lst, names, split)


def find_duplicates(
    images: Input,
    lists: list[Input],
    classes: Input,
    duplicates: Output,
    outliers: Output,
    test_images: Input | None = None,
    test_lst: Input | None = None,
) -> None:
    """Find duplicates within and across training and test rows, outliers, and blank images."""
    from digitflow.dataset import classes as class_names
    from digitflow.look.duplicates import report_duplicates

    by_name = {path.stem: path for path in lists}
    report_duplicates(by_name, images, test_lst, test_images, class_names.read(classes), duplicates, outliers)


def look_page(
    images: Input,
    labels: Input,
    classes: Input,
    valid_lst: Input,
    duplicates: Input,
    outliers: Input,
    page: Output,
    summary: Output,
    suspects: Output,
    merge: Json,
    corrections_file: str,
    png: str = "",
    fold_valid_lsts: list[Input] | None = None,
    probabilities: list[Input] | None = None,
    weights: Input | None = None,
    test_images: Input | None = None,
    test_probabilities: list[Input] | None = None,
    audit: Input | None = None,
    corrections: Input | None = None,
) -> None:
    """Write the page on which people look at images and correct labels, its summary, and the suspects."""
    from digitflow.look import lookdata, report
    from digitflow.look import page as pages

    data = lookdata.read(
        images,
        labels,
        classes,
        splits=fold_valid_lsts or [valid_lst],
        valid_lst=valid_lst,
        probabilities=probabilities or [],
        merge=merge,
        weights=weights,
        test_images=test_images,
        test_probabilities=test_probabilities or [],
        audit=audit,
        duplicates=duplicates,
        outliers=outliers,
        corrections=corrections,
        corrections_file=corrections_file,
        png=png or None,
    )
    pages.write_page(page, data)
    report.write_summary(summary, data)
    report.suspects_figure(suspects, data)


def measure_effect(
    probabilities: list[Input],
    lists: list[Input],
    given_probabilities: list[Input],
    given_lists: list[Input],
    effect: Output,
    merge: Json,
) -> None:
    """Compare the same trainings with and without the corrections, on labels as given and as corrected."""
    from digitflow.look.audit import read_held_out
    from digitflow.look.effect import write_effect

    without = read_held_out(given_lists, given_probabilities, merge["seeds"])
    corrected = read_held_out(lists, probabilities, merge["seeds"])
    write_effect(effect, without, corrected)
