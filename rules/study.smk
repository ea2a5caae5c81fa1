# Experiments: what `studies` of the configuration ask for. Their trainings are models like any other.


rule study:
    """A study's points, ranked, and their figure."""
    input:
        metrics=of_study("metrics.json"),
        histories=of_study("history.csv"),
        scores=of_study("score.json"),
        code=code("study", "study_report"),
    output:
        table="results/studies/{study}/table.csv",
        figure="results/studies/{study}/figure.png",
    log:
        "logs/study/{study}.log",
    params:
        study=lambda wildcards: json.dumps(config["studies"][wildcards.study]),
        models=lambda wildcards: f"results/models/{wildcards.study}",
    shell:
        """
        python -m digitflow study \
            --log {log} \
            --study {params.study:q} \
            --models {params.models} \
            --table {output.table} \
            --figure {output.figure}
        """


rule experiments:
    """All studies on one page, made from what they left."""
    input:
        tables=expand("results/studies/{study}/table.csv", study=config["studies"]),
        figures=expand("results/studies/{study}/figure.png", study=config["studies"]),
        code=code("study_report"),
    output:
        page="results/experiments.md",
        folder=directory("results/experiments"),
    log:
        "logs/experiments.log",
    params:
        studies=json.dumps(config["studies"]),
    shell:
        """
        python -m digitflow experiments \
            --log {log} \
            --studies {params.studies:q} \
            --tables {input.tables} \
            --figures {input.figures} \
            --page {output.page} \
            --folder {output.folder}
        """
