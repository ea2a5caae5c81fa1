# CSV -> IDX -> PNG trees -> .lst -> .rec


rule csv_to_idx:
    """Parse and check the CSVs once; everything after reads pixels from IDX files."""
    input:
        train_csv=TRAIN_CSV,
        test_csv=TEST_CSV,
        code=code("pixelcsv", "idx"),
    output:
        train_images="data/idx/train-images-idx3-ubyte",
        train_labels="data/idx/train-labels-idx1-ubyte",
        test_images="data/idx/test-images-idx3-ubyte",
    log:
        "logs/csv_to_idx.log",
    threads: 2
    params:
        height=DATA["image"]["height"],
        width=DATA["image"]["width"],
        classes=DATA["classes"],
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
            --train-images {output.train_images} \
            --train-labels {output.train_labels} \
            --test-images {output.test_images}
        """


rule idx_to_png:
    """Write a tree of PNG files to look at and to correct: a folder a label for train, a flat one for test."""
    input:
        images="data/idx/{tree}-images-idx3-ubyte",
        labels=lambda wildcards: "data/idx/train-labels-idx1-ubyte" if wildcards.tree == "train" else [],
        code=code("png", "idx"),
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
            --classes {params.classes} \
            --tree {output.tree}
        """


rule write_lst:
    """List the trees, labels taken from the folders' names, and split off the validation rows by id."""
    input:
        train_tree="data/png/train",
        test_tree="data/png/test",
        code=code("lst", "split"),
    output:
        train_lst="data/rec/train.lst",
        valid_lst="data/rec/valid.lst",
        test_lst="data/rec/test.lst",
    log:
        "logs/write_lst.log",
    params:
        root=subpath(input.train_tree, parent=True),
        classes=DATA["classes"],
        fraction=config["validation"]["fraction"],
        seed=config["validation"]["seed"],
    shell:
        """
        python -m digitflow write_lst \
            --log {log} \
            --train-tree {input.train_tree} \
            --test-tree {input.test_tree} \
            --root {params.root} \
            --classes {params.classes} \
            --fraction {params.fraction} \
            --seed {params.seed} \
            --train-lst {output.train_lst} \
            --valid-lst {output.valid_lst} \
            --test-lst {output.test_lst}
        """


rule pack_rec:
    """Pack the PNG files' own bytes into RecordIO: what you look at is what MXNet is trained on."""
    input:
        lst="data/rec/{part}.lst",
        tree=lambda wildcards: f"data/png/{'test' if wildcards.part == 'test' else 'train'}",
        code=code("rec", "lst"),
    output:
        rec="data/rec/{part}.rec",
        idx="data/rec/{part}.idx",
    log:
        "logs/pack_rec/{part}.log",
    params:
        root=subpath(input.tree, parent=True),
    shell:
        """
        python -m digitflow pack_rec \
            --log {log} \
            --lst {input.lst} \
            --root {params.root} \
            --rec {output.rec} \
            --idx {output.idx}
        """
