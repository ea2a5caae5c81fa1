"""Verbs of rules/kaggle.smk; fetch_kaggle and submit_kaggle run beside Kaggle's client, without numpy."""

from pathlib import Path

from digitflow.verbs.commandline import Input, Json, Output


def fetch_kaggle(manifest: Output, competition: str, names: list[str]) -> None:
    """Download a competition's CSVs into the folder of the manifest."""
    from digitflow.competing import download
    from digitflow.competing.kaggle import Kaggle

    with Kaggle(competition, by_hand=download.by_hand(competition)) as kaggle:
        download.fetch(kaggle, manifest.parent, names)


def accept_kaggle(manifest: Input, csvs: list[Output], data: Json) -> None:
    """Check the downloaded CSVs to their last row, and move them into place."""
    from digitflow.competing import download
    from digitflow.dataset import conversion

    def check(path: Path) -> None:
        for _ in conversion.read_csv(path, data, train=path.name == "train.csv").blocks:
            pass

    download.accept(manifest.parent, csvs[0].parent, check)


def plan_submission(
    submission: Input,
    run: Input,
    scores: Input,
    valid_lst: Input,
    classes: Input,
    plan: Output,
    competition: str,
    receipts: str,
    message: str | None = None,
) -> None:
    """Check a submission before it is sent: rows, classes, changes since the last one, message."""
    from digitflow.base.files import write_json
    from digitflow.competing import preview, runs
    from digitflow.dataset import classes as class_names
    from digitflow.formats import lst

    names = class_names.read(classes)
    found = runs.read_run(run, scores, submission, len(lst.read(valid_lst)))
    write_json(plan, preview.make_plan(submission, names, competition, receipts, found, message))


def submit_kaggle(plan: Input, submitted: Output, receipts: str, runs: str, wish: str) -> None:
    """Send the planned submission to Kaggle, unless it was sent before, and wait for its score."""
    from dataclasses import asdict

    from digitflow.base.files import read_json, write_json
    from digitflow.competing.kaggle import Kaggle
    from digitflow.competing.submit import check_wish, submit

    check_wish(wish)
    planned = read_json(plan)
    with Kaggle(planned["competition"]) as kaggle:
        receipt = submit(kaggle, planned, receipts, runs)
    write_json(submitted, asdict(receipt))
