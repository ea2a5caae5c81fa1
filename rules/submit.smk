# Probabilities to submissions. No rule here, nor any before it, may see a solution.


rule submit_model:
    """One model's submission: its seeds averaged."""
    input:
        probabilities=lambda wildcards: seeds_of(wildcards.model, "test_probabilities.npy"),
        test_lst=dataset("test.lst"),
        code=code("submission", "training/common", "lst"),
    output:
        submission="results/submissions/{model}.csv",
    log:
        "logs/submit_model/{model}.log",
    shell:
        """
        python -m digitflow submit \
            --log {log} \
            --probabilities {input.probabilities} \
            --test-lst {input.test_lst} \
            --submission {output.submission}
        """


rule merge:
    """The merged submission: the mean of the models' probabilities, or their vote."""
    input:
        probabilities=merged("test_probabilities.npy"),
        submissions=expand("results/submissions/{model}.csv", model=MERGE["models"]),
        test_lst="data/rec/test.lst",
        code=code("submission", "training/common", "lst"),
    output:
        submission=report(
            "results/submission.csv", caption="../workflow/report/submission.rst", category="Submission"
        ),
    log:
        "logs/merge.log",
    params:
        models=merge_flags("--probabilities", "test_probabilities.npy"),
    shell:
        """
        python -m digitflow submit \
            --log {log} \
            {params.models} \
            --test-lst {input.test_lst} \
            --submission {output.submission}
        """
