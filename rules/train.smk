# One rule a framework; the same outputs, but for the model's own files.

TRAINING = ["training/common", "training/schedule", "models/__init__", "device"]


rule train_keras:
    """Train a Keras model on the rows of train.lst; predict the validation and the test rows."""
    input:
        images="data/idx/train-images-idx3-ubyte",
        test_images="data/idx/test-images-idx3-ubyte",
        train_lst="data/rec/train.lst",
        valid_lst="data/rec/valid.lst",
        test_lst="data/rec/test.lst",
        environment="workflow/envs/main.lock.txt",
        code=code(*TRAINING, "training/keras", "models/keras_cnn", "augment", "lst"),
    output:
        model="results/models/{model}/seed{seed}/model.keras",
        history="results/models/{model}/seed{seed}/history.csv",
        metrics="results/models/{model}/seed{seed}/metrics.json",
        valid_probabilities="results/models/{model}/seed{seed}/valid_probabilities.npy",
        test_probabilities="results/models/{model}/seed{seed}/test_probabilities.npy",
    log:
        "logs/train_keras/{model}-seed{seed}.log",
    wildcard_constraints:
        model=models_of("keras"),
    threads: TRAINING_THREADS
    resources:
        gpu=0 if config["device"] == "cpu" else 1,
    params:
        settings=settings,
        device=config["device"],
        classes=DATA["classes"],
    shell:
        """
        python -m digitflow train_keras \
            --log {log} \
            --threads {threads} \
            --device {params.device} \
            --settings {params.settings:q} \
            --classes {params.classes} \
            --seed {wildcards.seed} \
            --images {input.images} \
            --test-images {input.test_images} \
            --train-lst {input.train_lst} \
            --valid-lst {input.valid_lst} \
            --test-lst {input.test_lst} \
            --model {output.model} \
            --history {output.history} \
            --metrics {output.metrics} \
            --valid-probabilities {output.valid_probabilities} \
            --test-probabilities {output.test_probabilities}
        """


rule train_mxnet:
    """Train an MXNet model on train.rec; predict the validation and the test rows."""
    input:
        train_rec=shards("train", "rec"),
        train_idx=shards("train", "idx"),
        valid_rec=shards("valid", "rec"),
        valid_idx=shards("valid", "idx"),
        test_rec=shards("test", "rec"),
        test_idx=shards("test", "idx"),
        environment=rules.mxnet_environment.output.installed,
        code=code(
            *TRAINING,
            "training/mxnet",
            "training/mxnet_networks",
            "models/mxnet_cnn",
            "models/mxnet_mlp",
            "rec",
        ),
    output:
        symbol="results/models/{model}/seed{seed}/model-symbol.json",
        model="results/models/{model}/seed{seed}/model-0000.params",
        history="results/models/{model}/seed{seed}/history.csv",
        metrics="results/models/{model}/seed{seed}/metrics.json",
        valid_probabilities="results/models/{model}/seed{seed}/valid_probabilities.npy",
        test_probabilities="results/models/{model}/seed{seed}/test_probabilities.npy",
    log:
        "logs/train_mxnet/{model}-seed{seed}.log",
    wildcard_constraints:
        model=models_of("mxnet"),
    threads: TRAINING_THREADS
    resources:
        gpu=0 if config["device"] == "cpu" else 1,
    params:
        settings=settings,
        device=config["device"],
        height=DATA["image"]["height"],
        width=DATA["image"]["width"],
        classes=DATA["classes"],
        python=MXNET_PYTHON,
    shell:
        """
        {params.python} -m digitflow train_mxnet \
            --log {log} \
            --threads {threads} \
            --device {params.device} \
            --settings {params.settings:q} \
            --height {params.height} \
            --width {params.width} \
            --classes {params.classes} \
            --seed {wildcards.seed} \
            --train-rec {input.train_rec} \
            --train-idx {input.train_idx} \
            --valid-rec {input.valid_rec} \
            --valid-idx {input.valid_idx} \
            --test-rec {input.test_rec} \
            --test-idx {input.test_idx} \
            --symbol {output.symbol} \
            --params {output.model} \
            --history {output.history} \
            --metrics {output.metrics} \
            --valid-probabilities {output.valid_probabilities} \
            --test-probabilities {output.test_probabilities}
        """
