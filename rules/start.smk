# Before the first job: warnings, and what was changed by hand since the last run.

import contextlib

from digitflow.base import records
from digitflow.base.errors import InputError
from digitflow.dataset import applied, treetimes

# Pages, and the folders beside them, which are no outputs: Snakemake would miss them only where they are asked for.
PAGES = {"results/look/index.html": "results/look/page", "results/experiments.md": "results/experiments"}
CONVERTED = (f"data/idx/train-{IMAGES}", "data/idx/train-labels-idx1-ubyte", "data/idx/classes.csv")


def keep_corrections(tree, path):
    """Write what was moved, deleted or copied back by hand in the tree to the file of corrections, and say so.

    A missing file of corrections stops the run, before the tree is brought up to date without it.
    """
    dry = workflow.output_settings.dryrun
    if not dry:
        fill_in_checksums(path)
    try:
        applied.read(path)  # damaged copies stop the run, even while they are not needed
        if not dry and not os.path.exists(treetimes.inventory_path(tree)):
            recover_record(tree, path)
        warn_of_missing_record(tree)
        if applied.may_be_lost(path, tree) or treetimes.wants_a_look(tree):
            from digitflow.dataset import adoption

            adoption.check_not_lost(path, tree)
            if dry:
                changes = adoption.find_changes(tree, f"{tree}.sfv", path, source=TRAIN_PATH)
                lines = [f"would write into {line}; what depends on it runs then" for line in changes.lines]
                lines += changes.notes
            else:
                lines = adoption.adopt(tree, f"{tree}.sfv", path, source=TRAIN_PATH)
            for line in lines:
                logger.info(line)
        renew_lists(path, dry)
    except DigitflowError as error:
        raise WorkflowError(str(error)) from None


def recover_record(tree, path):
    """Make a lost inventory of a tree again from its manifest. If files for that are missing, idx_to_png makes it from
    the tree, and then less is known of what was done by hand.
    """
    if os.path.isdir(tree):
        from digitflow.dataset import recovery

        shown = recovery.data_shown("data/idx/train.sfv", TRAIN_CSV, TRAIN_PATH)
        if recovery.recover_inventory(tree, f"{tree}.sfv", *CONVERTED, source=shown):
            return
        recovery.check_is_last(tree, path)
    with contextlib.suppress(OSError):
        os.unlink(f"{tree}.sfv")  # so that idx_to_png makes both again


def warn_of_missing_record(tree):
    """Warn if a tree's inventory is missing, so that moves by hand go unnoticed, or if the tree itself is missing:
    a run of other targets may not make them.
    """
    inventory = treetimes.inventory_path(tree)
    if workflow.output_settings.dryrun and os.path.isdir(tree) and not inventory.exists():
        logger.warning(f"{inventory}: missing; the next run makes it again, or says what is needed for that")
    elif os.path.isdir(tree) and not inventory.exists():
        logger.warning(
            f"{inventory}: missing, so what is moved or deleted in {tree} is not noticed; to make it again from the "
            f"tree: {command_for('trees')}; the run after that notices it"
        )
    elif TREES and inventory.exists() and not (os.path.isdir(tree) or os.path.exists(f"{tree}.sfv")):
        logger.warning(f"{tree}: missing; to make it again: {command_for('trees')}")


def renew_lists(path, dry):
    """Have the lists made again, by a param, if they were made from other corrections and no time says so: after a run
    with --touch, or in data that came from another copy of the project. What changes no label is only checked and kept.
    """
    global RENEWED
    with contextlib.suppress(FileNotFoundError):
        is_older = os.stat(path).st_mtime_ns <= os.stat("data/rec/lists.sfv").st_mtime_ns
        news = applied.news(path)
        if news == "words" and (dry or keep_words(path)):
            return
        if news == "words" or (news == "labels" and is_older):
            RENEWED = os.urandom(8).hex()
            if not dry:
                answers.keep_answer("lists-renewed", path, RENEWED)


def keep_words(path):
    """Whether corrections that change no label are right for the images as they were converted last."""
    from digitflow.dataset import lists

    try:
        lists.keep_words(*CONVERTED, path, "data/idx/train-ids.csv")
    except DigitflowError:  # the job that lists the images says what is wrong, if it still is
        return False
    return True


def fill_in_checksums(path):
    """Write checksums of pixels into corrections that were applied without one, and say so."""
    try:
        line = applied.fill_in(path)
    except InputError:  # the job that reads the file reports what is wrong with it
        return
    except DigitflowError as error:
        logger.warning(str(error))
        return
    if line:
        logger.info(line)


def check_solution():
    """Stop before any job if a new solution is not a solution at all. Its rows are checked once the test images exist.

    That check is the first job that can run, but no training depends on it, so one may begin before it.
    """
    if os.path.exists(SOLUTION) and os.path.getmtime(SOLUTION) > os.path.getmtime(SOLUTION_CSV):
        return
    from digitflow.formats import labelscsv

    try:
        asked = config["submission"]
        header = labelscsv.read_sample(SAMPLE).header if SAMPLE else (asked["id"], asked["label"])
        labelscsv.check_header(SOLUTION_PATH, header)
    except DigitflowError as error:
        raise WorkflowError(str(error)) from None


def check_records():
    """Have made again what is older than what was made last, because it was put back, and pages without their folders.
    Without any records of what was made from what, stop: no change would be noticed.
    """
    for page, folder in PAGES.items():
        if os.path.exists(page) and not os.path.isdir(folder):
            records.make_again(page, records.IN_PART)
    put_back = sorted(records.find_put_back())
    for output in put_back:
        records.make_again(output, records.PUT_BACK)
    if put_back:
        more = f" and {len(put_back) - 1:,} more" if len(put_back) > 1 else ""
        logger.info(
            f"{put_back[0]}{more}: older than what was made last, so put back by hand; made again if needed"
        )
    # All is made or touched, or the records are kept elsewhere, or wanted by nobody.
    without = re.compile(r"-[nfkpqt]*F\w*|--(forceall|persistence-backend(=.*)?|drop-metadata)")
    if records.are_missing("data/idx/train.sfv") and not any(map(without.fullmatch, sys.argv)):
        message = (
            ".snakemake: has no records of how data and results were made (copied without hidden files?), so what "
            "has changed since is not known; if nothing has, add --touch -F once to this command; to make all again, add -F"
        )
        if not workflow.output_settings.dryrun:
            raise WorkflowError(message)
        logger.warning(message)


# Differs each time that the lists have to be made again though no time says so.
RENEWED = answers.known_answer("lists-renewed", DATA["corrections"]) or ""

if workflow.is_main_process:
    if SOLUTION and SOLUTION_KIND == "csv" and OWN_SOLUTION:
        check_solution()
    unfinished.make_old()
    for warning in (
        environments.stale_environment(),
        environments.idle_gpu(config),
        input_checks.unread_competition(DATA, given),
        None if unfinished.is_locked() else unfinished.left_on_cluster(),
    ):
        if warning:
            logger.warning(warning)
    if not TEST_CSV and os.path.exists("results/submission.csv"):
        logger.warning(f"results/submission.csv is of an earlier test set: {inputs.no_test_set(DATA)}")
    if not unfinished.is_locked():
        check_records()
        keep_corrections("data/png/train", DATA["corrections"])

CORRECTIONS = DATA["corrections"] if os.path.exists(DATA["corrections"]) else []
