from snakemake.utils import min_version

min_version("9.25")


configfile: "config/config.yaml"


include: "rules/common.smk"
include: "rules/environments.smk"
include: "rules/fetch.smk"
include: "rules/convert.smk"
include: "rules/train.smk"
include: "rules/submit.smk"
include: "rules/score.smk"


report: "workflow/report/workflow.rst"


localrules:
    all,


rule all:
    """The merged submission and the table of scores."""
    default_target: True
    input:
        "results/submission.csv",
        "results/scores.csv",


onstart:
    import_pandas()


onsuccess:
    print_summary()
    end_at_once()


onerror:
    end_at_once()
