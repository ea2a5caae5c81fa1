# Experiments: the `studies` of the configuration. Their trainings are models like any other.

from digitflow.studies.points import points


def study_models(study):
    """The names of a study's trainings, without their seeds: a folder for each axis."""
    return [f"{study}/{point.name}" for point in points(config["studies"][study])]


def study_files(name):
    """A function that finds a file of every training of a study. WorkflowError: there is no common validation set."""

    def found(wildcards):
        if FOLDS or not config["validation"]["fraction"]:
            raise WorkflowError(
                "studies need one validation set: set validation.folds to 1, and validation.fraction above 0"
            )
        return [path for model in study_models(wildcards.study) for path in model_files(model, name)]

    return found


def all_studies(wildcards):
    """All studies as JSON. WorkflowError if there are none."""
    if not config["studies"]:
        raise WorkflowError("no studies are configured: add --configfile config/experiments.yaml")
    return schema.canonical(config["studies"], ordered=True)  # in the order of the page


def figures_of_studies(wildcards):
    """The files that the studies' key `figures` asks for: each point's mistakes with its first seed, and the learning
    rates of the first point.
    """
    for study, keys in config["studies"].items():
        trainings = study_models(study)
        if "mistakes" in keys["figures"]:
            names = ("confusion.csv", "confusion.png", "mistakes.png")
            yield from (model_files(model, name)[0] for model in trainings for name in names)
        if "learning_rate" in keys["figures"]:
            yield f"results/learning_rates/{trainings[0]}.png"


localrules:
    study,
    experiments,


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
