"""benchmarks/compare.py: the runs that it invents, here of fewer rows."""

from tests.conftest import PROJECT

from digitflow.verbs import tools


def test_the_invented_runs_have_labels_to_judge_them_by_and_images_to_show(monkeypatch, digits, tmp_path):
    monkeypatch.syspath_prepend(str(PROJECT / "benchmarks"))
    import compare as benchmark

    images, labels = digits
    monkeypatch.setattr(benchmark, "shuffled_digits", lambda seed: (images[:6000], labels[:6000]))
    monkeypatch.setattr(benchmark, "KAGGLE_TRAIN_ROWS", 5000)
    benchmark.write_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    tools.compare(tmp_path / "a" / "results", tmp_path / "b" / "results")
    assert {path.stem for path in tmp_path.glob("results/compare/*.png")} >= {"fixed", "broken"}
