# Scores. Here, and only here, a solution is an input.


rule score:
    """One training's accuracy on the validation rows, and on the test rows where a solution is known."""
    input:
        metrics="results/models/{model}/seed{seed}/metrics.json",
        valid_probabilities="results/models/{model}/seed{seed}/valid_probabilities.npy",
        test_probabilities="results/models/{model}/seed{seed}/test_probabilities.npy",
        valid_lst=dataset("valid.lst"),
        solution=solution,
        code=code("score", "metrics", "submission", "training/common"),
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
        code=code("score", "metrics", "submission", "training/common"),
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


rule solution_to_idx:
    """The known labels of the test rows as an IDX file; made when it is asked for, and nothing trains on it."""
    input:
        solution=SOLUTION_CSV or [],
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
