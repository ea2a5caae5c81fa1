"""What the tests of tables and pages share: a finished study."""

import json

import pytest

from digitflow.scoring.table import FACTS, LOOKED

MODEL = {"framework": "keras", "architecture": "lenet", "epochs": 2, "batch_size": 8, "learning_rate": 0.1}


@pytest.fixture
def results(tmp_path):
    """A function that makes a finished study of two points below models/which; returns its keys."""

    def write(seeds=(0,), failed=False, looked=()):
        study = {"title": "Which?", "about": "This.", "data": "own", "vary": {"epochs": [1, 2]}}
        study |= {"model": MODEL | {"seeds": list(seeds)}, "figures": []}
        for epochs, accuracy in ((1, 0.8), (2, 0.9)):
            for seed in seeds:
                folder = tmp_path / "models" / "which" / f"epochs~{epochs}" / f"seed{seed}"
                folder.mkdir(parents=True, exist_ok=True)
                value = accuracy + 0.01 * seed
                status = "diverged" if failed and epochs == 1 else "finished"
                score = dict.fromkeys(FACTS) | {"parameters": 1000, "epochs": epochs, "seconds": 2.0}
                score |= {"status": status, "device": "cpu: a fast one", LOOKED: (epochs, seed) in looked}
                score |= {"valid_accuracy": value, "valid_low": value - 0.05, "valid_high": value + 0.05}
                (folder / "score.json").write_text(json.dumps(score))
                (folder / "metrics.json").write_text("{}")
                fields = "epoch,loss,accuracy,valid_loss,valid_accuracy"
                rows = [f"{epoch},1,0.5,1,{value}" for epoch in range(1, epochs + 1)]
                (folder / "history.csv").write_text("\n".join([fields, *rows]) + "\n")
        return study

    return write
