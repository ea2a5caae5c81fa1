"""Verbs for people, which no rule calls."""

import os
from pathlib import Path

from digitflow.base.errors import InputError
from digitflow.verbs.commandline import Input, Output


def why(module: str) -> None:
    """Say which verbs run again after an edit of a module, and why.

    module: a module of the package, such as formats/png.py
    """
    from digitflow import codedigest
    from digitflow.verbs import commandline

    name = module.removeprefix("workflow/digitflow/").removesuffix(".py").replace("/", ".")
    stages = {verb: commandline.module_of(verb) for verb in commandline.all_verbs()}
    print("\n".join(codedigest.reasons(name, stages)))


def choose_gpu(choice: Output) -> None:
    """Find the builds that suit this machine's GPUs.

    `make gpu` does this, and installs them.

    choice: the file to write the names of the builds to
    """
    from digitflow.training import builds, driver

    chosen = builds.choose(driver.ask())
    print("\n".join(chosen.reasons))
    builds.write(chosen, choice)


def show_device(framework: str) -> None:
    """Say what a framework trains on here.

    `make devices` asks both frameworks, each in its environment.

    framework: keras or mxnet
    """
    from digitflow.training import keras_predictor, mxnet_predictor

    prepare = {"keras": keras_predictor.prepare, "mxnet": mxnet_predictor.prepare}
    if framework not in prepare:
        raise InputError(
            f"{framework!r} is not one of {', '.join(prepare)}; type digitflow show_device keras"
        )
    try:
        prepare[framework]("auto", 1)
    except ModuleNotFoundError as error:
        raise InputError(
            f"{error.name} is not installed in the environment of this command; type make devices in the "
            "clone, which asks each framework in its own environment"
        ) from None


def runs(by: str = "time", folder: Input | None = None) -> None:
    """List the remembered runs, with the settings in which they differ.

    by: what to sort by, time or score
    folder: the folder of the runs (results/runs)
    """
    from digitflow.competing import runs, runs_table

    if folder and not folder.is_dir():
        raise InputError(f"{folder}: no such folder; a project remembers its runs in results/runs")
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

    Exit status 1 if the second is significantly worse.

    first: a run of results/runs, a folder of results, or a submission
    second: the run, folder or submission to compare it with
    folder: the folder for the page with the images
    solution: the true labels, as a CSV of ids and labels
    classes: the file with the names of the labels
    test_labels: the true labels, as converted by a run
    images: the folder of the test images as IDX files
    """
    from digitflow.competing import compare, comparison_page, sides
    from digitflow.dataset import classes as class_names
    from digitflow.formats import labelscsv

    if not classes.exists():
        raise InputError(f"{classes}: not found; type this in the folder of a project that was run")
    names, own = class_names.read(classes), Path("results/submission.csv")
    form = labelscsv.read_sample(own) if own.exists() else None
    if solution:
        truth = (labelscsv.read(solution, names, form),)
    else:
        truth = sides.read_converted_truth(test_labels, images)
    both = [sides.read_side(path, names, form, *truth) for path in (first, second)]
    comparison = compare.compare(*both, names)
    comparison_page.write_comparison_folder(folder, comparison, images)
    print(f"{compare.as_text(comparison)}\n\npage: {folder / 'index.html'}")
    return int(comparison.worse)


def describe(files: list[Input], configfile: list[Input] | None = None, sheet: Output | None = None) -> int:
    """Say what a file of images holds, and how it is read.

    Exit status 1 if a file cannot be read as it is.

    files: CSVs, archives of them, IDX files, or folders of pictures
    configfile: a configuration to read them with, as for a run
    sheet: a PNG file to draw the first hundred images into, to see whether they are upright; for several
      files, one numbered sheet each
    """
    import json

    from digitflow.config import inputs, loading
    from digitflow.dataset.describe import describe_files

    data = json.loads(inputs.reading(loading.load(configfile)["data"])) if configfile else {}
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

    It is served only to this machine, and each decision is written to the file of corrections at once.

    page: the page, which `snakemake results/look/index.html` makes
    corrections: the file of corrections; by default that of the configuration the page was made with
    png: the folder of the trees that the page links to; by default data/png of the page's project
    port: the port to serve on; by default any free one
    """
    from digitflow.look.server import serve

    serve(page, corrections, png, port)


def adopt(
    tree: str = "data/png/train",
    corrections: Input | None = None,
    deletions: bool = False,
    moves: bool = False,
) -> None:
    """Turn moved and deleted pictures into corrections.

    Each run does this, too.

    tree: the tree of training pictures
    corrections: the file of corrections; by default the one that the tree shows
    deletions: true to accept deletions even if they are too many for a run to accept
    moves: true to accept moves even if they are too many for a run to accept
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
            f"{inventory}: not found; type this in the folder of a project that was run. If its tree has "
            f"lost its inventory, {RUN_TREES}, which makes it again; then what was done by hand is noticed"
        )
    lines = adoption.adopt(tree, f"{tree}.sfv", corrections, deletions, moves)
    if lines and not applied.same_file(corrections, shown):
        lines.append(f"{tree} shows {shown}: only runs with data.corrections: {corrections} will use these")
    for line in lines:
        print(line)


def follow_corrections(
    corrections: Input | None = None, folder: Input = Path("data/idx"), by_id: bool = False
) -> None:
    """Renumber corrections whose rows moved in the CSV.

    Rows are found again by the checksums of their pixels.

    corrections: the file of corrections (corrections.csv)
    folder: the folder of the training images as IDX files
    by_id: true if all pixels have changed, as after a change of data.invert: lines keep their rows
    """
    from digitflow.base import checksums as sfv
    from digitflow.dataset import applied
    from digitflow.dataset.corrections import follow
    from digitflow.dataset.locations import converted_images, enter_project

    named = corrections and corrections.absolute()
    folder = enter_project(folder, "data/idx")
    corrections = Path(os.path.relpath(named or applied.DEFAULT))
    applied.check_is_there(corrections, applied.shown_by("data/png/train"))
    images = converted_images(folder, "train")
    if not images:
        raise InputError(
            f"{folder}: no converted training images; type this in the folder of a project that was run"
        )
    labels = folder / "train-labels-idx1-ubyte"
    sfv.check([folder / "train.sfv"], images, labels)
    lines = follow(corrections, images, labels, folder / "classes.csv", by_id)
    print("\n".join(lines or [f"{corrections}: every line with a checksum is about its row in {folder}"]))


def restore_corrections(corrections: Output | None = None, tree: str = "data/png/train") -> None:
    """Restore a lost file of corrections.

    It gets the lines that were applied last, and the corrections that the tree shows beyond them.

    corrections: the file of corrections (corrections.csv)
    tree: the tree of training pictures
    """
    from digitflow.dataset import adoption, applied
    from digitflow.dataset.locations import enter_project

    named = corrections and corrections.absolute()
    tree = enter_project(tree, "data/png/train")
    print(adoption.restore_corrections(os.path.relpath(named or applied.DEFAULT), tree))


def clean_stale(configfile: list[Input] | None = None, remove: bool = False) -> None:
    """List what earlier configurations left behind, or remove it.

    configfile: the configuration of the project, as for a run
    remove: true to remove it
    """
    from digitflow import stale
    from digitflow.base import unfinished
    from digitflow.base.files import remove_whole
    from digitflow.config import input_checks, loading
    from digitflow.config.schema import CLONE

    # The defaults do not know a project's own models, which would all count as left behind.
    loaded = loading.load(configfile or [])
    input_checks.check_folder(CLONE, loaded["data"], configured=bool(configfile))
    found = stale.find(loaded)
    if remove and unfinished.is_locked():
        raise InputError(
            "nothing was removed: a run is working in this folder, or was killed: then type "
            "snakemake --unlock first"
        )
    # In the clone the defaults count as named, though the latest run may have had a file of its own.
    if remove and not configfile and (needed := stale.of_the_submission(found)):
        raise InputError(
            f"nothing was removed: {needed[0]} belongs to results/submission.csv, which was made with "
            "another configuration: name that, as in make clean-stale CONFIG=mine.yaml, or make the "
            "submission anew first"
        )
    for path in found:
        print(path)
    if remove:
        remove_whole(found)
    elif found:
        print(f"left by other configurations: {len(found)}; to remove all, add --remove true")
