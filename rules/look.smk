# Find what is wrong, see it, correct it. No training depends on anything here.


# Whether the labels can be audited, which takes models, and rows that they did not learn from.
AUDITED = bool(MERGED_MODELS) and HAS_SCORES_OF_ROWS


def held_out(wildcards):
    """The probabilities of the rows that each merged training did not learn from."""
    if not MERGED_MODELS:
        raise WorkflowError(
            "labels cannot be audited without a model, but merge.models names only files; name one of the models, too"
        )
    if not HAS_SCORES_OF_ROWS:
        raise WorkflowError(
            "labels cannot be audited, because no row is held out from training; set validation.folds to 5, or "
            "validation.fraction above 0"
        )
    return merged_files("valid_probabilities.npy")


localrules:
    audit_labels,
    look_page,
    measure_effect,


rule audit_labels:
    """The training rows whose labels look wrong to models that did not learn from them, worst first."""
    input:
        probabilities=held_out,
        valid_lst="data/rec/valid.lst",
        train_lst="data/rec/train.lst",
        classes="data/idx/classes.csv",
    output:
        audit=update("results/look/labels.csv"),
    log:
        "logs/audit_labels.log",
    params:
        merge=MODELS_KEYS,
        folds=config["validation"]["folds"],
        code=code("audit_labels"),
    shell:
        call("audit_labels")


rule find_duplicates:
    """Duplicates within and across training and test rows; outliers, and blank images."""
    input:
        images=f"data/idx/train-{IMAGES}",
        lists=lists_of("train"),
        test_images=TEST_IMAGES,
        test_lst="data/rec/test.lst" if TEST_CSV else [],
        classes="data/idx/classes.csv",
    output:
        duplicates=update("results/look/duplicates.csv"),
        outliers=update("results/look/outliers.csv"),
    log:
        "logs/find_duplicates.log",
    params:
        code=code("find_duplicates"),
    shell:
        call("find_duplicates")


rule look_page:
    """The page for looking at all images and correcting labels: results/look/index.html."""
    input:
        images=f"data/idx/train-{IMAGES}",
        labels="data/idx/train-labels-idx1-ubyte",
        classes="data/idx/classes.csv",
        valid_lst="data/rec/valid.lst",
        fold_valid_lsts=[f"data/rec{fold}/valid.lst" for fold in FOLDS],
        probabilities=merged_files("valid_probabilities.npy") if AUDITED else [],
        weights=WEIGHTS,
        test_images=TEST_IMAGES,
        test_probabilities=merged_files("test_probabilities.npy") if TEST_CSV else [],
        audit="results/look/labels.csv" if AUDITED else [],
        duplicates="results/look/duplicates.csv",
        outliers="results/look/outliers.csv",
        corrections=CORRECTIONS,
        trees=rules.trees.input if TREES else [],
    output:
        page=update("results/look/index.html"),
        summary=update(reported("results/look/summary.html", "Look", figure="summary")),
        suspects=update(reported("results/look/suspects.png", "Look", figure="suspects")),
    log:
        "logs/look_page.log",
    params:
        merge=MODELS_KEYS,
        png="../../data/png" if TREES else "",
        corrections_file=as_text(DATA["corrections"]),
        assets=environments.clone_digest(f"{workflow.basedir}/workflow/digitflow/look/page"),
        code=code("look_page"),
    shell:
        call("look_page")


def held_out_fold_by_fold(variant):
    """The validation probabilities of every merged training, model by model; `variant` is "" or "/given"."""
    held_out({})
    if not CORRECTIONS:
        raise WorkflowError(
            f"there are no corrections to measure the effect of: {DATA['corrections']} is missing"
        )
    return [
        f"results/models/{model}/seed{seed}{variant}{fold}/valid_probabilities.npy"
        for model in MERGED_MODELS
        for seed in MODELS[model]["seeds"]
        for fold in FOLDS or [""]
    ]


rule measure_effect:
    """The effect of the corrections: the same trainings with and without them, compared on the same images."""
    input:
        probabilities=lambda wildcards: held_out_fold_by_fold(""),
        lists=[f"data/rec{fold}/valid.lst" for fold in FOLDS or [""]],
        given_probabilities=lambda wildcards: held_out_fold_by_fold("/given"),
        given_lists=[f"data/rec/given{fold}/valid.lst" for fold in FOLDS or [""]],
    output:
        effect=update("results/look/effect.csv"),
    log:
        "logs/measure_effect.log",
    params:
        merge=MODELS_KEYS,
        code=code("measure_effect"),
    shell:
        call("measure_effect")
