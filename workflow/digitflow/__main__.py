"""The verbs: `python -m digitflow VERB --flag value ...`. A verb parses its flags and calls functions.

What a verb needs is imported when it runs: MXNet's environment has no Keras, and the other way round, and
a conversion should not wait for either.
"""

import argparse
import json
import logging
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from digitflow.base.errors import DigitflowError

log = logging.getLogger("digitflow")


Run = Callable[[argparse.Namespace], None]


def add_required(parser: argparse.ArgumentParser, *flags: str, **options) -> None:
    """Add flags that must be given."""
    for flag in flags:
        parser.add_argument(flag, required=True, **options)


def one_blas_thread() -> None:
    """Keep numpy from starting threads for matrix products: 40 ms that a conversion gains nothing from."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def in_processes(most: int, *calls: Callable[[], object]) -> None:
    """Run calls in processes, so many at a time; raise the error of the first call that failed.

    Threads would wait for each other: numpy takes Python's lock again after each of its short operations.
    """
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    with ProcessPoolExecutor(min(most, len(calls)), get_context("fork")) as pool:
        for future in [pool.submit(call) for call in calls]:
            future.result()


def add_checksums(parser: argparse.ArgumentParser) -> None:
    """Add the flag by which whole IDX files and lists are told from damaged ones."""
    parser.add_argument("--checksums", nargs="+", default=[], help=".sfv files with the CRC-32 of inputs")


def fetch_mnist(parser: argparse.ArgumentParser) -> Run:
    """Write the MNIST images as a train CSV, a test CSV and its solution"""
    add_required(parser, "--archive", "--train-csv", "--test-csv", "--solution-csv")
    add_required(parser, "--layout", choices=["kaggle", "standard"])

    def run(args: argparse.Namespace) -> None:
        from digitflow.dataset.mnist import mnist_csv

        mnist_csv(args.archive, args.layout, args.train_csv, args.test_csv, args.solution_csv)

    return run


def official_idx(parser: argparse.ArgumentParser) -> Run:
    """Write the official MNIST images as IDX files, and the test labels as a solution"""
    add_required(parser, "--archive", "--train-images", "--train-labels", "--test-images", "--solution-csv")
    parser.add_argument("--checksums", help="an .sfv file that gets the CRC-32 of each file")

    def run(args: argparse.Namespace) -> None:
        from digitflow.base import checksums
        from digitflow.dataset import mnist

        files = args.train_images, args.train_labels, args.test_images
        mnist.official_idx(args.archive, *files, args.solution_csv)
        if args.checksums:
            checksums.write(args.checksums, files)

    return run


def csv_to_idx(parser: argparse.ArgumentParser) -> Run:
    """Parse and check the CSVs, and write their pixels and labels as IDX files"""
    add_required(parser, "--train-csv", "--test-csv", "--train-images", "--train-labels", "--test-images")
    add_required(parser, "--height", "--width", "--classes", type=int)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--invert", action="store_true", help="write 255 - pixel: for dark digits on white")
    parser.add_argument("--checksums", help="an .sfv file that gets the CRC-32 of each file")

    def run(args: argparse.Namespace) -> None:
        one_blas_thread()
        from digitflow.base import checksums
        from digitflow.dataset.conversion import csv_to_idx

        files = [args.train_images, args.train_labels, args.test_images]
        image = {"height": args.height, "width": args.width}
        data = {"image": image, "classes": args.classes, "invert": args.invert}
        try:
            in_processes(
                args.threads,
                partial(csv_to_idx, args.train_csv, data, args.train_images, args.train_labels),
                partial(csv_to_idx, args.test_csv, data, args.test_images),
            )
        except Exception:  # a wrong CSV leaves no files of the other one either
            for path in files:
                Path(path).unlink(missing_ok=True)
            raise
        if args.checksums:
            checksums.write(args.checksums, files)

    return run


def gzip_idx(parser: argparse.ArgumentParser) -> Run:
    """Compress an IDX file; equal contents give equal bytes."""
    add_required(parser, "--idx", "--gz")

    def run(args: argparse.Namespace) -> None:
        from digitflow.formats.idx import write_gz

        write_gz(args.idx, args.gz)

    return run


def idx_to_png(parser: argparse.ArgumentParser) -> Run:
    """Write an IDX file as a tree of PNG files, a folder a label where there are labels"""
    add_required(parser, "--images", "--tree")
    parser.add_argument("--labels")
    parser.add_argument("--classes", type=int)
    add_checksums(parser)

    def run(args: argparse.Namespace) -> None:
        one_blas_thread()
        from digitflow.base import checksums
        from digitflow.formats.png import write_tree

        checksums.check(args.checksums, args.images, *([args.labels] if args.labels else []))
        write_tree(args.images, args.tree, args.labels, args.classes)

    return run


def write_lst(parser: argparse.ArgumentParser) -> Run:
    """List all images, labels taken from the trees' folders, and split off the validation rows."""
    add_required(parser, "--train-images", "--test-images", help="IDX files: how many rows there are")
    parser.add_argument("--train-tree", help="without trees, labels are those of the CSV")
    parser.add_argument("--test-tree")
    parser.add_argument("--train-labels", help="an IDX file, in the place of trees")
    parser.add_argument("--root", help="the folder that the list's paths start from")
    add_required(parser, "--train-lst", "--valid-lst", "--test-lst")
    add_required(parser, "--classes", "--seed", type=int)
    add_required(parser, "--fraction", type=float)
    parser.add_argument("--list-checksums", help="an .sfv file that gets the CRC-32 of each list")
    add_checksums(parser)

    def run(args: argparse.Namespace) -> None:
        one_blas_thread()
        from digitflow.base import checksums
        from digitflow.formats import idx, lst

        train_rows, test_rows = (
            idx.read_header(path, 3)[0] for path in (args.train_images, args.test_images)
        )
        if args.train_labels:
            checksums.check(args.checksums, args.train_labels)
            labels = idx.read_labels(args.train_labels, train_rows, args.classes)
            labelled = lst.of_rows("train", train_rows, labels)
            test = lst.of_rows("test", test_rows)
        else:
            labelled = lst.scan_tree(args.train_tree, args.root, args.classes, train_rows)
            test = lst.scan_tree(args.test_tree, args.root, rows=test_rows)
        lists = args.train_lst, args.valid_lst, args.test_lst
        lst.write_split(labelled, test, *lists, args.classes, args.fraction, args.seed)
        if args.list_checksums:
            checksums.write(args.list_checksums, lists)

    return run


def pack_rec(parser: argparse.ArgumentParser) -> Run:
    """Pack the images of a list, or of one shard of it, into a RecordIO file and its index."""
    add_required(parser, "--lst", "--rec", "--idx")
    parser.add_argument("--root", help="the folder that the list's paths start from")
    parser.add_argument("--images", help="an IDX file, in the place of PNG files")
    parser.add_argument("--shard", type=int, default=0)
    parser.add_argument("--shards", type=int, default=1)
    add_checksums(parser)

    def run(args: argparse.Namespace) -> None:
        one_blas_thread()
        from digitflow.base import checksums
        from digitflow.formats import lst, recordio

        checksums.check(args.checksums, args.lst, *([args.images] if args.images else []))
        listing = lst.shard(lst.read(args.lst), args.shard, args.shards)
        if args.images:
            recordio.write_rows(args.rec, args.idx, listing, args.images)
        else:
            recordio.write(args.rec, args.idx, listing, args.root)

    return run


def shards_of(args: argparse.Namespace, part: str) -> list[tuple[str, str]]:
    """The (.rec, .idx) files of a part, one pair a shard."""
    return list(zip(vars(args)[f"{part}_rec"], vars(args)[f"{part}_idx"], strict=True))


def verify(parser: argparse.ArgumentParser) -> Run:
    """Read IDX files, PNG trees, lists and RecordIO files back and compare them image by image."""
    add_required(parser, "--train-images", "--train-labels", "--test-images", "--train-tree", "--test-tree")
    add_required(parser, "--root", "--report")
    add_required(parser, "--classes", type=int)
    add_checksums(parser)
    for part in ("train", "valid", "test"):
        add_required(parser, f"--{part}-lst")
        add_required(parser, f"--{part}-rec", f"--{part}-idx", nargs="+", help="the shards in their order")

    def run(args: argparse.Namespace) -> None:
        from digitflow.base import checksums
        from digitflow.base.files import atomic_open
        from digitflow.dataset.verify import verify

        files = args.train_images, args.train_labels, args.test_images
        checksums.check(args.checksums, *files, args.train_lst, args.valid_lst, args.test_lst)
        report = {
            "train": verify(
                args.train_images,
                args.train_tree,
                args.root,
                [args.train_lst, args.valid_lst],
                [shards_of(args, "train"), shards_of(args, "valid")],
                args.train_labels,
                args.classes,
            ),
            "test": verify(
                args.test_images, args.test_tree, args.root, [args.test_lst], [shards_of(args, "test")]
            ),
        }
        for name, counts in report.items():
            log.info(f"{name}: " + ", ".join(f"{count:,} {what}" for what, count in counts.items()))
        with atomic_open(args.report, "w") as file:
            file.write(json.dumps(report, indent=2) + "\n")

    return run


def add_hyperparameters(parser: argparse.ArgumentParser) -> None:
    """Add the flags that say what is trained, and on what."""
    add_required(parser, "--settings", help="hyper-parameters as a JSON object")
    add_required(parser, "--seed", "--classes", type=int)
    parser.add_argument("--threads", type=int, default=1)


def add_training(parser: argparse.ArgumentParser) -> None:
    """Add the flags that training has in all frameworks."""
    add_hyperparameters(parser)
    add_required(parser, "--history", "--metrics", "--valid-probabilities", "--test-probabilities", type=Path)


def add_device(parser: argparse.ArgumentParser) -> None:
    """Add the flag of the frameworks that can use a GPU."""
    add_required(parser, "--device", choices=["auto", "cpu", "gpu"])


def add_rows(parser: argparse.ArgumentParser) -> None:
    """Add the flags of training on IDX images, with a .lst as the choice of rows."""
    add_required(parser, "--images", "--test-images", "--train-lst", "--valid-lst", "--test-lst", type=Path)
    add_required(parser, "--model", type=Path)
    add_checksums(parser)


def check_rows(args: argparse.Namespace) -> None:
    """Refuse images and lists that are not what their checksums say."""
    from digitflow.base import checksums

    lists = args.train_lst, args.valid_lst, args.test_lst
    checksums.check(args.checksums, args.images, args.test_images, *lists)


def training_outputs(args: argparse.Namespace):
    """What training writes beside the model, in all frameworks."""
    from digitflow.training.results import Outputs

    return Outputs(args.history, args.metrics, args.valid_probabilities, args.test_probabilities)


def train_keras(parser: argparse.ArgumentParser) -> Run:
    """Train a Keras model on the rows of a .lst, and predict the validation and the test rows"""
    add_rows(parser)
    add_training(parser)
    add_device(parser)

    def run(args: argparse.Namespace) -> None:
        from digitflow.training.keras_trainer import train
        from digitflow.training.settings import Settings

        check_rows(args)
        train(
            args.images,
            args.test_images,
            args.train_lst,
            args.valid_lst,
            args.test_lst,
            settings=Settings.from_json(args.settings),
            classes=args.classes,
            seed=args.seed,
            device=args.device,
            threads=args.threads,
            model=args.model,
            outputs=training_outputs(args),
        )

    return run


def find_learning_rate(parser: argparse.ArgumentParser) -> Run:
    """Train a Keras model with a rising learning rate, draw how the loss goes, and suggest a rate"""
    add_required(parser, "--images", "--train-lst", type=Path)
    add_required(parser, "--curve", help="a CSV with a row a step")
    add_required(parser, "--figure", help="the curve as a PNG")
    add_hyperparameters(parser)
    add_device(parser)

    def run(args: argparse.Namespace) -> None:
        from digitflow.look import curves
        from digitflow.training import learning_rate_finder
        from digitflow.training.settings import Settings

        settings = Settings.from_json(args.settings)
        curve = learning_rate_finder.find(
            args.images,
            args.train_lst,
            classes=args.classes,
            settings=settings,
            seed=args.seed,
            device=args.device,
            threads=args.threads,
        )
        curve.write(args.curve)
        title = f"{settings.architecture}, {settings.optimizer}, batches of {settings.batch_size}"
        curves.learning_rate_curve(
            args.figure, curve.rates, curve.losses, curve.smoothed, curve.suggested, title
        )

    return run


def train_mxnet(parser: argparse.ArgumentParser) -> Run:
    """Train an MXNet model on RecordIO files, and predict the validation and the test rows"""
    for part in ("train", "valid", "test"):
        add_required(parser, f"--{part}-rec", f"--{part}-idx", nargs="+", type=Path, help="in order")
    add_required(parser, "--height", "--width", type=int)
    add_required(parser, "--symbol", "--params", type=Path)
    add_training(parser)
    add_device(parser)

    def run(args: argparse.Namespace) -> None:
        from digitflow.training.mxnet_trainer import train
        from digitflow.training.settings import Settings

        train(
            *(shards_of(args, part) for part in ("train", "valid", "test")),
            shape=(args.height, args.width),
            classes=args.classes,
            settings=Settings.from_json(args.settings),
            seed=args.seed,
            device=args.device,
            threads=args.threads,
            symbol=args.symbol,
            params=args.params,
            outputs=training_outputs(args),
        )

    return run


def train_numpy(parser: argparse.ArgumentParser) -> Run:
    """Train a plain numpy model on the rows of a .lst, and predict the validation and the test rows"""
    add_rows(parser)
    add_training(parser)

    def run(args: argparse.Namespace) -> None:
        os.environ["OPENBLAS_NUM_THREADS"] = str(args.threads)  # numpy reads it as it is imported
        from digitflow.training.numpy_trainer import train
        from digitflow.training.settings import Settings

        check_rows(args)
        train(
            args.images,
            args.test_images,
            args.train_lst,
            args.valid_lst,
            args.test_lst,
            settings=Settings.from_json(args.settings),
            classes=args.classes,
            seed=args.seed,
            model=args.model,
            outputs=training_outputs(args),
            threads=args.threads,
        )

    return run


def add_merging(parser: argparse.ArgumentParser, probabilities: str) -> None:
    """Add the flags that say what is merged and how."""
    parser.add_argument(
        probabilities,
        nargs="+",
        action="append",
        required=True,
        help="one model's files, one a seed; repeat the flag for each model",
    )
    parser.add_argument("--method", choices=["mean", "vote"], default="mean")
    parser.add_argument(
        "--weights", type=json.loads, help="a JSON array of numbers, one a model; default equal"
    )


def submit(parser: argparse.ArgumentParser) -> Run:
    """Merge the test probabilities of one or several models into a submission"""
    add_merging(parser, "--probabilities")
    add_required(parser, "--test-lst", "--submission")

    def run(args: argparse.Namespace) -> None:
        from digitflow.formats import labelscsv, lst
        from digitflow.formats.probabilities import read_probabilities
        from digitflow.merging import methods

        rows = len(lst.read_complete(args.test_lst))
        models = [[read_probabilities(path, rows) for path in seeds] for seeds in args.probabilities]
        merged = methods.merge(args.method, models, args.weights)
        labelscsv.write(args.submission, merged.argmax(axis=1))
        log.info(f"{args.submission}: {rows:,} rows from {len(models)} model(s)")

    return run


def score(parser: argparse.ArgumentParser) -> Run:
    """Score one training on the validation rows, and on the test rows where a solution is known"""
    add_required(parser, "--training", help="the folder of its results")
    add_required(parser, "--model", help="its name in the table")
    add_required(parser, "--valid-lst", "--score")
    parser.add_argument("--solution", help="ImageId,Label of the test rows")

    def run(args: argparse.Namespace) -> None:
        from digitflow.base.files import atomic_open
        from digitflow.scoring.table import score_folder

        row = score_folder(args.training, args.model, args.valid_lst, args.solution)
        with atomic_open(args.score, "w") as file:
            file.write(json.dumps(row, indent=2) + "\n")

    return run


def solution_to_idx(parser: argparse.ArgumentParser) -> Run:
    """Write the labels of a solution as an IDX file, as the official test labels are."""
    add_required(parser, "--solution", "--labels")
    add_required(parser, "--classes", type=int)

    def run(args: argparse.Namespace) -> None:
        from digitflow.formats import idx, labelscsv

        idx.write(args.labels, labelscsv.read(args.solution, args.classes).astype("uint8"))

    return run


def add_table(parser: argparse.ArgumentParser) -> None:
    """Add the flags that the row of the merged submission is made from."""
    add_merging(parser, "--valid-probabilities")
    add_required(parser, "--valid-lst", "--submission")
    parser.add_argument("--solution", help="ImageId,Label of the test rows")


def merged_row(args: argparse.Namespace) -> dict:
    """The merged submission's row of the table."""
    from digitflow.scoring.table import score_merged

    return score_merged(
        args.method, args.valid_probabilities, args.weights, args.submission, args.valid_lst, args.solution
    )


def score_table(parser: argparse.ArgumentParser) -> Run:
    """Gather the models' scores, add the merged submission's, and write the table"""
    parser.add_argument("--scores", nargs="+", required=True)
    add_table(parser)
    add_required(parser, "--table")

    def run(args: argparse.Namespace) -> None:
        from digitflow.scoring.table import read_score, write_table

        write_table(args.table, [*map(read_score, args.scores), merged_row(args)])

    return run


def add_pairs(parser: argparse.ArgumentParser) -> None:
    """Add the flags that the table of pairs needs beside those of `add_table`."""
    add_required(parser, "--models", nargs="+", help="the names of the merged models, in order")
    add_required(parser, "--submissions", nargs="+", help="the models' own, in the same order")


def pairs(args: argparse.Namespace) -> list[dict]:
    """The rows of the table of pairs."""
    from digitflow.scoring.pairs import compare_models

    return compare_models(
        args.method,
        args.models,
        args.valid_probabilities,
        args.weights,
        args.submissions,
        args.submission,
        args.valid_lst,
        args.solution,
    )


def compare_models(parser: argparse.ArgumentParser) -> Run:
    """Compare every two of the models and the merged submission, and write the table of pairs"""
    add_table(parser)
    add_pairs(parser)
    add_required(parser, "--table")

    def run(args: argparse.Namespace) -> None:
        from digitflow.scoring.pairs import PAIR_COLUMNS
        from digitflow.scoring.table import write_table

        write_table(args.table, pairs(args), PAIR_COLUMNS)

    return run


def show_mistakes(parser: argparse.ArgumentParser) -> Run:
    """Draw the confusion matrix and the worst mistakes of one training, or of several that are merged"""
    add_merging(parser, "--probabilities")
    add_required(parser, "--images", help="the IDX file with the rows of the list")
    add_required(parser, "--lst", help="the images, and their labels where there is no solution")
    parser.add_argument("--solution", help="ImageId,Label of the test rows")
    add_required(parser, "--title", "--confusion", "--confusion-figure", "--mistakes-figure")

    def run(args: argparse.Namespace) -> None:
        from digitflow.formats import idx, lst
        from digitflow.look import mistakes
        from digitflow.look.mistakes import CONFUSED, WORST, find_mistakes, write_confusion
        from digitflow.merging import methods
        from digitflow.scoring import table
        from digitflow.scoring.measures import most_confused

        listing = lst.read(args.lst)
        models = table.read_models(args.probabilities, len(listing))
        merged = methods.merge(args.method, models, args.weights)
        known = table.test_labels(args.solution, *merged.shape)
        found = find_mistakes(merged, listing.label if known is None else known, WORST)
        rows = "validation" if known is None else "test"
        title = f"{args.title}: {found.wrong:,} of {len(listing):,} {rows} images wrong"
        log.info(title)
        for true, given, count in most_confused(found.matrix, CONFUSED):
            log.info(f"{true} taken for {given}: {count:,}")
        images = idx.open_memmap(args.images, ndim=3)[listing.index[found.rows] - 1]
        names = [Path(listing.path[row]).stem for row in found.rows]
        write_confusion(args.confusion, found.matrix)
        mistakes.confusion_figure(args.confusion_figure, found.matrix, title)
        if len(names) < found.wrong:
            title += f"; the {len(names)} with the highest probability"
        mistakes.mistakes_figure(args.mistakes_figure, images, names, found, title)

    return run


def show_curves(parser: argparse.ArgumentParser) -> Run:
    """Draw the accuracy, the loss and the learning rate of a training"""
    add_required(parser, "--history", "--title", "--figure")

    def run(args: argparse.Namespace) -> None:
        from digitflow.look import curves
        from digitflow.studies import table

        curves.curves_figure(args.figure, table.read_history(args.history), args.title)

    return run


def summary(parser: argparse.ArgumentParser) -> Run:
    """Print the table of scores from the trainings' own files, and where everything is"""
    add_table(parser)
    add_pairs(parser)

    def run(args: argparse.Namespace) -> None:
        from digitflow.scoring.pairs import format_pairs
        from digitflow.scoring.table import format_seeds, format_table, score_folder

        folders = [Path(path).parent for seeds in args.valid_probabilities for path in seeds]
        rows = [score_folder(folder, folder.parent.name, args.valid_lst, args.solution) for folder in folders]
        log.info(format_table([*rows, merged_row(args)]))
        for line in [*format_seeds(rows), *format_pairs(pairs(args))]:
            log.info(line)
        log.info(f"submission: {args.submission}   models: results/models/   logs: logs/   digits: data/png/")

    return run


def study(parser: argparse.ArgumentParser) -> Run:
    """Rank the points of a study, and draw its figure"""
    add_required(parser, "--study", type=json.loads, help="title, model and vary, as a JSON object")
    add_required(parser, "--models", help="the folder with a folder a point")
    add_required(parser, "--valid-lst", "--table", "--pairs", "--figure")
    parser.add_argument("--solution", help="ImageId,Label of the test rows")

    def run(args: argparse.Namespace) -> None:
        from digitflow.studies import figure, table

        results = table.read(args.study, args.models)
        table.write_table(args.table, results)
        table.write_pairs(args.pairs, results, args.valid_lst, args.solution)
        figure.study_figure(args.figure, results)
        best = results[0]
        log.info(f"{args.study['title']} {len(results)} points; the best: {best.point.name}")

    return run


def experiments(parser: argparse.ArgumentParser) -> Run:
    """Put all studies on one page, with copies of their tables and figures beside it"""
    add_required(parser, "--studies", type=json.loads, help="a JSON object, name to study")
    add_required(parser, "--tables", "--pairs", "--figures", nargs="+", help="one a study, in order")
    add_required(parser, "--models", help="the folder with a folder a model")
    add_required(parser, "--learning-rates", help="the folder with what the finder drew")
    add_required(parser, "--page", help="copies go to a folder `experiments` beside it")

    def run(args: argparse.Namespace) -> None:
        from digitflow.studies import page

        files = zip(args.tables, args.pairs, args.figures, strict=True)
        studies = [
            page.Study(name, keys, *map(Path, left))
            for (name, keys), left in zip(args.studies.items(), files, strict=True)
        ]
        page.write(args.page, studies, args.models, args.learning_rates)

    return run


VERBS: list[Callable[[argparse.ArgumentParser], Run]] = [
    fetch_mnist,
    official_idx,
    csv_to_idx,
    gzip_idx,
    idx_to_png,
    write_lst,
    pack_rec,
    verify,
    train_keras,
    find_learning_rate,
    train_mxnet,
    train_numpy,
    submit,
    solution_to_idx,
    score,
    score_table,
    compare_models,
    show_mistakes,
    show_curves,
    summary,
    study,
    experiments,
]


def main(arguments: list[str] | None = None) -> int:
    """Run a verb; returns the exit status: 0, or 1 after a message on what the user can put right."""
    parser = argparse.ArgumentParser(prog="python -m digitflow", description=sys.modules["digitflow"].__doc__)
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    for verb in VERBS:
        subparser = verbs.add_parser(
            verb.__name__, help=verb.__doc__, description=verb.__doc__, allow_abbrev=False
        )
        subparser.add_argument("--log", help="a file that gets a copy of what is printed")
        subparser.set_defaults(run=verb(subparser))
    args = parser.parse_args(arguments)
    return run_logged(args.run, args)


def log_file(path: str) -> logging.Handler:
    """A file, new each time, that gets each message with the time of day."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(path, mode="w", encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    return handler


def run_logged(run: Run, args: argparse.Namespace) -> int:
    """Run with messages going to standard error and to the log; map a user's error to exit status 1."""
    logging.raiseExceptions = False  # a line that finds no room in the log is printed all the same
    log.setLevel(logging.INFO)
    log.handlers = [logging.StreamHandler(sys.stderr)]
    try:
        if args.log:
            log.addHandler(log_file(args.log))
        run(args)
    except DigitflowError as error:
        log.error(f"error: {error}")
        return 1
    except OSError as error:  # a full disk, a read-only folder: the system's own words say what and where
        log.error(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        log.error("interrupted")
        return 130
    except Exception:
        log.exception("this is a fault of digitflow's own; please report it with these lines:")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
