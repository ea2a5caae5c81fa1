"""Verbs of rules/fetch.smk: where the CSVs come from."""

from digitflow.verbs.commandline import Input, Output


def fetch_mnist(
    archive: Input, train_csv: Output, test_csv: Output, solution_csv: Output, layout: str
) -> None:
    """Write the MNIST images as a train CSV, a test CSV and its solution."""
    from digitflow.dataset.mnist import mnist_csv

    mnist_csv(archive, layout, train_csv, test_csv, solution_csv)


def official_idx(
    archive: Input,
    train_images: Output,
    train_labels: Output,
    test_images: Output,
    classes: Output,
    solution_csv: Output,
    checksums: Output,
) -> None:
    """Write the official MNIST images as IDX files, and the test labels as a solution."""
    from digitflow.base import checksums as sfv
    from digitflow.dataset import classes as class_names
    from digitflow.dataset.mnist import official_idx

    official_idx(archive, train_images, train_labels, test_images, solution_csv)
    class_names.write(classes, list("0123456789"))
    sfv.write(checksums, [train_images, train_labels, test_images])
