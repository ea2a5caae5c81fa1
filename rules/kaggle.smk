# Kaggle, before and after a run: the competition's CSVs if they are missing, and a submission if one is asked for.

from digitflow.competing import receipts

# Gives a job that needs them the secrets, which rules/common.smk keeps from all jobs.
KAGGLE_CLIENT = "export KAGGLE_API_TOKEN KAGGLE_KEY; {KAGGLE_PYTHON:q}"
# CSVs that a person put there are only read: no rule makes them.
MISSING_CSVS = [
    path for path in (TRAIN_CSV, TEST_CSV) if DATA["source"] == "kaggle" and not os.path.lexists(path)
]


if MISSING_CSVS:

    localrules:
        fetch_kaggle,
        accept_kaggle,

    rule fetch_kaggle:
        """Download the competition's CSVs into a folder of their own, with their digests."""
        input:
            environment=rules.kaggle_environment.output.installed,
        output:
            manifest=temp("data/kaggle/download/download.json"),
        log:
            "logs/fetch_kaggle.log",
        params:
            competition=DATA["competition"],
            names=[os.path.basename(path) for path in MISSING_CSVS],
        shell:
            call("fetch_kaggle", python=KAGGLE_CLIENT)

    rule accept_kaggle:
        """Read the downloads to the last row, compare them with earlier ones, and move them into place."""
        input:
            manifest=rules.fetch_kaggle.output.manifest,
        output:
            csvs=update(MISSING_CSVS),
        log:
            "logs/accept_kaggle.log",
        params:
            data=as_text(READING),
        shell:
            call("accept_kaggle")


SUBMITTED = "results/kaggle/submitted.json"
if workflow.is_main_process and not unfinished.is_locked() and receipts.owes_score(SUBMITTED):
    if workflow.output_settings.dryrun:
        logger.info(f"{SUBMITTED} has no score yet: a run that makes it will ask for the score")
    else:
        os.unlink(SUBMITTED)  # a copy: the receipt itself stays


def wished(path):
    """What is sent; WorkflowError if nobody asked for it, or if the images are not the competition's."""
    if not config["submit"]:
        raise WorkflowError("nothing was sent: a submission is made only with `--config submit=yes`")
    if DATA["source"] == "mnist":
        raise WorkflowError(
            "nothing was sent: data.source is mnist, whose test images are not the competition's; set it to kaggle"
        )
    if DATA["source"] != "kaggle" and not input_checks.names_competition(DATA, given):
        raise WorkflowError(
            f"nothing was sent: data.source is {DATA['source']}; if its test images are {DATA['competition']}'s, type "
            f"--config submit=yes 'data={{competition: {DATA['competition']}}}'; for another competition, name that"
        )
    return tested(path)


localrules:
    plan_submission,
    submit_kaggle,


rule plan_submission:
    """The plan of a submission: what will be sent, and what a person wants to see before."""
    input:
        submission="results/submission.csv",
        run="results/run.json",
        scores="results/scores.csv",
        valid_lst="data/rec/valid.lst",
        classes="data/idx/classes.csv",
        remembered="results/remembered.txt",
    output:
        plan="results/kaggle/plan.json",
    log:
        "logs/plan_submission.log",
    params:
        competition=DATA["competition"],
        receipts="results/kaggle",
        message=as_text(config["message"] or ""),
        code=code("plan_submission"),
    shell:
        call("plan_submission")


rule submit_kaggle:
    """Send the submission once, and wait for its score: only if named as a target, and with `--config submit=yes`."""
    input:
        plan=lambda wildcards: wished("results/kaggle/plan.json"),
        environment=rules.kaggle_environment.output.installed,
    output:
        submitted=SUBMITTED,
    log:
        "logs/submit_kaggle.log",
    params:
        receipts="results/kaggle",
        runs=RUNS,
        wish=config["submit"],
        code=code("submit_kaggle"),
    shell:
        call("submit_kaggle", python=KAGGLE_CLIENT)
