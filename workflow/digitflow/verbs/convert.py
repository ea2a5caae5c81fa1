"""Verbs of rules/convert.smk: CSV to IDX, lists, PNG trees and RecordIO files."""

from digitflow.verbs.commandline import Input, Json, Output


def csv_to_idx(
    csv: Input,
    images: Output,
    checksums: Output,
    data: Json,
    member: str = "",
    labels_file: Input | None = None,
    labels: Output | None = None,
    classes: Output | None = None,
    ids: Output | None = None,
    like: str = "",
    submission: Json = None,
) -> None:
    """Parse and check a CSV, a folder or IDX files; write the images, and the labels or ids if there are any,
    for all later steps.

    `member`: the file's name in the archive `csv`. `like`: the test images, or for these the training images,
    whose size these must have.
    """
    from digitflow.base import checksums as sfv
    from digitflow.dataset import sources
    from digitflow.formats import labelscsv

    with sfv.watched(*sources.files_read(csv, data, labels_file, labels is not None)) as digests:
        rows = sources.convert_source(
            csv / member, data, images, labels, classes, ids, labels_file, like or None
        )
        if ids and not labels:
            labelscsv.submission_form(submission, rows, ids, csv)  # refuses a sample with other rows
    sfv.write(checksums, [images, *([labels] if labels else [])], digests)


def gzip_idx(idx: Input, gz: Output) -> None:
    """Compress an IDX file; equal contents give equal bytes."""
    from digitflow.formats.idx import write_gz

    write_gz(idx, gz)


def write_lst(
    images: Input,
    labels: Input,
    classes: Input,
    checksums: list[Input],
    train_lst: Output,
    valid_lst: Output,
    list_checksums: list[Output],
    validation: Json,
    corrections: Input | None = None,
    ids: Input | None = None,
    applied: Output | None = None,
    fold_train_lsts: list[Output] | None = None,
    fold_valid_lsts: list[Output] | None = None,
) -> None:
    """List the training images with their corrected labels; say which train and which validate.

    `ids`: the rows' ids in the CSV; it warns of a correction that may mean one of these instead of a row's
    number. `applied`: a copy of the corrections, with the checksums of the pixels of all their rows.
    """
    from digitflow.base import checksums as sfv
    from digitflow.dataset import applied as last_applied
    from digitflow.dataset import lists
    from digitflow.formats import corrections as corrections_csv
    from digitflow.formats import lst

    sfv.check(checksums, images, labels)
    with sfv.watched(*([corrections] if corrections else [])) as digests:
        labelled, names, copy = lists.read_corrected(images, labels, classes, corrections, ids)
    if applied:  # lists of the labels as given only serve for comparison
        lists.check_every_class(labelled, names, copy)
    made_from = {path: corrections_csv.digest(path) for path in digests}
    first = lists.first_of_equals(images, labelled.index)
    if fold_train_lsts:
        lists.write_folds(labelled, fold_train_lsts, fold_valid_lsts, names, validation["seed"], first)
        for path in (train_lst, valid_lst):  # every row trains, and every row validates
            lst.write(path, labelled)
    else:
        fraction, seed = validation["fraction"], validation["seed"]
        lists.write_split(labelled, train_lst, valid_lst, names, fraction, seed, first)
    pairs = zip([train_lst, *(fold_train_lsts or ())], [valid_lst, *(fold_valid_lsts or ())], strict=True)
    for path, pair in zip(list_checksums, pairs, strict=True):
        sfv.write(path, pair, made_from)
    if applied:
        last_applied.write(applied, copy)


def write_test_lst(images: Input, test_lst: Output, list_checksums: Output) -> None:
    """List the test images."""
    from digitflow.base import checksums as sfv
    from digitflow.dataset import lists
    from digitflow.formats import idx, lst

    rows, *_ = idx.read_header(images, idx.IMAGES)
    lst.write(test_lst, lists.of_rows("test", rows))
    sfv.write(list_checksums, [test_lst])


def pack_rec(
    lst: Input, images: Input, checksums: list[Input], rec: Output, idx: Output, shard: int, shards: int
) -> None:
    """Pack the images of a list, or of one shard of it, into a RecordIO file and its index."""
    from digitflow.base import checksums as sfv
    from digitflow.dataset import packing
    from digitflow.formats import lst as listing

    sfv.check(checksums, lst, images)
    packing.pack(rec, idx, listing.shard(listing.read(lst), shard, shards), images)


def idx_to_png(
    images: Input,
    lists: list[Input],
    checksums: list[Input],
    manifest: Output,
    tree: str,
    labels: Input | None = None,
    classes: Input | None = None,
    corrections: str = "",
    source: str = "",
    png: Json = None,
) -> None:
    """Bring a tree of PNG files up to date with its lists, writing only what differs.

    `corrections`, `source`: the paths of what it shows; moves by hand are written only to these corrections.
    `png`: that section of the configuration, without its defaults.
    """
    from digitflow.base import checksums as sfv
    from digitflow.dataset import views

    sfv.check(checksums, images, *lists, *([labels] if labels else []))
    shown = labels, classes, corrections, source
    views.update_from_lists(images, tree, manifest, lists, *shown, **(png or {}))


def verify(
    train_images: Input,
    train_lists: list[Input],
    train_recs: list[Input],
    train_idxs: list[Input],
    checksums: list[Input],
    report: Output,
    shards: int,
    trees: str = "",
    enlarge: int = 1,
    test_images: Input | None = None,
    test_lists: list[Input] | None = None,
    test_recs: list[Input] | None = None,
    test_idxs: list[Input] | None = None,
) -> None:
    """Read back IDX files, lists, RecordIO files and PNG trees, and compare them image by image."""
    from digitflow.base import checksums as sfv
    from digitflow.dataset import verify

    found = {}
    for name, images, lists, recs, idxs in (
        ("train", train_images, train_lists, train_recs, train_idxs),
        ("test", test_images, test_lists, test_recs, test_idxs),
    ):
        if images:
            sfv.check(checksums, images, *lists)
            found[name] = verify.verify(
                images, lists, verify.by_list(recs, idxs, shards), trees and f"{trees}/{name}", enlarge
            )
    verify.write_report(report, found)
