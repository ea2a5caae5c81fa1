# Scores. Here, and in the tables of study.smk, a solution is an input; no training has it.


localrules:
    score,
    score_table,
    compare_models,
    compare_submissions,
    remember_run,
    show_mistakes,
    show_merged_mistakes,
    show_curves,
    solution_to_idx,
    official_solution_to_idx,


rule score:
    """One training's accuracy on the validation rows, and on the test rows if a solution is known."""
    input:
        metrics="results/models/{model}/seed{seed}/metrics.json",
        valid_probabilities="results/models/{model}/seed{seed}/valid_probabilities.npy",
        valid_lst=listed("valid.lst"),
        test_probabilities=lambda wildcards: (
            f"results/models/{wildcards.model}/seed{wildcards.seed}/test_probabilities.npy"
            if solution(wildcards)
            else []
        ),
        solution=solution,
    output:
        score=update("results/models/{model}/seed{seed}/score.json"),
    log:
        "logs/score/{model}-seed{seed}.log",
    params:
        model="{model}",
        code=code("score"),
    shell:
        call("score")


# The user's folder submissions/: files by others, which are listed, scored and compared beside our own.
OTHERS = [*SUBMISSION_FILES.values()] if TEST_CSV else []
PROBABILITIES_OF_OTHERS = probabilities_beside(SUBMISSION_FILES) if OTHERS else []
if TEST_CSV and workflow.is_main_process:
    for reason in inputs.ignored_submissions():
        logger.warning(f"left out: {reason}")
STAMP_OF_OTHERS = stamp_of_submissions(SUBMISSION_FILES if OTHERS else [])


rule score_table:
    """The table of all scores: a row for each model and seed, and one for the merged submission."""
    input:
        scores=merged_files("score.json"),
        valid_probabilities=merged_files("valid_probabilities.npy"),
        valid_lst="data/rec/valid.lst",
        classes="data/idx/classes.csv",
        weights=WEIGHTS,
        submission="results/submission.csv" if SOLUTION or OTHERS else [],
        solution=SOLUTION,
        files=OTHERS,
        file_probabilities=PROBABILITIES_OF_OTHERS,
    output:
        table=update(reported("results/scores.csv", "Scores")),
    log:
        "logs/score_table.log",
    params:
        merge=MERGE_KEYS,
        stamp=STAMP_OF_OTHERS,
        code=code("score_table"),
    shell:
        call("score_table")


rule compare_models:
    """The table of pairs: which differences between models, including the merged one, may be chance."""
    input:
        valid_probabilities=merged_files("valid_probabilities.npy"),
        valid_lst="data/rec/valid.lst",
        classes="data/idx/classes.csv",
        weights=WEIGHTS,
        submissions=expand("results/submissions/{model}.csv", model=MERGED_MODELS) if SOLUTION else [],
        submission="results/submission.csv" if SOLUTION else [],
        solution=SOLUTION,
        files=OTHERS,
        file_probabilities=PROBABILITIES_OF_OTHERS,
    output:
        table=update(reported("results/comparisons.csv", "Scores")),
    log:
        "logs/compare_models.log",
    params:
        merge=MERGE_KEYS,
        stamp=STAMP_OF_OTHERS,
        code=code("compare_models"),
    shell:
        call("compare_models")


rule compare_submissions:
    """Check the submission files of others, and say on how many images any two submissions agree."""
    input:
        submissions=expand("results/submissions/{model}.csv", model=MERGED_MODELS),
        submission="results/submission.csv",
        files=OTHERS,
        file_probabilities=PROBABILITIES_OF_OTHERS,
        classes="data/idx/classes.csv",
    output:
        table=update("results/agreement.csv"),
    log:
        "logs/compare_submissions.log",
    params:
        stamp=STAMP_OF_OTHERS,
        code=code("compare_submissions"),
    shell:
        call("compare_submissions")


rule remember_run:
    """Add the scores to the remembered run."""
    input:
        run="results/run.json",
        scores="results/scores.csv",
        submission="results/submission.csv",
        valid_probabilities=merged_files("valid_probabilities.npy"),
        valid_lst="data/rec/valid.lst",
        weights=WEIGHTS,
    output:
        remembered=update("results/remembered.txt"),
    log:
        "logs/remember_run.log",
    params:
        runs=RUNS,
        merge=MERGE_KEYS,
        code=code("remember_run"),
    shell:
        call("remember_run")


def scored(wildcards):
    """The part in which mistakes are looked for: test if its solution is known, else valid."""
    if solution(wildcards):
        return "test"
    return looked_for("valid")


def looked_for(part):
    """The same part; WorkflowError if it is the validation rows and there are none."""
    if part == "valid" and not HAS_SCORES_OF_ROWS:
        raise WorkflowError(
            "mistakes are found in rows with known labels: set validation.fraction above 0, or data.solution_csv"
        )
    return part


def merged_rows(wildcards):
    """The merged models' probabilities of these rows; WorkflowError if there is no model."""
    if not MERGED_MODELS:
        raise WorkflowError(
            "mistakes are looked for in the probabilities of models, but merge.models names only files"
        )
    return merged_files(f"{looked_for(MERGED_PART)}_probabilities.npy")


TRAINING = {"model": "{model}", "seed": "{seed}"}  # what the report says of a figure


rule show_mistakes:
    """The confusion matrix and worst mistakes of a training, or of the merge; made on demand."""
    input:
        probabilities=lambda wildcards: (
            f"results/models/{wildcards.model}/seed{wildcards.seed}/{scored(wildcards)}_probabilities.npy"
        ),
        images=lambda wildcards: images_of(tree_of(scored(wildcards)))(wildcards),
        lst=lambda wildcards: listed(f"{scored(wildcards)}.lst")(wildcards),
        classes=classes_of,
        weights=[],
        solution=solution,
    output:
        confusion=update("results/models/{model}/seed{seed}/confusion.csv"),
        confusion_figure=update(
            reported(
                "results/models/{model}/seed{seed}/confusion.png", figure="confusion matrix", **TRAINING
            )
        ),
        mistakes_figure=update(
            reported("results/models/{model}/seed{seed}/mistakes.png", figure="worst mistakes", **TRAINING)
        ),
    log:
        "logs/show_mistakes/{model}-seed{seed}.log",
    params:
        merge=section({"method": "mean", "seeds": [["model", 1]], "weights": None}),
        title=lambda wildcards: f"{wildcards.model}, seed {wildcards.seed}, {NAME_OF_PART[scored(wildcards)]}",
        code=code("show_mistakes"),
    shell:
        call("show_mistakes")


NAME_OF_PART = {"test": "test rows", "valid": "validation rows"}
MERGED_PART = "test" if SOLUTION else "valid"


use rule show_mistakes as show_merged_mistakes with:
    input:
        probabilities=merged_rows,
        images=f"data/idx/{tree_of(MERGED_PART)}-{IMAGES}",
        lst=f"data/rec/{MERGED_PART}.lst",
        classes="data/idx/classes.csv",
        weights=WEIGHTS,
        solution=SOLUTION,
    output:
        confusion=update("results/merged/confusion.csv"),
        confusion_figure=update(
            reported("results/merged/confusion.png", model="merged", seed="", figure="confusion matrix")
        ),
        mistakes_figure=update(
            reported("results/merged/mistakes.png", model="merged", seed="", figure="worst mistakes")
        ),
    log:
        "logs/show_merged_mistakes.log",
    params:
        merge=MODELS_KEYS,
        title=f"merged{' models alone' if MERGED_FILES else ''}, {NAME_OF_PART[MERGED_PART]}",


rule show_curves:
    """One training's accuracy, loss and learning rate, epoch by epoch; made on demand."""
    input:
        history=f"results/models/{{model}}/seed{{seed}}{FOLDS[0] if FOLDS else ''}/history.csv",
    output:
        figure=update(reported("results/models/{model}/seed{seed}/curves.png", figure="curves", **TRAINING)),
    log:
        "logs/show_curves/{model}-seed{seed}.log",
    params:
        title="{model}, seed {seed}",
        code=code("show_curves"),
    shell:
        call("show_curves")


CURVED = [model for model in MERGED_MODELS if MODELS[model]["epochs"] > 1]  # one epoch makes no curve

# The figures of the merged models' trainings and of the merge, for `rule figures` and reports. Mistakes are found in
# labels that no model learned from, of test rows or of validation rows.
FIGURES = [path for model in CURVED for path in model_files(model, "curves.png")]
if MERGED_MODELS and (SOLUTION or HAS_SCORES_OF_ROWS):
    FIGURES += [*merged_files("mistakes.png"), "results/merged/mistakes.png"]


def known_solution(wildcards):
    """The file of the solution of the configuration's test rows. WorkflowError if there is none."""
    if not SOLUTION:
        raise WorkflowError("the test rows' labels are not known: set data.solution_csv")
    return SOLUTION_CSV


# No training depends on it, yet it is the first job that can run: a wrong solution stops the run before anything is
# trained. (With one thread only: a job that wants all cores waits as long as other jobs get in between.)
rule solution_to_idx:
    """Check a solution, and write its labels as an IDX file, like the official test labels."""
    input:
        solution=known_solution,
        images=TEST_IMAGES,
        classes="data/idx/classes.csv",
        ids="data/idx/test-ids.csv",
        sample=SAMPLE,
    output:
        labels=update("data/idx/test-labels-idx1-ubyte"),
        checksums=update("data/idx/test-labels.sfv"),
    log:
        "logs/solution_to_idx.log",
    priority: 100
    params:
        kind=SOLUTION_KIND,
        member=SOLUTION_MEMBER,
        data=as_text(READING if SOLUTION_KIND == "pixels" or DATA["source"] == "folder" else "{}"),
        submission=SUBMISSION_FORM,
        stamp=stamp(OWN_SOLUTION, SAMPLE, NAMES_FILE),
        code=code("solution_to_idx"),
    shell:
        call("solution_to_idx")


use rule solution_to_idx as official_solution_to_idx with:
    input:
        solution="data/official/solution.csv",
        images="data/official/test-images-idx3-ubyte",
        classes="data/official/classes.csv",
        ids=[],
        sample=[],
    output:
        labels=update("data/official/test-labels-idx1-ubyte"),
        checksums=update("data/official/test-labels.sfv"),
    log:
        "logs/official_solution_to_idx.log",
    params:
        kind="csv",
        member="",
        data=as_text("{}"),
        submission="null",
        stamp=stamp(),
