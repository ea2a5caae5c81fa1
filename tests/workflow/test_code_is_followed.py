"""What an edit of the package makes run again: what can feel it, found by following imports, and nothing
else.
"""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from tests.workflow.conftest import Clone, Job

from digitflow import codedigest
from digitflow.verbs import commandline

# What runs a verb: it passes values on, or brings back what it has made before, and is not followed.
RUNNER = (
    *("", "__main__", "base.logs", "codedigest", "verbs", "verbs.commandline"),
    *("competing", "competing.store"),
)
ROUND_A_NETWORK = {
    "train_keras": ["models.keras_cnn"],
    "train_mxnet": ["models.mxnet_cnn"],
    "train_numpy": ["models.numpy_mlp"],
    "predict_numpy": ["models.numpy_mlp"],
}


def closure(verb: str) -> set[str]:
    return set(codedigest.closure(commandline.module_of(verb), verb, *ROUND_A_NETWORK.get(verb, ())))


def imported(clone: Clone) -> dict[str, set[str]]:
    """The packages, and the modules of ours, that each verb of a run had imported when it ended."""
    found: dict[str, set[str]] = {}
    for path in (clone.folder / "trace").iterdir():
        verb, *names = path.read_text().split("\n")
        if verb in commandline.all_verbs():
            found.setdefault(verb, set()).update(names)
    return found


def traced(clone: Clone) -> dict[str, set[str]]:
    """The modules of the package that each verb of a run had imported when it ended."""
    return {
        verb: {
            module
            for package, _, module in (name.partition(".") for name in names)
            if package == "digitflow" and module.split(".")[0] != "verbs"
        }
        for verb, names in imported(clone).items()
    }


def test_what_a_verb_imports_as_it_runs_is_what_its_digest_covers(finished_run):
    runs = traced(finished_run[0])
    assert runs.keys() >= {
        "csv_to_idx",
        "write_lst",
        "idx_to_png",
        "pack_rec",
        "train_keras",
        "train_mxnet",
        "merge",
    }
    for verb, modules in runs.items():
        assert modules - {*RUNNER} == closure(verb) - {*RUNNER}, verb


def test_it_is_so_of_verbs_that_a_default_run_does_not_call(finished_numpy):
    targets = ("figures", "results/look/index.html", "results/verify.json")
    result = finished_numpy.snakemake(*targets, DIGITFLOW_TRACE=str(finished_numpy.folder / "trace"))
    assert result.returncode == 0, result.stdout
    runs = traced(finished_numpy)
    assert runs.keys() >= {
        *("train_numpy", "predict_numpy", "show_curves", "show_mistakes"),
        *("audit_labels", "find_duplicates", "look_page", "verify"),
    }
    for verb, modules in runs.items():
        assert modules - {*RUNNER} == closure(verb) - {*RUNNER}, verb


@pytest.mark.parametrize("verb", ["train_keras", "predict_keras"])
def test_work_with_keras_begins_without_the_libraries_that_it_could_plot_and_read_tables_with(
    finished_run, verb
):
    assert imported(finished_run[0])[verb] & {"keras", "matplotlib", "pandas"} == {"keras"}


def modules_of(clone: Clone) -> list[Path]:
    return sorted((clone.folder / "workflow" / "digitflow").rglob("*.py"))


def test_comments_docstrings_and_layout_rerun_nothing(finished):
    for path in modules_of(finished):
        text = path.read_text()
        docstring = ast.get_docstring(ast.parse(text), clean=False)
        if docstring:
            text = text.replace(docstring, f"{docstring} Said in other words.", 1)
        path.write_text(f"# A comment.\n\n{text}\n\n\n# Another one.\n")
    assert not finished.planned()


@pytest.mark.parametrize(
    "module",
    [
        "formats/png.py",
        "dataset/split.py",
        "training/schedule.py",
        "merging/methods.py",
        "models/mxnet_cnn.py",
        "scoring/pairs.py",
    ],
)
def test_a_changed_constant_reruns_exactly_the_rules_whose_verbs_import_the_module(finished, module):
    path = finished.folder / "workflow" / "digitflow" / module
    path.write_text(path.read_text() + "\nNEW = 1\n")
    name = module.removesuffix(".py").replace("/", ".")
    planned = finished.planned()
    feel_it = {verb for verb in traced(finished) if name in closure(verb)}
    # Snakemake gives one reason: a rule that runs after another one that is to run has that as its own.
    assert {verb_of(job.rule) for job in planned if because_of_params(job)} <= feel_it
    assert feel_it <= {verb_of(job.rule) for job in planned}
    assert feel_it


def test_an_edit_of_a_numpy_model_concerns_no_numpy_model_of_another_module(finished_numpy):
    for module, concerned in (("neighbours", {}), ("numpy_mlp", {"train_numpy": 2, "predict_numpy": 2})):
        path = finished_numpy.folder / "workflow" / "digitflow" / "models" / f"{module}.py"
        path.write_text(path.read_text() + "\nNEW = 1\n")
        planned = finished_numpy.planned_rules()
        assert {rule: planned[rule] for rule in planned if rule.endswith("_numpy")} == concerned
        assert bool(planned) == bool(concerned)


def because_of_params(job: Job) -> bool:
    return job.reason.startswith("Params have changed")


def verb_of(rule: str) -> str:
    return {"csv_to_idx_test": "csv_to_idx"}.get(rule, rule)


def test_an_edit_of_a_verb_itself_reruns_its_rule(finished):
    finished.edit(
        "workflow/digitflow/verbs/submit.py",
        "methods.mean([read_probabilities(path) for path in probabilities])",
        "1 - methods.mean([read_probabilities(path) for path in probabilities])",
    )
    assert finished.planned_rules()["submit_model"] == 2
    assert "train_keras" not in finished.planned_rules()


def test_another_backend_retrains_keras_and_nothing_else(finished):
    jobs = finished.planned(KERAS_BACKEND="jax")
    assert {job.rule for job in jobs if because_of_params(job)} == {"train_keras"}
    assert "train_mxnet" not in {job.rule for job in jobs}


def test_a_chain_of_imports_is_shown_for_an_edit_of_a_module():
    done = subprocess.run(
        [sys.executable, "-m", "digitflow", "why", "--module", "workflow/digitflow/formats/png.py"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "pack_rec: dataset.packing -> formats.png" in done.stdout
    assert "train_keras" not in done.stdout
