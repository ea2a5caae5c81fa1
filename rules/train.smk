# One rule a framework; the same outputs, but for the model's own files.

TRAINING = ["training/common", "training/schedule", "device"]
KERAS = [*TRAINING, "training/keras", "models/keras_parts", "augment", "lst", "idx"]


rule train_keras:
    """Train a Keras model on the rows of train.lst; predict the validation and the test rows."""
    input:
        images=dataset("train-images-idx3-ubyte"),
        test_images=dataset("test-images-idx3-ubyte"),
        checksums=dataset("checksums.sfv", "lists.sfv"),
        train_lst=dataset("train.lst"),
        valid_lst=dataset("valid.lst"),
        test_lst=dataset("test.lst"),
        environment="workflow/envs/main.lock.txt",
        code=code(*KERAS),
        architecture=model_code,
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
        classes=classes_of,
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
            --checksums {input.checksums} \
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
        code=code(*TRAINING, "training/mxnet", "training/mxnet_networks", "rec"),
        architecture=model_code,
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


rule find_learning_rate:
    """Train with a rising rate until the loss explodes, and draw the loss; made when it is asked for."""
    input:
        images=dataset("train-images-idx3-ubyte"),
        train_lst=dataset("train.lst"),
        environment="workflow/envs/main.lock.txt",
        code=code(*KERAS, "training/lr_finder", "plots"),
        architecture=model_code,
    output:
        curve="results/learning_rates/{model}.csv",
        figure="results/learning_rates/{model}.png",
    log:
        "logs/find_learning_rate/{model}.log",
    wildcard_constraints:
        model=models_of("keras"),
    threads: TRAINING_THREADS
    resources:
        gpu=0 if config["device"] == "cpu" else 1,
    params:
        settings=settings,
        device=config["device"],
        classes=classes_of,
        seed=lambda wildcards: MODELS[wildcards.model]["seeds"][0],
    shell:
        """
        python -m digitflow find_learning_rate \
            --log {log} \
            --threads {threads} \
            --device {params.device} \
            --settings {params.settings:q} \
            --classes {params.classes} \
            --seed {params.seed} \
            --images {input.images} \
            --train-lst {input.train_lst} \
            --curve {output.curve} \
            --figure {output.figure}
        """


rule train_numpy:
    """Train a plain numpy model on the rows of train.lst; predict the validation and the test rows."""
    input:
        images=dataset("train-images-idx3-ubyte"),
        test_images=dataset("test-images-idx3-ubyte"),
        checksums=dataset("checksums.sfv", "lists.sfv"),
        train_lst=dataset("train.lst"),
        valid_lst=dataset("valid.lst"),
        test_lst=dataset("test.lst"),
        environment="workflow/envs/main.lock.txt",
        code=code(*TRAINING, "training/numpy", "augment", "lst", "idx"),
        architecture=model_code,
    output:
        model="results/models/{model}/seed{seed}/model.npz",
        history="results/models/{model}/seed{seed}/history.csv",
        metrics="results/models/{model}/seed{seed}/metrics.json",
        valid_probabilities="results/models/{model}/seed{seed}/valid_probabilities.npy",
        test_probabilities="results/models/{model}/seed{seed}/test_probabilities.npy",
    log:
        "logs/train_numpy/{model}-seed{seed}.log",
    wildcard_constraints:
        model=models_of("numpy"),
    # OpenBLAS's threads spin while they wait for each other: beside other work, two took ten times as long as one.
    threads: 1
    params:
        settings=settings,
        classes=classes_of,
    shell:
        """
        python -m digitflow train_numpy \
            --log {log} \
            --threads {threads} \
            --settings {params.settings:q} \
            --classes {params.classes} \
            --seed {wildcards.seed} \
            --images {input.images} \
            --test-images {input.test_images} \
            --checksums {input.checksums} \
            --train-lst {input.train_lst} \
            --valid-lst {input.valid_lst} \
            --test-lst {input.test_lst} \
            --model {output.model} \
            --history {output.history} \
            --metrics {output.metrics} \
            --valid-probabilities {output.valid_probabilities} \
            --test-probabilities {output.test_probabilities}
        """
