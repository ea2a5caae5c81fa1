# What the console suggests for targets that are misspelt, and says when a run has ended well.

from snakemake.io import strip_wildcard_constraints


def targets():
    """Rules and files by their names, for hints; a rule that makes many files leads to one of them."""
    kinds = (IMAGES.removesuffix("-ubyte"), "labels-idx1")
    idx = [f"{part}-{kind}" for part in ("train", "test") for kind in kinds]
    names = {
        "model": [*MERGED_MODELS, *config["models"]],
        "study": [*config["studies"]],
        "seed": sorted({seed for model in MODELS.values() for seed in model["seeds"]}),
        "fold": ["", *FOLDS],
        "tree": ["train", "test"],
        "part": ["train", "valid", "test"],
        "images": ["test", *config["predict"]],
        "name": [*config["predict"], *idx],
        "shard": [""] if config["rec"]["shards"] == 1 else ["_000"],
    }
    found = {}
    for rule in workflow.rules:
        patterns = [strip_wildcard_constraints(str(pattern)) for pattern in rule.output]
        files = [path for path in expand(patterns, **names) if rule.is_producer(path)]
        found |= {os.path.basename(path): path for path in reversed(files)} | {path: path for path in files}
        found |= {rule.name: path for path in files[:1]} if rule.has_wildcards() else {rule.name: rule.name}
    return found


for console in workflow.logger_manager.get_log_handlers():
    console.targets = targets


def print_closing(dag):
    """Close a run with the tables of scores and pairs, if they were part of it, and the places of its results."""
    # With --touch, files that were never made are outputs, too.
    made = {str(path) for job in dag.jobs for path in job.output if os.path.exists(path)}
    tables = [path if path in made else None for path in ("results/scores.csv", "results/comparisons.csv")]
    if any(tables):
        from digitflow.scoring.summary import closing_text

        logger.info(closing_text(*tables))
    if "results/submission.csv" in made:
        trees = "   images: data/png/" if TREES else ""
        logger.info(f"submission: results/submission.csv   models: results/models/   logs: logs/{trees}")
        page = "results/look/index.html"
        if AUDITED:
            looked = page if page in made else command_for(page)
            logger.info(f"look: {looked}   correct: digitflow look")
        say_stale()


def say_stale():
    """Say how much earlier configurations left behind, unless the command line changes the configuration."""
    if workflow.config_settings.config:
        return
    from digitflow import stale

    try:
        left = len(stale.find(config))
    except OSError:  # the run has ended well, and files that cannot be read are no part of it
        return
    if left:
        command = "make clean-stale"
        if configfile_words() or not os.path.samefile(workflow.basedir, "."):
            command = shlex.join(["digitflow", "clean_stale", "--remove", "true", *configfile_words()])
        things = "1 file or folder" if left == 1 else f"{left:,} files and folders"
        logger.info(
            f"{things} of earlier configurations are left in data/ and results/; to remove them: {command}"
        )
