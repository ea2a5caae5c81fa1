# Scores. Here, and in the tables of study.smk, a solution is an input; no training has it.


rule score:
    """One training's accuracy on the validation rows, and on the test rows where a solution is known."""
    input:
        metrics="results/models/{model}/seed{seed}/metrics.json",
        valid_probabilities="results/models/{model}/seed{seed}/valid_probabilities.npy",
        test_probabilities="results/models/{model}/seed{seed}/test_probabilities.npy",
        valid_lst=dataset("valid.lst"),
        solution=solution,
        code=code("score", "metrics", "submission", "training/common", "lst"),
    output:
        score="results/models/{model}/seed{seed}/score.json",
    log:
        "logs/score/{model}-seed{seed}.log",
    params:
        training=subpath(input.metrics, parent=True),
        solution=lambda wildcards, input: (
            f"--solution {shlex.quote(str(input.solution))}" if input.solution else ""
        ),
    shell:
        """
        python -m digitflow score \
            --log {log} \
            --training {params.training} \
            --model {wildcards.model} \
            --valid-lst {input.valid_lst} \
            {params.solution} \
            --score {output.score}
        """


rule score_table:
    """The table of all: a row a model and seed, and the merged submission's."""
    input:
        scores=merged("score.json"),
        valid_probabilities=merged("valid_probabilities.npy"),
        submission="results/submission.csv",
        valid_lst="data/rec/valid.lst",
        solution=SOLUTION_CSV or [],
        code=code("score", "metrics", "submission", "training/common", "lst"),
    output:
        table=report("results/scores.csv", caption="../workflow/report/scores.rst", category="Scores"),
    log:
        "logs/score_table.log",
    params:
        models=merge_flags("--valid-probabilities", "valid_probabilities.npy"),
        solution=solution_flag(),
    shell:
        """
        python -m digitflow score_table \
            --log {log} \
            --scores {input.scores} \
            {params.models} \
            --submission {input.submission} \
            --valid-lst {input.valid_lst} \
            {params.solution} \
            --table {output.table}
        """


rule compare_models:
    """The table of pairs: which differences between models, and the merged one, may be chance."""
    input:
        valid_probabilities=merged("valid_probabilities.npy"),
        submissions=expand("results/submissions/{model}.csv", model=MERGE["models"]),
        submission="results/submission.csv",
        valid_lst="data/rec/valid.lst",
        solution=SOLUTION_CSV or [],
        code=code("score", "metrics", "submission", "training/common", "lst"),
    output:
        table=report(
            "results/comparisons.csv", caption="../workflow/report/comparisons.rst", category="Scores"
        ),
    log:
        "logs/compare_models.log",
    params:
        models=merge_flags("--valid-probabilities", "valid_probabilities.npy"),
        pairs=pair_flags(),
        solution=solution_flag(),
    shell:
        """
        python -m digitflow compare_models \
            --log {log} \
            {params.models} \
            {params.pairs} \
            --submission {input.submission} \
            --valid-lst {input.valid_lst} \
            {params.solution} \
            --table {output.table}
        """


rule show_mistakes:
    """One training's confusion matrix and worst mistakes; made when they are asked for."""
    input:
        probabilities=lambda wildcards: (
            f"results/models/{wildcards.model}/seed{wildcards.seed}/{scored(wildcards)}_probabilities.npy"
        ),
        images=lambda wildcards: dataset(images_of(scored(wildcards)))(wildcards),
        lst=lambda wildcards: dataset(f"{scored(wildcards)}.lst")(wildcards),
        solution=solution,
        code=code("score", "metrics", "plots", "submission", "training/common", "lst", "idx"),
    output:
        confusion="results/models/{model}/seed{seed}/confusion.csv",
        confusion_figure=report(
            "results/models/{model}/seed{seed}/confusion.png",
            caption="../workflow/report/confusion.rst",
            category="Figures",
            labels={"model": "{model}", "seed": "{seed}", "figure": "confusion matrix"},
        ),
        mistakes_figure=report(
            "results/models/{model}/seed{seed}/mistakes.png",
            caption="../workflow/report/mistakes.rst",
            category="Figures",
            labels={"model": "{model}", "seed": "{seed}", "figure": "worst mistakes"},
        ),
    log:
        "logs/show_mistakes/{model}-seed{seed}.log",
    params:
        probabilities=lambda wildcards, input: f"--probabilities {input.probabilities}",
        solution=lambda wildcards, input: (
            f"--solution {shlex.quote(str(input.solution))}" if input.solution else ""
        ),
        title="{model}, seed {seed}",
    shell:
        """
        python -m digitflow show_mistakes \
            --log {log} \
            {params.probabilities} \
            --images {input.images} \
            --lst {input.lst} \
            {params.solution} \
            --title {params.title:q} \
            --confusion {output.confusion} \
            --confusion-figure {output.confusion_figure} \
            --mistakes-figure {output.mistakes_figure}
        """


MERGED_PART = "test" if SOLUTION_CSV else "valid"


use rule show_mistakes as show_merged_mistakes with:
    input:
        probabilities=merged(f"{MERGED_PART}_probabilities.npy"),
        images=f"data/idx/{images_of(MERGED_PART)}",
        lst=f"data/rec/{MERGED_PART}.lst",
        solution=SOLUTION_CSV or [],
        code=code("score", "metrics", "plots", "submission", "training/common", "lst", "idx"),
    output:
        confusion="results/merged/confusion.csv",
        confusion_figure=report(
            "results/merged/confusion.png",
            caption="../workflow/report/confusion.rst",
            category="Figures",
            labels={"model": "merged", "seed": "", "figure": "confusion matrix"},
        ),
        mistakes_figure=report(
            "results/merged/mistakes.png",
            caption="../workflow/report/mistakes.rst",
            category="Figures",
            labels={"model": "merged", "seed": "", "figure": "worst mistakes"},
        ),
    log:
        "logs/show_merged_mistakes.log",
    params:
        probabilities=merge_flags("--probabilities", f"{MERGED_PART}_probabilities.npy"),
        solution=solution_flag(),
        title="merged",


rule show_curves:
    """One training's accuracy, loss and learning rate, epoch by epoch; made when they are asked for."""
    input:
        history="results/models/{model}/seed{seed}/history.csv",
        code=code("plots", "study_report"),
    output:
        figure=report(
            "results/models/{model}/seed{seed}/curves.png",
            caption="../workflow/report/curves.rst",
            category="Figures",
            labels={"model": "{model}", "seed": "{seed}", "figure": "curves"},
        ),
    log:
        "logs/show_curves/{model}-seed{seed}.log",
    params:
        title="{model}, seed {seed}",
    shell:
        """
        python -m digitflow show_curves \
            --log {log} \
            --history {input.history} \
            --title {params.title:q} \
            --figure {output.figure}
        """


rule solution_to_idx:
    """The known labels of the test rows as an IDX file; made when it is asked for, and nothing trains on it."""
    input:
        solution=known_solution,
        code=code("idx", "submission"),
    output:
        labels="data/idx/test-labels-idx1-ubyte",
    log:
        "logs/solution_to_idx.log",
    params:
        classes=DATA["classes"],
    shell:
        """
        python -m digitflow solution_to_idx \
            --log {log} \
            --solution {input.solution:q} \
            --classes {params.classes} \
            --labels {output.labels}
        """
