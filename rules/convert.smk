# CSV -> IDX -> lists -> RecordIO files, and beside them trees of PNG files to look at.
# Outputs are brought up to date in place (`update`): if a job fails, the old ones are still there.

from digitflow.formats import corrections as corrections_csv


def tree_of(part):
    """The tree with a list's images."""
    return "test" if part == "test" else "train"


def parts_of(tree):
    """The lists that together name each image of a tree once: with folds, the whole list trains and validates."""
    return ["test"] if tree == "test" else ["train"] if FOLDS else ["train", "valid"]


def lists_of(tree):
    """The files of those lists."""
    return [f"data/rec/{part}.lst" for part in parts_of(tree)]


def checksums_of(tree):
    """The checksums of a tree's images and lists."""
    return [f"data/idx/{tree}.sfv", "data/rec/test.sfv" if tree == "test" else "data/rec/lists.sfv"]


def records_of(tree, kind):
    """The RecordIO files ("rec") of a tree's lists, or their indices ("idx"), shard by shard."""
    return [path for part in parts_of(tree) for path in shards("data/rec", part, kind)]


def stamp_of_corrections(path):
    """Like `stamp`, for the file of corrections: of the labels that it changes. Checksums, notes and lines that say `ok`
    need nothing made again.
    """
    return lambda wildcards: schema.canonical({path: corrections_csv.stamp(path, RENEWED)}) if path else ""


# Whose images are compared in size. Functions of the input are no settings: these files change nothing.


def training_images(wildcards, input):
    """The training images."""
    return "" if DATA["source"] == "mnist" else TRAIN_PATH


def test_images(wildcards, input):
    """The test images, if they are there."""
    return TEST_PATH if TEST_CSV and DATA["source"] != "mnist" and os.path.exists(TEST_CSV) else ""


VALIDATION = picked(config["validation"], *([] if FOLDS else ["fraction"]), "folds", "seed")


localrules:
    gzip_idx,
    write_lst,
    write_given_lst,
    write_official_lst,
    write_test_lst,


rule csv_to_idx:
    """Parse and check the images of a CSV once; all later jobs read pixels and labels from IDX files."""
    input:
        csv=source(TRAIN_CSV),
        labels_file=LABELS_FILE if DATA["source"] == "idx" else [],
        others=[LABELS_FILE, NAMES_FILE],
    output:
        images=update(f"data/idx/train-{IMAGES}"),
        labels=update("data/idx/train-labels-idx1-ubyte"),
        classes=update("data/idx/classes.csv"),
        checksums=update("data/idx/train.sfv"),
        ids=update("data/idx/train-ids.csv"),
    log:
        "logs/csv_to_idx/train.log",
    params:
        member=TRAIN_MEMBER,
        data=as_text(READING),
        like=test_images,
        submission="null",
        stamp=stamp(OWN_TRAIN, LABELS_FILE, NAMES_FILE),
        code=code("csv_to_idx"),
    shell:
        call("csv_to_idx")


# First of all, with the check of the solution: wrong test images or submissions stop a run before it trains.
use rule csv_to_idx as csv_to_idx_test with:
    input:
        csv=source(TEST_CSV) if TEST_CSV else [],
        test_set=lambda wildcards: tested([]),
        labels_file=[],
        sample=SAMPLE,
        train=ancient(TRAIN_CSV) if DATA["source"] == "kaggle" else [],  # it may need to be downloaded first
    output:
        images=update(f"data/idx/test-{IMAGES}"),
        labels=[],
        classes=[],
        checksums=update("data/idx/test.sfv"),
        ids=update("data/idx/test-ids.csv"),
    log:
        "logs/csv_to_idx/test.log",
    priority: 100
    params:
        member=TEST_MEMBER,
        like=training_images,
        submission=picked(config["submission"], "sample"),  # the images do not depend on the header
        stamp=stamp(OWN_TEST, SAMPLE),


rule gzip_idx:
    """A gzipped IDX file, as the official ones are served; made on demand."""
    input:
        idx="data/idx/{name}-ubyte",
    output:
        gz=update("data/idx/{name}-ubyte.gz"),
    log:
        "logs/gzip_idx/{name}.log",
    params:
        code=code("gzip_idx"),
    shell:
        call("gzip_idx")


rule write_lst:
    """List the training images with their labels; choose the validation rows by id."""
    input:
        images=f"data/idx/train-{IMAGES}",
        labels="data/idx/train-labels-idx1-ubyte",
        classes="data/idx/classes.csv",
        checksums="data/idx/train.sfv",
        corrections=ancient(CORRECTIONS) if CORRECTIONS else [],  # `stamp` tells what is new in them
        ids="data/idx/train-ids.csv",  # to warn of corrections that may mean one of them
    output:
        train_lst=update("data/rec/train.lst"),
        valid_lst=update("data/rec/valid.lst"),
        applied=update("data/rec/corrections.json"),
        fold_train_lsts=[update(f"data/rec{fold}/train.lst") for fold in FOLDS],
        fold_valid_lsts=[update(f"data/rec{fold}/valid.lst") for fold in FOLDS],
        list_checksums=[update(f"data/rec{fold}/lists.sfv") for fold in ["", *FOLDS]],
    log:
        "logs/write_lst.log",
    params:
        validation=VALIDATION,
        stamp=stamp_of_corrections(CORRECTIONS),
        code=code("write_lst"),
    shell:
        call("write_lst")


use rule write_lst as write_given_lst with:
    input:
        images=f"data/idx/train-{IMAGES}",
        labels="data/idx/train-labels-idx1-ubyte",
        classes="data/idx/classes.csv",
        checksums="data/idx/train.sfv",
        corrections=[],
        ids=[],
    output:
        train_lst=update("data/rec/given/train.lst"),
        valid_lst=update("data/rec/given/valid.lst"),
        applied=[],
        fold_train_lsts=[update(f"data/rec/given{fold}/train.lst") for fold in FOLDS],
        fold_valid_lsts=[update(f"data/rec/given{fold}/valid.lst") for fold in FOLDS],
        list_checksums=[update(f"data/rec/given{fold}/lists.sfv") for fold in ["", *FOLDS]],
    log:
        "logs/write_given_lst.log",
    params:
        stamp=stamp(),


# For studies, which use no folds.
use rule write_lst as write_official_lst with:
    input:
        images=rules.official_idx.output.train_images,
        labels=rules.official_idx.output.train_labels,
        classes=rules.official_idx.output.classes,
        checksums=rules.official_idx.output.checksums,
        corrections=[],
        ids=[],
    output:
        train_lst=update("data/official/train.lst"),
        valid_lst=update("data/official/valid.lst"),
        applied=[],
        fold_train_lsts=[],
        fold_valid_lsts=[],
        list_checksums=update("data/official/lists.sfv"),
    log:
        "logs/write_official_lst.log",
    params:
        stamp=stamp(),


rule write_test_lst:
    """List the test images."""
    input:
        images=lambda wildcards: tested(TEST_IMAGES),
    output:
        test_lst=update("data/rec/test.lst"),
        list_checksums=update("data/rec/test.sfv"),
    log:
        "logs/write_test_lst.log",
    params:
        code=code("write_test_lst"),
    shell:
        call("write_test_lst")


rule pack_rec:
    """Pack the images of a list into RecordIO files, as im2rec.py would from the list and its tree."""
    input:
        lst="data/rec{fold}/{part}.lst",
        images=lambda wildcards: f"data/idx/{tree_of(wildcards.part)}-{IMAGES}",
        checksums=lambda wildcards: [
            f"data/idx/{tree_of(wildcards.part)}.sfv",
            f"data/rec{wildcards.fold}/{'test' if wildcards.part == 'test' else 'lists'}.sfv",
        ],
    output:
        rec=update("data/rec{fold}/{part}{shard}.rec"),
        idx=update("data/rec{fold}/{part}{shard}.idx"),
    log:
        "logs/pack_rec{fold}/{part}{shard}.log",
    wildcard_constraints:
        fold=f"(?:/given)?(?:{one_of(FOLDS)})?",  # with folds, too, the test images are packed, and all rows
    priority: 20  # before all trainings, because MXNet's wait for it
    params:
        shard=lambda wildcards: int(wildcards.shard.strip("_") or 0),
        shards=config["rec"]["shards"],
        code=code("pack_rec"),
    shell:
        call("pack_rec")


def adopted(wildcards):
    """When changes by hand in a tree were adopted last: it then needs an update, also if the lines are gone again."""
    about = treetimes.read_about(f"data/png/{wildcards.tree}")
    return about.adopted if about else 0


rule idx_to_png:
    """Bring a tree of PNG files up to date: a folder for each label in train, a flat one for test."""
    input:
        images=f"data/idx/{{tree}}-{IMAGES}",
        lists=lambda wildcards: lists_of(wildcards.tree),
        labels=lambda wildcards: "data/idx/train-labels-idx1-ubyte" if wildcards.tree == "train" else [],
        classes=lambda wildcards: "data/idx/classes.csv" if wildcards.tree == "train" else [],
        checksums=lambda wildcards: checksums_of(wildcards.tree),
    output:
        manifest=update("data/png/{tree}.sfv"),
    log:
        "logs/idx_to_png/{tree}.log",
    params:
        tree="data/png/{tree}",
        corrections=lambda wildcards: DATA["corrections"] if wildcards.tree == "train" else "",
        source=lambda wildcards: TRAIN_PATH if wildcards.tree == "train" else "",
        adopted=adopted,
        png=as_text(inputs.drawing(config["png"])),
        code=code("idx_to_png"),
    shell:
        call("idx_to_png", python="nice python")  # a training that begins beside it goes first


rule trees:
    """The PNG trees of the training and the test images."""
    input:
        "data/png/train.sfv",
        "data/png/test.sfv" if TEST_CSV else [],


rule records:
    """The RecordIO files of all lists."""
    input:
        [shards("data/rec", part, "rec") for part in ("train", "valid")],
        shards("data/rec", "test", "rec") if TEST_CSV else [],


rule verify:
    """Read back IDX files, lists, records and trees, and compare them image by image; made on demand."""
    input:
        train_images=f"data/idx/train-{IMAGES}",
        train_lists=lists_of("train"),
        train_recs=records_of("train", "rec"),
        train_idxs=records_of("train", "idx"),
        test_images=TEST_IMAGES,
        test_lists=lists_of("test") if TEST_CSV else [],
        test_recs=records_of("test", "rec") if TEST_CSV else [],
        test_idxs=records_of("test", "idx") if TEST_CSV else [],
        checksums=checksums_of("train") + (checksums_of("test") if TEST_CSV else []),
        trees=rules.trees.input if TREES else [],
    output:
        report=update("results/verify.json"),
    log:
        "logs/verify.log",
    params:
        trees="data/png" if TREES else "",
        enlarge=config["png"]["enlarge"],
        shards=config["rec"]["shards"],
        code=code("verify"),
    shell:
        call("verify")
