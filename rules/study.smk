# Experiments: the `studies` of the configuration. Their trainings are models like any other.


rule study:
    """A study's points, ranked, and their figure."""
    input:
        metrics=study_files("metrics.json"),
        histories=study_files("history.csv"),
        scores=study_files("score.json"),
        valid_probabilities=study_files("valid_probabilities.npy"),
        test_probabilities=lambda wildcards: (
            study_files("test_probabilities.npy")(wildcards) if solution(wildcards) else []
        ),
        valid_lst=listed("valid.lst"),
        solution=solution,
    output:
        table=update("results/studies/{study}/table.csv"),
        pairs=update("results/studies/{study}/pairs.csv"),
        figure=update("results/studies/{study}/figure.png"),
    log:
        "logs/study/{study}.log",
    params:
        study=lambda wildcards: schema.canonical(
            {key: config["studies"][wildcards.study][key] for key in ("title", "model", "vary")},
            ordered=True,
        ),
        models="results/models/{study}",
        code=code("study"),
    shell:
        call("study")


rule experiments:
    """All studies on one page, made from their results."""
    input:
        tables=expand("results/studies/{study}/table.csv", study=config["studies"]),
        pairs=expand("results/studies/{study}/pairs.csv", study=config["studies"]),
        figures=expand("results/studies/{study}/figure.png", study=config["studies"]),
        more_figures=lambda wildcards: list(figures_of_studies(wildcards)),
    output:
        page=update("results/experiments.md"),
    log:
        "logs/experiments.log",
    params:
        studies=all_studies,
        models="results/models",
        learning_rates="results/learning_rates",
        code=code("experiments"),
    shell:
        call("experiments")
