from snakemake.utils import min_version

min_version("9.25")


configfile: f"{workflow.basedir}/config/config.yaml"


include: "rules/common.smk"
include: "rules/environments.smk"
include: "rules/fetch.smk"
include: "rules/convert.smk"
include: "rules/train.smk"
include: "rules/submit.smk"
include: "rules/score.smk"
include: "rules/look.smk"
include: "rules/study.smk"


report: "workflow/report/workflow.rst"


rule all:
    """The merged submission, the table of scores and that of pairs; without a test set, the tables."""
    default_target: True
    input:
        "results/submission.csv" if TEST_CSV else [],
        "results/scores.csv",
        "results/comparisons.csv",


rule figures:
    """All figures of the merged models' trainings, beside the tables: what a report can hold."""
    input:
        rules.all.input,
        merged("curves.png"),
        merged("mistakes.png"),
        "results/merged/mistakes.png",


onsuccess:
    print_closing(workflow.dag)
