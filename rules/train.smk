# One rule to train and one to predict for each framework; they have the same outputs, except for the model's own files.
# A training sees no test image. `versions` are those of the installed packages that can change a result. MXNet's are
# taken from its pins, to which its environment is brought first; a change of its other packages retrains nothing.

from digitflow.training import device as devices

MXNET = "{params.install} {log:q} && {MXNET_PYTHON:q}"

TRAININGS = sum(len(MODELS[name]["seeds"]) for name in MERGED_MODELS if MODELS[name]["framework"] != "numpy")


def training_threads(wildcards):
    """The threads of a training or prediction: its share of this machine's cores, because two trainings side by side
    with one thread each take much less time than one after the other with two; on a cluster, as many as help.
    """
    if not (workflow.is_main_process and workflow.local_exec):
        return devices.MOST_THREADS
    return devices.share_of_cores(TRAININGS * max(len(FOLDS), 1), workflow.resource_settings.cores)


def predicted_images(wildcards):
    """The IDX file of the images that a model predicts."""
    return images_of(wildcards.images)(wildcards)


def image_checksums(wildcards):
    """The checksums of the images that a model predicts, or else learns from."""
    own = data_of(wildcards) == "own"
    return f"data/idx/{wildcards.get('images', 'train')}.sfv" if own else "data/official/checksums.sfv"


def training_checksums(wildcards):
    """The checksums of a model's training images and lists."""
    return [image_checksums(wildcards), listed("lists.sfv")(wildcards)]


def models_of(framework):
    """A pattern that matches the names of a framework's models."""
    return one_of(name for name, model in MODELS.items() if model["framework"] == framework)


def settings(wildcards):
    """A model's hyper-parameters as JSON: those that differ from their defaults; WorkflowError: it cannot train."""
    # For merged models this was checked before.
    if mistake := models.without_validation(config["validation"], MODELS[wildcards.model]):
        raise WorkflowError(f"models.{wildcards.model}: {mistake}")
    return models.settings_text(MODELS[wildcards.model])


def device_of(wildcards):
    """The device on which a model trains and predicts: auto, cpu or gpu."""
    return models.device_of(config, MODELS[wildcards.model])


def gpus_of(wildcards):
    """How many GPUs a model's job claims, 0 or 1."""
    return int(environments.may_use_gpu(config, MODELS[wildcards.model]))


def keras_versions(wildcards):
    """The installed versions that can change what a Keras model learns and predicts."""
    return environments.keras_versions(device_of(wildcards))


def network_code(verb):
    """A function that returns the digest of a verb's code with the module of the model, which it looks up by name."""
    return lambda wildcards: code(verb, f"models.{MODELS[wildcards.model]['module']}")


rule train_keras:
    """Train a Keras model on the rows of train.lst, and predict the validation rows."""
    input:
        images=images_of("train"),
        train_lst=listed("train.lst"),
        valid_lst=listed("valid.lst"),
        classes=classes_of,
        checksums=training_checksums,
    output:
        model=update("results/models/{model}/seed{seed}{fold}/model.keras"),
        history=update("results/models/{model}/seed{seed}{fold}/history.csv"),
        metrics=update("results/models/{model}/seed{seed}{fold}/metrics.json"),
        valid_probabilities=update("results/models/{model}/seed{seed}{fold}/valid_probabilities.npy"),
    log:
        "logs/train_keras/{model}-seed{seed}{fold}.log",
    wildcard_constraints:
        model=models_of("keras"),
    priority: 10  # before the trees
    threads: training_threads
    resources:
        gpu=gpus_of,
    params:
        settings=settings,
        seed="{seed}",
        device=device_of,
        versions=keras_versions,
        code=network_code("train_keras"),
    shell:
        call("train_keras", stored=True)


rule predict_keras:
    """Predict all images of an IDX file with a saved Keras model."""
    input:
        model="results/models/{model}/seed{seed}{fold}/model.keras",
        metrics="results/models/{model}/seed{seed}{fold}/metrics.json",
        images=predicted_images,
        checksums=image_checksums,
    output:
        probabilities=update("results/models/{model}/seed{seed}{fold}/{images}_probabilities.npy"),
        prediction=update("results/models/{model}/seed{seed}{fold}/{images}_prediction.json"),
    log:
        "logs/predict_keras/{model}-seed{seed}{fold}-{images}.log",
    wildcard_constraints:
        model=models_of("keras"),
    threads: training_threads
    resources:
        gpu=gpus_of,
    params:
        device=device_of,
        versions=keras_versions,
        code=code("predict_keras"),
    shell:
        call("predict_keras")


rule train_mxnet:
    """Train an MXNet model on RecordIO files, and predict the validation rows."""
    input:
        train_rec=shards("data/rec{fold}", "train", "rec"),
        train_idx=shards("data/rec{fold}", "train", "idx"),
        valid_rec=shards("data/rec{fold}", "valid", "rec"),
        valid_idx=shards("data/rec{fold}", "valid", "idx"),
        train_lst="data/rec{fold}/train.lst",
        valid_lst="data/rec{fold}/valid.lst",
        classes="data/idx/classes.csv",
        checksums="data/rec{fold}/lists.sfv",
    output:
        symbol=update("results/models/{model}/seed{seed}{fold}/model-symbol.json"),
        model=update("results/models/{model}/seed{seed}{fold}/model-0000.params"),
        history=update("results/models/{model}/seed{seed}{fold}/history.csv"),
        metrics=update("results/models/{model}/seed{seed}{fold}/metrics.json"),
        valid_probabilities=update("results/models/{model}/seed{seed}{fold}/valid_probabilities.npy"),
    log:
        "logs/train_mxnet/{model}-seed{seed}{fold}.log",
    wildcard_constraints:
        model=models_of("mxnet"),
    priority: 15  # before Keras' trainings, whose start takes two seconds longer
    threads: training_threads
    resources:
        gpu=gpus_of,
    params:
        install=INSTALL_MXNET,
        settings=settings,
        seed="{seed}",
        device=device_of,
        versions=environments.mxnet_versions(),
        code=network_code("train_mxnet"),
    shell:
        call("train_mxnet", python=MXNET, stored=True)


rule predict_mxnet:
    """Predict all images of an IDX file with a saved MXNet model."""
    input:
        symbol="results/models/{model}/seed{seed}{fold}/model-symbol.json",
        model="results/models/{model}/seed{seed}{fold}/model-0000.params",
        metrics="results/models/{model}/seed{seed}{fold}/metrics.json",
        images=predicted_images,
        checksums=image_checksums,
    output:
        probabilities=update("results/models/{model}/seed{seed}{fold}/{images}_probabilities.npy"),
        prediction=update("results/models/{model}/seed{seed}{fold}/{images}_prediction.json"),
    log:
        "logs/predict_mxnet/{model}-seed{seed}{fold}-{images}.log",
    wildcard_constraints:
        model=models_of("mxnet"),
    threads: training_threads
    resources:
        gpu=gpus_of,
    params:
        install=INSTALL_MXNET,
        device=device_of,
        versions=environments.mxnet_versions(),
        code=code("predict_mxnet"),
    shell:
        call("predict_mxnet", python=MXNET)


rule train_numpy:
    """Train a plain numpy model on the rows of train.lst, and predict the validation rows."""
    input:
        images=images_of("train"),
        train_lst=listed("train.lst"),
        valid_lst=listed("valid.lst"),
        classes=classes_of,
        checksums=training_checksums,
    output:
        model=update("results/models/{model}/seed{seed}{fold}/model.npz"),
        history=update("results/models/{model}/seed{seed}{fold}/history.csv"),
        metrics=update("results/models/{model}/seed{seed}{fold}/metrics.json"),
        valid_probabilities=update("results/models/{model}/seed{seed}{fold}/valid_probabilities.npy"),
    log:
        "logs/train_numpy/{model}-seed{seed}{fold}.log",
    wildcard_constraints:
        model=models_of("numpy"),
    # OpenBLAS's threads busy-wait for each other: beside other work, two took ten times as long as one.
    threads: 1
    params:
        settings=settings,
        seed="{seed}",
        versions=environments.numpy_versions(),
        code=network_code("train_numpy"),
    shell:
        call("train_numpy", stored=True)


rule predict_numpy:
    """Predict all images of an IDX file with a saved numpy model."""
    input:
        model="results/models/{model}/seed{seed}{fold}/model.npz",
        metrics="results/models/{model}/seed{seed}{fold}/metrics.json",
        images=predicted_images,
        checksums=image_checksums,
    output:
        probabilities=update("results/models/{model}/seed{seed}{fold}/{images}_probabilities.npy"),
        prediction=update("results/models/{model}/seed{seed}{fold}/{images}_prediction.json"),
    log:
        "logs/predict_numpy/{model}-seed{seed}{fold}-{images}.log",
    wildcard_constraints:
        model=models_of("numpy"),
    threads: 1
    params:
        versions=environments.numpy_versions(),
        code=network_code("predict_numpy"),
    shell:
        call("predict_numpy")


if FOLDS:

    localrules:
        collect_folds,
        average_folds,

    # Only for the corrected lists; the effect of the corrections is measured fold by fold (look.smk).
    rule collect_folds:
        """Join the predictions of all folds, each of the rows that it left out, as those of one training."""
        input:
            metrics=expand("results/models/{{model}}/seed{{seed}}{fold}/metrics.json", fold=FOLDS),
            fold_valid_lsts=[f"data/rec{fold}/valid.lst" for fold in FOLDS],
            fold_valid_probabilities=expand(
                "results/models/{{model}}/seed{{seed}}{fold}/valid_probabilities.npy", fold=FOLDS
            ),
            images=images_of("train"),
            valid_lst=listed("valid.lst"),
        output:
            valid_probabilities=update("results/models/{model}/seed{seed}/valid_probabilities.npy"),
            oof_probabilities=update("results/models/{model}/seed{seed}/oof_probabilities.npy"),
            fold_metrics=update("results/models/{model}/seed{seed}/metrics.json"),
        log:
            "logs/collect_folds/{model}-seed{seed}.log",
        params:
            code=code("collect_folds"),
        shell:
            call("collect_folds")

    rule average_folds:
        """Average the folds' predictions of the same images."""
        input:
            predictions=expand(
                "results/models/{{model}}/seed{{seed}}{fold}/{{images}}_probabilities.npy", fold=FOLDS
            ),
        output:
            probabilities=update("results/models/{model}/seed{seed}/{images}_probabilities.npy"),
            prediction=update("results/models/{model}/seed{seed}/{images}_prediction.json"),
        log:
            "logs/average_folds/{model}-seed{seed}-{images}.log",
        params:
            code=code("average_folds"),
        shell:
            call("average_folds")


rule find_learning_rate:
    """Train with a rising rate until the loss explodes, and draw the loss; made on demand."""
    input:
        images=images_of("train"),
        train_lst=listed("train.lst"),
        classes=classes_of,
        checksums=training_checksums,
    output:
        curve=update("results/learning_rates/{model}.csv"),
        figure=update("results/learning_rates/{model}.png"),
    log:
        "logs/find_learning_rate/{model}.log",
    wildcard_constraints:
        model=models_of("keras"),
    threads: training_threads
    resources:
        gpu=gpus_of,
    params:
        settings=settings,
        device=device_of,
        versions=keras_versions,
        code=network_code("find_learning_rate"),
        seed=lambda wildcards: MODELS[wildcards.model]["seeds"][0],
    shell:
        call("find_learning_rate")
