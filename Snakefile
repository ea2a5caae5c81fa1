from snakemake.utils import min_version

min_version("9.25")


configfile: f"{workflow.basedir}/config/config.yaml"


include: "rules/common.smk"
include: "rules/cluster.smk"
include: "rules/console.smk"
include: "rules/start.smk"
include: "rules/environments.smk"
include: "rules/fetch.smk"
include: "rules/convert.smk"
include: "rules/train.smk"
include: "rules/submit.smk"
include: "rules/score.smk"
include: "rules/kaggle.smk"
include: "rules/look.smk"
include: "rules/study.smk"


report: "workflow/report/workflow.rst"


rule all:
    """Submission, tables of scores and pairs, the remembered run, the trees; without a test set no submission."""
    default_target: True
    input:
        ["results/submission.csv", "results/remembered.txt"] if TEST_CSV else [],
        "results/scores.csv",
        "results/comparisons.csv",
        "results/agreement.csv" if OTHERS else [],
        "data/idx/test-labels.sfv" if SOLUTION else [],  # which only `digitflow compare` reads
        rules.trees.input if TREES else [],  # because the merge would not notice that one was deleted


rule figures:
    """All figures of the merged models' trainings, beside the tables: all that a report can show."""
    input:
        rules.all.input,
        FIGURES,


onstart:
    if not workflow.local_exec:
        prepare_nodes()
    # Snakemake starts no more than 100 jobs a second. For that it checks a second after each start, and at the end
    # waits for the last check: this costs every run a second. No run of ours starts that many.
    elif hasattr(workflow.scheduler, "job_rate_limiter"):
        workflow.scheduler.job_rate_limiter = None


onsuccess:
    fill_in_checksums(DATA["corrections"])
    print_closing(workflow.dag)


onerror:
    fill_in_checksums(DATA["corrections"])
