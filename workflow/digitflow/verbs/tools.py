"""Verbs for people, which no rule calls."""

from pathlib import Path

from digitflow.base.errors import InputError
from digitflow.verbs.commandline import Input, Output


def why(module: str) -> None:
    """Say which verbs an edit of a module, such as formats/png.py, makes run again, and why."""
    from digitflow import codedigest
    from digitflow.verbs import commandline

    name = module.removeprefix("workflow/digitflow/").removesuffix(".py").replace("/", ".")
    stages = {verb: commandline.module_of(verb) for verb in commandline.all_verbs()}
    print("\n".join(codedigest.reasons(name, stages)))


def runs(by: str = "time", folder: Input = Path("results/runs")) -> None:
    """Print the runs that are remembered, --by time or score, with those settings in which they differ."""
    from digitflow.competing import runs

    found = runs.tabulate(runs.recall(folder), folder.parent / "kaggle")
    print(runs.format_runs(found, by))


def compare(
    first: Input,
    second: Input,
    folder: Output = Path("results/compare"),
    solution: Input | None = None,
    classes: Input = Path("data/idx/classes.csv"),
    test_labels: Input = Path("data/idx/test-labels-idx1-ubyte"),
    images: Input = Path("data/idx"),
) -> int:
    """Say what differs between two runs, folders of results or submissions, and which images flipped:
    digitflow compare A B. Exit status 1 where B is significantly worse.
    """
    from digitflow.competing import compare, comparison_page, submissions
    from digitflow.dataset import classes as class_names
    from digitflow.formats import idx

    names, own = class_names.read(classes), Path("results/submission.csv")
    read = submissions.reader(names, submissions.form_of(own) if own.exists() else None)
    true = read(solution) if solution else idx.read(test_labels, ndim=1) if test_labels.exists() else None
    sides = [compare.read_side(path, read, true) for path in (first, second)]
    comparison = compare.compare(*sides, names)
    print(compare.as_text(comparison))
    comparison_page.write_comparison_folder(folder, comparison, images)
    print(f"\npage: {folder / 'index.html'}")
    return int(comparison.worse)


def describe(files: list[Input], configfile: list[Input] | None = None, sheet: Input | None = None) -> None:
    """Say what files or folders of images are, and the configuration that reads them: digitflow describe
    train.csv test.csv. With --sheet FILE.png, draw the first hundred images, to see that they stand upright.
    """
    import json

    from digitflow import config
    from digitflow.dataset.describe import describe_file

    data = json.loads(config.reading(config.load(configfile)["data"])) if configfile else {}
    for path in files:
        if not any(place.exists() for place in (path, *list(path.parents)[:-1])):  # or in an archive
            raise InputError(f"{path}: no such file")
        print(describe_file(path, data, sheet))


def look(
    page: Input = Path("results/look/index.html"),
    corrections: Input = Path("corrections.csv"),
    png: Input = Path("data/png"),
    port: int = 0,
) -> None:
    """Serve the page to look at images on this machine alone; each decision is saved in corrections.csv at
    once.
    """
    from digitflow.look.server import serve

    serve(page, corrections, png if png.is_dir() else None, port)


def adopt(
    tree: str = "data/png/train", corrections: Input = Path("corrections.csv"), deletions: bool = False
) -> None:
    """Write what was moved or deleted by hand in the tree into the file of corrections, as each run does.

    With --deletions true, also deletions that are too many to be believed.
    """
    from digitflow.dataset import adoption

    adoption.check_not_lost(corrections, tree)
    for line in adoption.adopt(tree, f"{tree}.sfv", corrections, deletions):
        print(line)


def follow_corrections(
    corrections: Input = Path("corrections.csv"), folder: Input = Path("data/idx")
) -> None:
    """Write the new numbers of rows that moved in the training CSV into the lines of the corrections."""
    from digitflow.base import checksums as sfv
    from digitflow.dataset.corrections import follow

    images = sorted(folder.glob("train-images-idx?-ubyte"), key=lambda path: path.stat().st_mtime)
    if not images:
        raise InputError(f"{folder}: no images of the training CSV; run snakemake first")
    labels = folder / "train-labels-idx1-ubyte"
    sfv.check([folder / "train.sfv"], images[-1], labels)
    lines = follow(corrections, images[-1], labels, folder / "classes.csv")
    print("\n".join(lines or [f"{corrections}: every line with a checksum is about its row in {folder}"]))


def restore_corrections(corrections: Output = Path("corrections.csv"), tree: str = "data/png/train") -> None:
    """Write a file of corrections that was lost again, as it was applied last and as the tree shows it."""
    from digitflow.dataset import adoption

    print(adoption.restore_corrections(corrections, tree))


def clean_stale(configfile: list[Input] | None = None, remove: bool = False) -> None:
    """List what earlier configurations have left and this one does not ask for; with --remove true, remove
    it.
    """
    from digitflow import config, stale
    from digitflow.base.files import remove_whole

    found = stale.find(config.load(configfile or []))
    for path in found:
        print(path)
    if remove:
        remove_whole(found)
    elif found:
        print(f"{len(found)} left by other configurations; --remove true removes them")
