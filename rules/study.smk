# Experiments: what `studies` of the configuration ask for. Their trainings are models like any other.


rule study:
    """A study's points, ranked, and their figure."""
    input:
        metrics=of_study("metrics.json"),
        histories=of_study("history.csv"),
        scores=of_study("score.json"),
        valid_probabilities=of_study("valid_probabilities.npy"),
        test_probabilities=of_study("test_probabilities.npy"),
        valid_lst=dataset("valid.lst"),
        solution=solution,
        code=code(
            "study", "study_report", "plots", "score", "metrics", "submission", "lst", "training/common"
        ),
    output:
        table="results/studies/{study}/table.csv",
        pairs="results/studies/{study}/pairs.csv",
        figure="results/studies/{study}/figure.png",
    log:
        "logs/study/{study}.log",
    params:
        study=study_settings,
        models=lambda wildcards: f"results/models/{wildcards.study}",
        solution=lambda wildcards, input: (
            f"--solution {shlex.quote(input.solution)}" if input.solution else ""
        ),
    shell:
        """
        python -m digitflow study \
            --log {log} \
            --study {params.study:q} \
            --models {params.models} \
            --valid-lst {input.valid_lst} \
            {params.solution} \
            --table {output.table} \
            --pairs {output.pairs} \
            --figure {output.figure}
        """


rule experiments:
    """All studies on one page, made from what they left."""
    input:
        tables=expand("results/studies/{study}/table.csv", study=config["studies"]),
        pairs=expand("results/studies/{study}/pairs.csv", study=config["studies"]),
        figures=expand("results/studies/{study}/figure.png", study=config["studies"]),
        more_figures=lambda wildcards: list(figures_of_studies()),
        code=code("study_page", "study_report", "study", "score", "metrics"),
    output:
        page="results/experiments.md",
        folder=directory("results/experiments"),
    log:
        "logs/experiments.log",
    params:
        studies=lambda wildcards: all_studies(),
    shell:
        """
        python -m digitflow experiments \
            --log {log} \
            --studies {params.studies:q} \
            --tables {input.tables} \
            --pairs {input.pairs} \
            --figures {input.figures} \
            --models results/models \
            --learning-rates results/learning_rates \
            --page {output.page}
        """
