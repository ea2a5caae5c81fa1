# CSV -> IDX -> PNG trees -> .lst -> .rec


rule csv_to_idx:
    """Parse and check the CSVs once; everything after reads pixels from IDX files."""
    input:
        train_csv=TRAIN_CSV,
        test_csv=TEST_CSV,
        code=code("pixelcsv", "archives", "idx", "checksums"),
    output:
        train_images="data/idx/train-images-idx3-ubyte",
        train_labels="data/idx/train-labels-idx1-ubyte",
        test_images="data/idx/test-images-idx3-ubyte",
        checksums="data/idx/checksums.sfv",
    log:
        "logs/csv_to_idx.log",
    threads: 2
    params:
        height=DATA["image"]["height"],
        width=DATA["image"]["width"],
        classes=DATA["classes"],
        invert="--invert" if DATA["invert"] else "",
    shell:
        """
        python -m digitflow csv_to_idx \
            --log {log} \
            --threads {threads} \
            --train-csv {input.train_csv:q} \
            --test-csv {input.test_csv:q} \
            --height {params.height} \
            --width {params.width} \
            --classes {params.classes} \
            {params.invert} \
            --train-images {output.train_images} \
            --train-labels {output.train_labels} \
            --test-images {output.test_images} \
            --checksums {output.checksums}
        """


rule gzip_idx:
    """An IDX file as the official ones are served; made when it is asked for."""
    input:
        idx="data/idx/{name}-ubyte",
        code=code("idx"),
    output:
        gz="data/idx/{name}-ubyte.gz",
    log:
        "logs/gzip_idx/{name}.log",
    shell:
        """
        python -m digitflow gzip_idx \
            --log {log} \
            --idx {input.idx} \
            --gz {output.gz}
        """


rule idx_to_png:
    """Write a tree of PNG files to look at and to correct: a folder a label for train, a flat one for test."""
    input:
        images="data/idx/{tree}-images-idx3-ubyte",
        labels=lambda wildcards: "data/idx/train-labels-idx1-ubyte" if wildcards.tree == "train" else [],
        checksums="data/idx/checksums.sfv",
        code=code("png", "trees", "idx"),
    output:
        tree=directory("data/png/{tree}"),
    log:
        "logs/idx_to_png/{tree}.log",
    params:
        classes=DATA["classes"],
        labels=lambda wildcards, input: f"--labels {input.labels}" if input.labels else "",
    shell:
        """
        python -m digitflow idx_to_png \
            --log {log} \
            --images {input.images} \
            {params.labels} \
            --checksums {input.checksums} \
            --classes {params.classes} \
            --tree {output.tree}
        """


rule write_lst:
    """List all images, labels taken from the folders' names, and split off the validation rows by id."""
    input:
        train_images="data/idx/train-images-idx3-ubyte",
        test_images="data/idx/test-images-idx3-ubyte",
        train_tree="data/png/train" if TREES else [],
        test_tree="data/png/test" if TREES else [],
        train_labels=[] if TREES else "data/idx/train-labels-idx1-ubyte",
        checksums="data/idx/checksums.sfv",
        code=code("lst", "split", "idx", "checksums"),
    output:
        train_lst="data/rec/train.lst",
        valid_lst="data/rec/valid.lst",
        test_lst="data/rec/test.lst",
        checksums="data/rec/lists.sfv",
    log:
        "logs/write_lst.log",
    params:
        labels_from=lambda wildcards, input: (
            f"--root data/png --train-tree {input.train_tree} --test-tree {input.test_tree}"
            if TREES
            else f"--train-labels {input.train_labels}"
        ),
        classes=DATA["classes"],
        fraction=config["validation"]["fraction"],
        seed=config["validation"]["seed"],
    shell:
        """
        python -m digitflow write_lst \
            --log {log} \
            --train-images {input.train_images} \
            --test-images {input.test_images} \
            {params.labels_from} \
            --checksums {input.checksums} \
            --classes {params.classes} \
            --fraction {params.fraction} \
            --seed {params.seed} \
            --train-lst {output.train_lst} \
            --valid-lst {output.valid_lst} \
            --test-lst {output.test_lst} \
            --list-checksums {output.checksums}
        """


use rule write_lst as write_official_lst with:
    input:
        train_images=rules.official_idx.output.train_images,
        test_images=rules.official_idx.output.test_images,
        train_labels=rules.official_idx.output.train_labels,
        checksums=rules.official_idx.output.checksums,
        code=code("lst", "split", "idx", "checksums"),
    output:
        train_lst="data/official/train.lst",
        valid_lst="data/official/valid.lst",
        test_lst="data/official/test.lst",
        checksums="data/official/lists.sfv",
    log:
        "logs/write_official_lst.log",
    params:
        labels_from=f"--train-labels {rules.official_idx.output.train_labels}",
        classes=10,
        fraction=config["validation"]["fraction"],
        seed=config["validation"]["seed"],


rule pack_rec:
    """Pack the PNG files' own bytes into RecordIO: what you look at is what MXNet is trained on."""
    input:
        lst="data/rec/{part}.lst",
        pixels=lambda wildcards: pixels_of("test" if wildcards.part == "test" else "train"),
        checksums=["data/idx/checksums.sfv", "data/rec/lists.sfv"],
        code=code("rec", "lst", "png", "trees", "idx"),
    output:
        rec="data/rec/{part}{shard}.rec",
        idx="data/rec/{part}{shard}.idx",
    log:
        "logs/pack_rec/{part}{shard}.log",
    params:
        pixels=lambda wildcards, input: "--root data/png" if TREES else f"--images {input.pixels}",
        shard=lambda wildcards: int(wildcards.shard.strip("_") or 0),
        shards=config["rec"]["shards"],
    shell:
        """
        python -m digitflow pack_rec \
            --log {log} \
            --lst {input.lst} \
            {params.pixels} \
            --checksums {input.checksums} \
            --shard {params.shard} \
            --shards {params.shards} \
            --rec {output.rec} \
            --idx {output.idx}
        """


rule verify:
    """Read everything back and compare it image by image; made when it is asked for."""
    input:
        train_images="data/idx/train-images-idx3-ubyte",
        train_labels="data/idx/train-labels-idx1-ubyte",
        test_images="data/idx/test-images-idx3-ubyte",
        checksums=["data/idx/checksums.sfv", "data/rec/lists.sfv"],
        train_tree="data/png/train",
        test_tree="data/png/test",
        train_lst="data/rec/train.lst",
        valid_lst="data/rec/valid.lst",
        test_lst="data/rec/test.lst",
        train_rec=shards("train", "rec"),
        train_idx=shards("train", "idx"),
        valid_rec=shards("valid", "rec"),
        valid_idx=shards("valid", "idx"),
        test_rec=shards("test", "rec"),
        test_idx=shards("test", "idx"),
        code=code("verify", "idx", "png", "trees", "lst", "rec"),
    output:
        report="results/verify.json",
    log:
        "logs/verify.log",
    params:
        root=subpath(input.train_tree, parent=True),
        classes=DATA["classes"],
    shell:
        """
        python -m digitflow verify \
            --log {log} \
            --train-images {input.train_images} \
            --train-labels {input.train_labels} \
            --test-images {input.test_images} \
            --checksums {input.checksums} \
            --train-tree {input.train_tree} \
            --test-tree {input.test_tree} \
            --root {params.root} \
            --classes {params.classes} \
            --train-lst {input.train_lst} \
            --valid-lst {input.valid_lst} \
            --test-lst {input.test_lst} \
            --train-rec {input.train_rec} \
            --train-idx {input.train_idx} \
            --valid-rec {input.valid_rec} \
            --valid-idx {input.valid_idx} \
            --test-rec {input.test_rec} \
            --test-idx {input.test_idx} \
            --report {output.report}
        """
