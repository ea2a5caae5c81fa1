"""Download, submission and what stands around them, by real runs against the small Kaggle of endpoint.py."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest
from tests.unit.competing.conftest import KAGGLE_PYTHON, TOKEN, running_endpoint
from tests.workflow.conftest import Clone, link_environment, make_clone

from digitflow.competing import receipts, runs

CONFIGURATION = """
data: {source: kaggle}
device: cpu
store: null
png: {enabled: false}
models:
  plain: {framework: numpy, architecture: mlp, epochs: 2, batch_size: 32, learning_rate: 0.002}
merge: {models: [plain]}
"""
SUBMIT = ("results/kaggle/submitted.json", "--config", "submit=yes")
# Each Python of a run says whether it could see a secret.
SPY = """
import os, sys
if os.environ.get("SPY") and len(sys.argv) > 1:
    seen = "KAGGLE_API_TOKEN" in os.environ or "KAGGLE_KEY" in os.environ
    with open(os.environ["SPY"], "a") as file:
        file.write(f"{sys.argv[1]} {seen}\\n")
"""


@dataclass(frozen=True)
class Competition:
    """A clone whose Kaggle is a process of this machine, which is told in `folder` how to behave."""

    clone: Clone
    folder: Path
    port: str

    def set(self, **world: object) -> None:
        own = self.clone.folder / "own"
        told = {
            "authorized": [f"Bearer {TOKEN}"],
            "files": {name: str(own / name) for name in ("train.csv", "test.csv")},
        }
        (self.folder / "world.json").write_text(json.dumps(told | world))

    def run(self, *arguments: str, **environment: str):
        """Run Snakemake with a token and the small Kaggle; Kaggle's own verbose mode is on."""
        proxy = f"http://127.0.0.1:{self.port}"
        given = {"KAGGLE_API_TOKEN": TOKEN, "KAGGLE_API_ENVIRONMENT": "LOCALHOST", "VERBOSE": "1"}
        given |= {"http_proxy": proxy, "HTTP_PROXY": proxy, "HOME": str(self.folder)}
        given |= {"SPY": str(self.folder / "seen.txt")}
        return self.clone.snakemake(*arguments, **given | environment)

    def methods(self) -> list[str]:
        """What Kaggle was asked for so far."""
        log = self.folder / "log.jsonl"
        return [json.loads(line)["method"] for line in log.read_text().splitlines()] if log.exists() else []

    def submissions(self) -> list[dict]:
        return json.loads((self.folder / "state.json").read_text())["submissions"]

    def submitted(self) -> dict:
        return json.loads((self.clone.folder / "results" / "kaggle" / "submitted.json").read_text())


@pytest.fixture(scope="session")
def a_day(digits, mxnet_python, tmp_path_factory):
    """A competition from an empty folder to a score, and what each step printed."""
    if not KAGGLE_PYTHON.exists():
        pytest.skip("no environment for Kaggle's client: `make test` builds it")
    folder = tmp_path_factory.mktemp("kaggle")
    clone = make_clone(folder / "clone", digits)
    (clone.folder / "tiny.yaml").write_text(CONFIGURATION)
    (clone.folder / "workflow" / "sitecustomize.py").write_text(SPY)  # in place of the guard of the network
    link_environment(clone.folder / ".venvs" / "kaggle", KAGGLE_PYTHON)
    with running_endpoint(folder) as port:
        competition = Competition(clone, folder, port)
        competition.set()
        printed = {}
        steps = {
            "without credentials": ((), {"KAGGLE_API_TOKEN": "", "KAGGLE_KEY": "", "KAGGLE_USERNAME": ""}),
            "all": ((), {}),
            "without a wish": (SUBMIT[:1], {}),
            "submit": (SUBMIT, {}),
        }
        asked = {}
        for name, (arguments, environment) in steps.items():
            printed[name] = competition.run(*arguments, **environment)
            asked[name] = competition.methods()
        yield competition, printed, asked


def test_without_an_account_one_line_says_both_ways(a_day):
    _, printed, asked = a_day
    first = printed["without credentials"]
    assert first.returncode == 1
    (line,) = [line for line in first.stdout.splitlines() if "no credentials" in line]
    assert "~/.kaggle/access_token" in line
    assert "competitions/digit-recognizer/data into data/kaggle/ yourself" in line
    assert "set data.source to mnist" in line
    assert asked["without credentials"] == []


def test_what_is_not_there_is_downloaded_checked_and_used(a_day):
    competition, printed, asked = a_day
    assert printed["all"].returncode == 0, printed["all"].stdout
    assert asked["all"] == ["ListDataFiles", "DownloadDataFile", "train.csv", "DownloadDataFile", "test.csv"]
    data, own = (competition.clone.folder / name for name in ("data/kaggle", "own"))
    for name in ("train.csv", "test.csv"):
        assert (data / name).read_bytes() == (own / name).read_bytes()
    assert sorted(path.name for path in data.rglob("*") if path.is_file()) == [
        "competition.txt",
        "digests.sha256",
        "test.csv",
        "train.csv",
    ]
    assert (competition.clone.folder / "results" / "submission.csv").exists()


def test_nothing_is_sent_without_a_wish(a_day):
    _, printed, asked = a_day
    assert printed["without a wish"].returncode != 0
    assert (
        "nothing was sent: a submission is made only with `--config submit=yes`"
        in printed["without a wish"].stdout
    )
    assert asked["without a wish"] == asked["all"]


def test_a_submission_is_shown_sent_and_scored(a_day):
    competition, printed, _ = a_day
    told = printed["submit"]
    assert told.returncode == 0, told.stdout
    for piece in (
        "competition  digit-recognizer",
        "200 rows",
        "classes      0: ",
        "validation   ",
        "message      digitflow",
        "5 left today",
        "reference 1000",
    ):
        assert piece in told.stdout
    submitted = competition.submitted()
    assert (submitted["ref"], submitted["public_score"], submitted["rank"]) == (1000, "0.99571", 3)
    (entry,) = competition.submissions()
    assert entry["sha256"] == submitted["sha256"]
    (run,) = runs.recall(competition.clone.folder / "results" / "runs")
    assert (run.kaggle["ref"], run.kaggle["public_score"]) == (1000, "0.99571")


def test_the_same_bytes_are_not_sent_again_and_a_score_that_is_late_is_fetched(a_day):
    competition, *_ = a_day
    assert not competition.clone.planned_rules(*SUBMIT).keys() & {"submit_kaggle"}
    receipt = receipts.Receipt(**competition.submitted())
    receipt.status = receipt.public_score = ""
    receipts.write(competition.clone.folder / "results" / "kaggle", receipt)
    (competition.clone.folder / SUBMIT[0]).write_text(json.dumps(asdict(receipt)))  # as it is without a score
    done = competition.run(*SUBMIT)
    assert done.returncode == 0, done.stdout
    assert "already sent, reference 1000: not sent again" in done.stdout
    assert competition.submitted()["public_score"] == "0.99571"
    assert len(competition.submissions()) == 1


def test_another_competition_is_refused_before_anything_is_done(a_day):
    competition, *_ = a_day
    before = competition.methods()
    other = "data={competition: kannada-mnist}"
    for arguments in (("--config", other), (*SUBMIT, other)):
        done = competition.run(*arguments)
        assert done.returncode == 1
        assert (
            "kannada-mnist, but the files in data/kaggle were downloaded for digit-recognizer" in done.stdout
        )
    assert competition.methods() == before
    assert len(competition.submissions()) == 1


def test_a_secret_is_in_no_file_and_in_no_job_that_does_not_need_it(a_day):
    competition, printed, _ = a_day
    report = competition.run("--report", "report.html")
    assert report.returncode == 0, report.stdout
    for done in [*printed.values(), report]:
        assert TOKEN not in done.stdout
    for folder, _, names in os.walk(competition.clone.folder):
        for name in names:
            assert TOKEN.encode() not in Path(folder, name).read_bytes(), name
    seen = dict.fromkeys((competition.folder / "seen.txt").read_text().splitlines())
    verbs = {line.split()[0] for line in seen if line.endswith("True")}
    assert verbs - {"-c"} <= {"fetch_kaggle", "submit_kaggle"} | {
        word for word in verbs if word.startswith("-")
    }
    assert {"train_numpy False", "merge False", "remember_run False", "plan_submission False"} <= seen.keys()
    assert {"fetch_kaggle True", "submit_kaggle True"} <= seen.keys()


@pytest.mark.skipif(not KAGGLE_PYTHON.exists(), reason="no environment for Kaggle's client")
def test_another_competition_goes_from_an_empty_folder_to_a_score_by_one_command(
    digits, mxnet_python, tmp_path
):
    clone = make_clone(tmp_path / "clone", digits)
    clone.edit("own/test.csv", "pixel0", "id,pixel0")
    head, *rows = (clone.folder / "own" / "test.csv").read_text().splitlines()
    lines = [head, *(f"{id_},{row}" for id_, row in enumerate(rows))]
    (clone.folder / "own" / "test.csv").write_text("\n".join(lines) + "\n")
    form = "submission: {id: id, label: label, first: 0}"
    own = CONFIGURATION.replace("{source: kaggle}", "{source: kaggle, competition: kannada-mnist}")
    (clone.folder / "tiny.yaml").write_text(f"{own}{form}\n")
    link_environment(clone.folder / ".venvs" / "kaggle", KAGGLE_PYTHON)
    (clone.folder / "workflow" / "sitecustomize.py").unlink()  # the guard of the network
    with running_endpoint(tmp_path) as port:
        competition = Competition(clone, tmp_path, port)
        competition.set(competition="kannada-mnist")
        done = competition.run(*SUBMIT)
        assert done.returncode == 0, done.stdout
        assert competition.submitted()["competition"] == "kannada-mnist"
        (entry,) = competition.submissions()
    (sent,) = (clone.folder / "results" / "kaggle" / "kannada-mnist").glob("*.csv")
    assert sent.read_text().startswith("id,label\n0,")
    assert entry["sha256"] == sent.stem
    (run,) = runs.recall(clone.folder / "results" / "runs")
    assert run.kaggle["competition"] == "kannada-mnist"
    assert run.scores


@pytest.fixture
def by_hand(digits, mxnet_python, tmp_path) -> Clone:
    """A clone in which a person has put the competition's CSVs into their place."""
    clone = make_clone(tmp_path / "clone", digits)
    (clone.folder / "tiny.yaml").write_text(CONFIGURATION)
    (clone.folder / "data").mkdir()
    (clone.folder / "own").rename(clone.folder / "data" / "kaggle")
    return clone


def test_files_that_a_person_put_there_are_used_without_an_account(by_hand):
    planned = by_hand.planned_rules()
    assert planned["csv_to_idx"] == 1
    assert not planned.keys() & {"fetch_kaggle", "accept_kaggle", "kaggle_environment", "submit_kaggle"}
    assert not by_hand.planned_rules("fetch").keys() & {"fetch_kaggle", "kaggle_environment"}
    (by_hand.folder / "data" / "kaggle" / "test.csv").unlink()
    assert by_hand.planned_rules("fetch").keys() >= {"fetch_kaggle", "accept_kaggle", "kaggle_environment"}


def test_test_images_wait_for_the_training_csv_that_is_downloaded(by_hand):
    (by_hand.folder / "data" / "kaggle" / "train.csv").unlink()
    assert by_hand.planned_rules("data/rec/test.lst").keys() >= {"accept_kaggle", "csv_to_idx_test"}


def test_what_is_submitted_is_remembered_before_it_is_sent(by_hand):
    (plan,) = [job for job in by_hand.planned(*SUBMIT) if job.rule == "plan_submission"]
    assert "results/remembered.txt" in plan.inputs


def test_digits_of_ones_own_are_sent_to_no_competition_that_was_not_named(finished_numpy):
    refused = finished_numpy.snakemake("--dry-run", *SUBMIT)
    assert refused.returncode == 1
    assert "nothing was sent: data.source is files; if its test images are digit-rec" in refused.stdout
    named = (*SUBMIT, "data={competition: digit-recognizer}")
    assert finished_numpy.planned_rules(*named)["submit_kaggle"] == 1
    finished_numpy.configure("source: files", "source: files, competition: kannada-mnist")
    assert finished_numpy.planned_rules(*SUBMIT)["submit_kaggle"] == 1


def test_the_wish_alone_sends_nothing(by_hand):
    assert not by_hand.planned_rules("--config", "submit=yes").keys() & {"plan_submission", "submit_kaggle"}


def test_a_wish_in_a_file_is_refused(by_hand):
    by_hand.configure("store: null", "store: null\nsubmit: true")
    for target in ((), SUBMIT[:1]):
        done = by_hand.snakemake("--dry-run", *target)
        assert done.returncode == 1
        assert "submit: a configuration file or a profile asks for a submission" in done.stdout


def test_a_dry_run_leaves_a_submission_without_a_score_and_says_so(by_hand):
    submitted = by_hand.folder / SUBMIT[0]
    submitted.parent.mkdir(parents=True)
    receipt = receipts.Receipt("digit-recognizer", "f" * 64, "results/submission.csv", "m", "2026")
    submitted.write_text(json.dumps(asdict(receipt)))
    done = by_hand.snakemake("--dry-run")
    assert "submitted.json has no score yet: a run that makes it will ask for the score" in done.stdout
    assert json.loads(submitted.read_text()) == asdict(receipt)
