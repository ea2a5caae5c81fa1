"""Verbs for people, which no rule calls."""

import os
from pathlib import Path

from digitflow.base.errors import InputError
from digitflow.verbs.commandline import Input, Output


def why(module: str) -> None:
    """Say which verbs an edit of a module makes run again, and why.

    module: a module of the package, such as formats/png.py
    """
    from digitflow import codedigest
    from digitflow.verbs import commandline

    name = module.removeprefix("workflow/digitflow/").removesuffix(".py").replace("/", ".")
    stages = {verb: commandline.module_of(verb) for verb in commandline.all_verbs()}
    print("\n".join(codedigest.reasons(name, stages)))


def choose_gpu(choice: Output) -> None:
    """Find the builds that suit this machine's GPUs.

    `make gpu` does so, and installs them.

    choice: the file that says which builds they are
    """
    from digitflow.training import builds, driver

    chosen = builds.choose(driver.ask())
    print("\n".join(chosen.reasons))
    builds.write(chosen, choice)


def show_device(framework: str) -> None:
    """Say what a framework trains on here.

    `make devices` asks both, each in its environment.

    framework: keras or mxnet
    """
    from digitflow.training import keras_predictor, mxnet_predictor

    prepare = {"keras": keras_predictor.prepare, "mxnet": mxnet_predictor.prepare}
    if framework not in prepare:
        raise InputError(f"{framework!r} is not one of {', '.join(prepare)}: say digitflow show_device keras")
    prepare[framework]("auto", 1)


def runs(by: str = "time", folder: Input | None = None) -> None:
    """List the runs that are remembered, with the settings that differ.

    by: what to sort by, time or score
    folder: where the runs are (results/runs)
    """
    from digitflow.competing import runs, runs_table

    if folder and not folder.is_dir():
        raise InputError(f"{folder}: no such folder; runs are remembered in results/runs of a project")
    folder = folder or Path("results/runs")
    found = runs_table.tabulate(runs.recall(folder), folder.parent / "kaggle")
    print(runs_table.format_runs(found, by))


def compare(
    first: Input,
    second: Input,
    folder: Output = Path("results/compare"),
    solution: Input | None = None,
    classes: Input = Path("data/idx/classes.csv"),
    test_labels: Input = Path("data/idx/test-labels-idx1-ubyte"),
    images: Input = Path("data/idx"),
) -> int:
    """Say what differs between two runs, and which images flipped.

    Exit status 1 where the second is significantly worse.

    first: a run of results/runs, a folder of results, or a submission
    second: what it is compared with, one of the same
    folder: where the page with the images goes
    solution: the true labels, as a CSV of ids and labels
    classes: what the labels are called
    test_labels: the true labels, as a run has converted them
    images: the folder of the test images as IDX
    """
    from digitflow.competing import compare, comparison_page, submissions
    from digitflow.dataset import classes as class_names

    if not classes.exists():
        raise InputError(f"{classes}: not there; type this in the folder of a project that was run")
    names, own = class_names.read(classes), Path("results/submission.csv")
    form = submissions.form_of(own) if own.exists() else None
    if solution:
        truth = (submissions.reader(names, form)(solution),)
    else:
        truth = compare.read_converted_truth(test_labels, images)
    sides = [compare.read_side(path, names, form, *truth) for path in (first, second)]
    comparison = compare.compare(*sides, names)
    comparison_page.write_comparison_folder(folder, comparison, images)
    print(f"{compare.as_text(comparison)}\n\npage: {folder / 'index.html'}")
    return int(comparison.worse)


def describe(files: list[Input], configfile: list[Input] | None = None, sheet: Output | None = None) -> int:
    """Say what a file of images is, and how it is read.

    Exit status 1 where one cannot be read as it is.

    files: CSVs, archives of them, IDX files, or folders of pictures
    configfile: a configuration to read them by, as one gives it to a run
    sheet: a PNG file to draw the first hundred images into, to see that they stand upright; of several files,
      each has one of its own, numbered
    """
    import json

    from digitflow import config
    from digitflow.dataset.describe import describe_files

    data = json.loads(config.reading(config.load(configfile)["data"])) if configfile else {}
    described = [*describe_files(files, data, sheet)]
    print(*(text for text, _ in described), sep="\n\n")
    return int(not all(is_read for _, is_read in described))


def look(
    page: Input = Path("results/look/index.html"),
    corrections: Input | None = None,
    png: Input | None = None,
    port: int = 0,
) -> None:
    """Show the page of images, and save its corrections.

    It is served to this machine alone, and each decision goes into the file of corrections at once.

    page: the page, which `snakemake results/look/index.html` makes
    corrections: the file of corrections; without it, the one of the configuration that the page was made with
    png: the trees of pictures, which the page links to; without it, data/png of the page's project
    port: the port to serve on; without one, a free one
    """
    from digitflow.look.server import serve

    serve(page, corrections, png, port)


def adopt(
    tree: str = "data/png/train",
    corrections: Input | None = None,
    deletions: bool = False,
    moves: bool = False,
) -> None:
    """Take moved and deleted pictures for corrections.

    Each run does so, too.

    tree: the tree of training pictures
    corrections: the file of corrections; without it, the one that the tree shows
    deletions: true, to believe also deletions that are too many for a run to believe
    moves: true, to believe also moves that are
    """
    from digitflow.dataset import adoption, applied
    from digitflow.dataset.inventory import RUN_TREES
    from digitflow.dataset.locations import enter_project
    from digitflow.dataset.treetimes import inventory_path

    named = corrections and corrections.absolute()
    tree = enter_project(tree, "data/png/train")
    shown = applied.shown_by(tree)
    corrections = named or shown
    applied.check_named(corrections, shown)
    adoption.check_not_lost(corrections, tree)
    if not (inventory := inventory_path(tree)).exists():
        raise InputError(
            f"{inventory}: not there; type this in the folder of a project that was run. If its tree has "
            f"lost it, {RUN_TREES}; the run after that notices what was done in the tree"
        )
    lines = adoption.adopt(tree, f"{tree}.sfv", corrections, deletions, moves)
    if lines and not applied.same_file(corrections, shown):
        lines.append(f"{tree} shows {shown}: only runs with data.corrections: {corrections} will know of it")
    for line in lines:
        print(line)


def follow_corrections(
    corrections: Input | None = None, folder: Input = Path("data/idx"), by_id: bool = False
) -> None:
    """Renumber corrections whose rows moved in the CSV.

    Rows are found again by the checksums of their pixels.

    corrections: the file of corrections (corrections.csv)
    folder: the folder of the training images as IDX
    by_id: true, where all pixels are others now, as after a change of data.invert: lines keep their rows
    """
    from digitflow.base import checksums as sfv
    from digitflow.dataset import applied
    from digitflow.dataset.corrections import follow
    from digitflow.dataset.locations import enter_project

    named = corrections and corrections.absolute()
    folder = enter_project(folder, "data/idx")
    corrections = Path(os.path.relpath(named or applied.DEFAULT))
    applied.check_is_there(corrections, applied.shown_by("data/png/train"))
    images = sorted(folder.glob("train-images-idx?-ubyte"), key=lambda path: path.stat().st_mtime)
    if not images:
        raise InputError(
            f"{folder}: no images of the training CSV; type this in the folder of a project that was run"
        )
    labels = folder / "train-labels-idx1-ubyte"
    sfv.check([folder / "train.sfv"], images[-1], labels)
    lines = follow(corrections, images[-1], labels, folder / "classes.csv", by_id)
    print("\n".join(lines or [f"{corrections}: every line with a checksum is about its row in {folder}"]))


def restore_corrections(corrections: Output | None = None, tree: str = "data/png/train") -> None:
    """Write a lost file of corrections again.

    It becomes what it was when it was applied last, and what the tree shows beside.

    corrections: the file of corrections (corrections.csv)
    tree: the tree of training pictures
    """
    from digitflow.dataset import adoption, applied
    from digitflow.dataset.locations import enter_project

    named = corrections and corrections.absolute()
    tree = enter_project(tree, "data/png/train")
    print(adoption.restore_corrections(os.path.relpath(named or applied.DEFAULT), tree))


def clean_stale(configfile: list[Input] | None = None, remove: bool = False) -> None:
    """List what earlier configurations have left, or remove it.

    configfile: the configuration of the project, as one gives it to a run
    remove: true, to remove them
    """
    from digitflow import config, stale
    from digitflow.base.files import remove_whole

    # The defaults know none of a project's own models: all of them would be left by others.
    loaded = config.load(configfile or [])
    config.check_folder(config.CLONE, loaded["data"], configured=bool(configfile))
    found = stale.find(loaded)
    for path in found:
        print(path)
    if remove:
        remove_whole(found)
    elif found:
        print(f"{len(found)} left by other configurations; --remove true removes them")
