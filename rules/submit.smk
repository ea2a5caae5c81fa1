# From probabilities to submissions, and to predictions of further images. No rule here or before may see a solution.

import hashlib

# What a run is made from: not where trainings are kept, nor what is sent.
RECORDED = {key: value for key, value in config.items() if key not in ("store", "submit", "message")}


def code_of_run():
    """One digest of all code that submissions may depend on, whether this configuration uses it or not, so that only
    edits change it.
    """
    networks = sorted(
        f"models.{path.stem}"
        for path in (schema.CLONE / "workflow" / "digitflow" / "models").glob("[!_]*.py")
    )
    verbs = ["csv_to_idx", "write_lst", "pack_rec", "collect_folds", "average_folds", "fit_weights", "merge"]
    found = [code(verb) for verb in verbs]
    for framework in models.FRAMEWORKS:
        found += [code(f"train_{framework}", *networks), code(f"predict_{framework}")]
    return hashlib.sha256(" ".join(found).encode()).hexdigest()


localrules:
    submit_model,
    fit_weights,
    check_submissions,
    merge,
    predict,


rule submit_model:
    """One model's submission: its seeds averaged."""
    input:
        probabilities=lambda wildcards: tested(model_files(wildcards.model, "test_probabilities.npy")),
        classes=classes_of,
        ids="data/idx/test-ids.csv",
        sample=SAMPLE,
    output:
        submission=update("results/submissions/{model}.csv"),
    log:
        "logs/submit_model/{model}.log",
    params:
        form=SUBMISSION_FORM,
        stamp=stamp(SAMPLE),
        code=code("submit_model"),
    shell:
        call("submit_model")


rule fit_weights:
    """Weights of the merged models, fitted to the rows that they did not see (`merge.weights: auto`)."""
    input:
        probabilities=merged_files("valid_probabilities.npy"),
        valid_lst="data/rec/valid.lst",
    output:
        weights=update("results/merge_weights.json"),
    log:
        "logs/fit_weights.log",
    params:
        merge=MERGE_KEYS,
        code=code("fit_weights"),
    shell:
        call("fit_weights")


# First of all, like the test images: files that do not fit stop a run then, not after all trainings.
rule check_submissions:
    """Check the submission files to be merged with the models."""
    input:
        files=[SUBMISSION_FILES[name] for name in MERGED_FILES],
        file_probabilities=probabilities_beside(MERGED_FILES),
        test_images=TEST_IMAGES,
        classes="data/idx/classes.csv",
        ids="data/idx/test-ids.csv",
        sample=SAMPLE,
    output:
        checked=update("results/checked_submissions.json"),
    log:
        "logs/check_submissions.log",
    priority: 100
    params:
        form=SUBMISSION_FORM,
        sample=stamp(SAMPLE),
        stamp=stamp_of_submissions(MERGED_FILES),
        code=code("check_submissions"),
    shell:
        call("check_submissions")


rule merge:
    """The merged submission and its record, which is remembered as a run. Before it, the trees to look at."""
    input:
        probabilities=lambda wildcards: tested(merged_files("test_probabilities.npy")),
        valid_probabilities=merged_files("valid_probabilities.npy"),
        valid_lst="data/rec/valid.lst",
        submissions=expand("results/submissions/{model}.csv", model=MERGED_MODELS),
        weights=WEIGHTS,
        files=[SUBMISSION_FILES[name] for name in MERGED_FILES],
        file_probabilities=probabilities_beside(MERGED_FILES),
        checked=rules.check_submissions.output.checked if MERGED_FILES else [],
        test_images=TEST_IMAGES if MERGED_FILES else [],
        classes="data/idx/classes.csv",
        ids="data/idx/test-ids.csv",
        sample=SAMPLE,
        checksums=["data/idx/train.sfv", "data/idx/test.sfv"],
        list_checksums="data/rec/lists.sfv",
        lists=["data/rec/train.lst", "data/rec/valid.lst"],
        # Not read, but made by the usual command. Turned off, they are missing here, so the merge runs once more.
        trees=rules.trees.input if TREES else [],
    output:
        submission=update(reported("results/submission.csv", "Submission")),
        run=update(reported("results/run.json", "Run")),
    log:
        "logs/merge.log",
    params:
        merge=MERGE_KEYS,
        form=SUBMISSION_FORM,
        # Written to run.json; functions of the input are not compared, so another setting elsewhere reruns nothing.
        configuration=lambda wildcards, input: schema.canonical(RECORDED),
        run_code=lambda wildcards, input: code_of_run(),
        runs=RUNS,
        sample=stamp(SAMPLE),
        stamp=stamp_of_submissions(MERGED_FILES),
        code=code("merge"),
    shell:
        call("merge")


rule convert_further:
    """A further CSV, or folder of PNG files, to predict, which `predict` in the configuration names."""
    input:
        source=lambda wildcards: source(inputs.packed(config["predict"][wildcards.name])[0]),
        like=f"data/idx/train-{IMAGES}",
    output:
        images=update(f"data/idx/{{name}}-{IMAGES}"),
        checksums=update("data/idx/{name}.sfv"),
        ids=update("data/idx/{name}-ids.csv"),
    log:
        "logs/convert_further/{name}.log",
    wildcard_constraints:
        name=one_of(config["predict"]),
    params:
        member=lambda wildcards: inputs.packed(config["predict"][wildcards.name])[1],
        data=as_text(READING),
        stamp=lambda wildcards: stamps.of(config["predict"][wildcards.name]),
        code=code("convert_further"),
    shell:
        call("convert_further")


rule predict:
    """Label further images with the merged models: a row for each image with its label and probability."""
    input:
        probabilities=lambda wildcards: merged_files(f"{wildcards.name}_probabilities.npy"),
        weights=WEIGHTS,
        classes="data/idx/classes.csv",
        ids="data/idx/{name}-ids.csv",
    output:
        predictions=update("results/predictions/{name}.csv"),
    log:
        "logs/predict/{name}.log",
    wildcard_constraints:
        name=one_of(config["predict"]),
    params:
        merge=MERGE_KEYS,
        code=code("predict"),
    shell:
        call("predict")
