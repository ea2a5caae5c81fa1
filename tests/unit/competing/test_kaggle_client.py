"""Download and submission against a small Kaggle on this machine: every answer, cut lines, kills, secrets."""

import errno
import fcntl
import json
import os
import stat

import pytest
from tests.unit.competing.conftest import TOKEN, Kaggle

from digitflow.base.errors import ConfigError, InputError
from digitflow.competing import download, receipts, submit
from digitflow.competing.competition import downloaded_for
from digitflow.competing.kaggle import Limits

TRAIN = "label,pixel0,pixel1\n" + "7,0,255\n" * 500
SUBMISSION = "ImageId,Label\n1,0\n2,1\n3,1\n"
RULES = "https://www.kaggle.com/competitions/digit-recognizer/rules"
ACCEPTED = ["competition.txt", "digests.sha256", "download/download.json", "train.csv"]
HTML = "<!DOCTYPE html><html><body>Sign in</body></html>"

# What the service or the network does, in each request of a submission; what the one line must say.
TROUBLES = {
    "wrong credentials": (
        {"status": 401, "body": '{"code": 401, "message": "Unauthenticated"}'},
        "a token at",
    ),
    "rules not accepted": (
        {
            "status": 403,
            "body": json.dumps({"code": 403, "message": "Permission 'competitions.participate' was denied"}),
        },
        f"accept the rules at {RULES}",
    ),
    "unknown": ({"status": 404, "body": '{"code": 404, "message": "Not found"}'}, "correct data.competition"),
    "too many requests": ({"status": 429, "headers": {"Retry-After": "30"}}, "wait 30 seconds and run again"),
    "the daily limit": (
        {"status": 400, "body": json.dumps({"code": 400, "message": "You have used all 5 submissions"})},
        "You have used all 5 submissions",
    ),
    "an error within a success": ({"status": 200, "body": '{"code": 400, "message": "No"}'}, "(400: No)"),
    "out of order": ({"status": 502, "body": HTML, "type": "text/html"}, "Kaggle is not working (502)"),
    "a login page": ({"status": 200, "body": HTML, "type": "text/html"}, "the answer is not Kaggle's"),
    "half an answer": ({"body": '{"submissions": [', "cut": 0}, "the answer is not Kaggle's"),
    "a line that breaks": ({"hang_up": True}, "check the network and run again"),
    "a cut-off answer": ({"body": '{"a": 1}' * 9, "cut": 5}, "check the network and run again"),
    "silence": ({"silent": 6}, "did not answer in time; run again"),
}


@pytest.fixture
def train(kaggle: Kaggle):
    path = kaggle.home / "offered.csv"
    path.write_text(TRAIN)
    kaggle.set(files={"train.csv": str(path)})
    return path


@pytest.fixture
def submission(kaggle: Kaggle):
    path = kaggle.home / "submission.csv"
    path.write_text(SUBMISSION)
    return path


def one_line(done) -> str:
    """The message of a failed call: one line on stderr besides what was shown before, and no traceback."""
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert TOKEN not in done.stderr
    return done.stderr.strip().splitlines()[-1]


def line_of(kaggle: Kaggle, method: str, *call) -> str:
    """Call until a request was made (an earlier one may time out on a slow machine); return the one line."""
    while method not in kaggle.methods():
        line = one_line(kaggle.call(*call))
    return line


def seconds_for(trouble: str | None) -> str:
    """How long the client waits for an answer: long, but where none will come."""
    return "2" if trouble == "silence" else "60"


def files_of(folder) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_download_is_fetched_checked_and_moved_where_a_run_reads_it(kaggle, train):
    staging, data = kaggle.home / "kaggle" / "download", kaggle.home / "kaggle"
    done = kaggle.call("fetch", staging, "60", "train.csv")
    assert done.returncode == 0, done.stderr
    checked = []
    download.accept(staging, data, checked.append)
    assert checked == [staging / "train.csv"]
    assert (data / "train.csv").read_text() == TRAIN
    assert list(download.read_digests(data / "digests.sha256")) == ["train.csv"]
    assert files_of(data) == ACCEPTED
    assert downloaded_for(data) == "digit-recognizer"


def test_a_file_that_comes_zipped_is_unpacked(kaggle, train):
    kaggle.set(files={"train.csv": str(train)}, zipped=["train.csv"])
    done = kaggle.call("fetch", kaggle.home / "download", "60")
    assert done.returncode == 0, done.stderr
    assert (kaggle.home / "download" / "train.csv").read_text() == TRAIN


def test_the_storage_that_a_download_is_sent_to_gets_no_credentials(kaggle, train):
    kaggle.call("fetch", kaggle.home / "download", "60")
    storage = [request for request in kaggle.requests() if request["host"] == "storage.test"]
    assert len(storage) == 1
    assert "Authorization" not in storage[0]["headers"]


@pytest.mark.parametrize(
    ("world", "faults", "expected"),
    [
        ({}, {"train.csv": {"body": HTML, "type": "text/html"}}, f"accept the rules at {RULES}"),
        ({}, {"train.csv": {"body": HTML, "type": "text/csv"}}, f"accept the rules at {RULES}"),
        ({}, {"train.csv": {"body": "Sign in", "type": "text/html"}}, f"accept the rules at {RULES}"),
        ({}, {"train.csv": {"body": TRAIN, "type": "text/csv", "cut": 9}}, "run again"),
        ({}, {"train.csv": {"body": TRAIN[:-9], "type": "text/csv"}}, "cut off: "),
        (
            {},
            {"train.csv": {"status": 403, "body": "<Error/>", "type": "application/xml"}},
            "accept the rules",
        ),
        ({}, {"train.csv": {"status": 503}}, "Kaggle is not working (503)"),
        ({}, {"train.csv": {"silent": 6}}, "run again"),
        ({}, {"train.csv": {"body": "PK\x03\x04 damaged", "type": "application/zip"}}, "damaged"),
        ({"flip": True}, {}, "its MD5 is not the announced one; run again"),
    ],
    ids=[
        "login",
        "html as csv",
        "text as html",
        "cut",
        "short",
        "storage's 403",
        "503",
        "silence",
        "bad zip",
        "flipped bit",
    ],
)
def test_a_download_that_went_wrong_is_one_line_and_leaves_no_file(kaggle, train, world, faults, expected):
    kaggle.set(files={"train.csv": str(train)}, faults=faults, **world)
    seconds = seconds_for("silence" if "silent" in str(faults) else None)
    line = line_of(kaggle, "train.csv", "fetch", kaggle.home / "download", seconds)
    assert "train.csv" in line
    assert expected in line
    assert not (kaggle.home / "download").exists() or files_of(kaggle.home / "download") == []


@pytest.mark.parametrize("trouble", TROUBLES)
@pytest.mark.parametrize("method", ["ListDataFiles", "DownloadDataFile"])
def test_each_answer_to_a_download_that_is_no_success_is_one_line_and_leaves_no_file(
    kaggle, train, method, trouble
):
    fault, expected = TROUBLES[trouble]
    if (method, trouble) == ("DownloadDataFile", "a login page"):
        expected = f"accept the rules at {RULES}"
    kaggle.set(files={"train.csv": str(train)}, faults={method: fault | {"times": 1}})
    folder = kaggle.home / "download"
    assert expected in line_of(kaggle, method, "fetch", folder, seconds_for(trouble))
    assert not folder.exists() or files_of(folder) == []
    again = kaggle.call("fetch", folder, "60")
    assert again.returncode == 0, again.stderr
    assert files_of(folder) == ["download.json", "train.csv"]


@pytest.mark.parametrize("method", ["ListDataFiles", "DownloadDataFile", "train.csv"])
@pytest.mark.parametrize("status", [401, 403, 404, 429, 500])
def test_an_answer_to_a_download_that_repeats_the_token_is_told_without_it(kaggle, train, method, status):
    body = json.dumps({"code": status, "message": f"no to {TOKEN}"})
    kaggle.set(files={"train.csv": str(train)}, faults={method: {"status": status, "body": body}})
    assert f"({status}: no to ***)" in one_line(kaggle.call("fetch", kaggle.home / "download", "60"))


def test_a_kill_at_any_moment_of_a_download_leaves_no_file_that_is_not_whole(kaggle, train):
    test = kaggle.home / "test.csv"
    test.write_text(TRAIN[:2000])
    kaggle.set(files={"train.csv": str(train), "test.csv": str(test)}, zipped=["test.csv"])
    done = kaggle.call("fetch_kills", kaggle.folder, kaggle.home / "download", "3")
    result = json.loads(done.stdout)
    assert result["wrong"] == []
    assert result["kills"] > 10


def test_a_file_that_the_competition_does_not_have_is_named_beside_those_it_has(kaggle, train):
    line = one_line(kaggle.call("fetch", kaggle.home / "download", "60", "tran.csv"))
    assert "has no tran.csv; it has train.csv" in line


@pytest.mark.parametrize("names", [["train.csv", "extra/train.csv"], ["extra/train.csv", "train.csv"]])
def test_a_file_in_no_folder_goes_before_one_of_its_name_in_a_folder(kaggle, train, names):
    (extra := kaggle.home / "extra.csv").write_text(TRAIN.replace("\n1", "\n2"))
    paths = {"train.csv": str(train), "extra/train.csv": str(extra)}
    kaggle.set(files={name: paths[name] for name in names})
    done = kaggle.call("fetch", kaggle.home / "download", "60")
    assert done.returncode == 0, done.stderr
    assert (kaggle.home / "download" / "train.csv").read_text() == TRAIN


@pytest.mark.parametrize("trouble", TROUBLES)
@pytest.mark.parametrize(
    "method", ["ListSubmissions", "GetSubmissionLimits", "StartSubmissionUpload", "CreateSubmission"]
)
def test_each_answer_that_is_no_success_is_one_line_with_what_to_do(kaggle, submission, method, trouble):
    fault, expected = TROUBLES[trouble]
    kaggle.set(faults={method: fault | {"times": 1}})
    call = "submit", submission, kaggle.home / "receipts", "digit-recognizer", seconds_for(trouble)
    assert expected in line_of(kaggle, method, *call)
    again = kaggle.call("submit", submission, kaggle.home / "receipts")
    assert again.returncode == 0, again.stderr
    assert len(kaggle.state()["submissions"]) == 1


STORAGE_SAYS_YES = {name for name, (fault, _) in TROUBLES.items() if fault.get("status") == 200}
CUT_OFF_YES = {"half an answer", "a cut-off answer"}  # its status came, and there is nothing else to read


@pytest.mark.parametrize("trouble", [name for name in TROUBLES if name not in STORAGE_SAYS_YES | CUT_OFF_YES])
def test_each_answer_of_the_storage_that_is_no_success_is_one_line_and_the_file_is_sent_once(
    kaggle, submission, trouble
):
    fault, expected = TROUBLES[trouble]
    kaggle.set(faults={"PUT": fault | {"times": 1}})
    call = "submit", submission, kaggle.home / "receipts", "digit-recognizer", seconds_for(trouble)
    assert expected in line_of(kaggle, "PUT", *call)
    again = kaggle.call("submit", submission, kaggle.home / "receipts")
    assert again.returncode == 0, again.stderr
    assert len(kaggle.state()["submissions"]) == 1


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_score_that_cannot_be_asked_for_is_asked_for_again_and_nothing_is_sent_twice(
    kaggle, submission, trouble
):
    kaggle.set(faults={"GetSubmission": TROUBLES[trouble][0] | {"times": 1}})
    call = "submit", submission, kaggle.home / "receipts", "digit-recognizer", seconds_for(trouble)
    for _ in range(3):  # the fault is met, and then over
        done = kaggle.call(*call)
    assert "GetSubmission" in kaggle.methods()
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["public_score"] == "0.99571"
    assert TOKEN not in done.stderr
    assert kaggle.methods().count("CreateSubmission") == 1


@pytest.mark.parametrize("trouble", ["out of order", "a line that breaks", "a login page", "silence"])
def test_a_submission_that_was_taken_though_the_answer_was_lost_is_found_and_not_sent_again(
    kaggle, submission, trouble
):
    fault, _ = TROUBLES[trouble]
    kaggle.set(faults={"CreateSubmission": fault | {"handled": True, "times": 1}})
    call = "submit", submission, kaggle.home / "receipts", "digit-recognizer", seconds_for(trouble)
    line_of(kaggle, "CreateSubmission", *call)
    done = kaggle.call("submit", submission, kaggle.home / "receipts")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["ref"] == 1000
    assert kaggle.methods().count("CreateSubmission") == 1


def test_an_upload_that_broke_off_goes_on_where_it_stopped(kaggle, submission):
    kaggle.set(faults={"PUT": {"hang_up": True, "handled": True, "times": 1}})
    one_line(kaggle.call("submit", submission, kaggle.home / "receipts"))
    assert kaggle.call("submit", submission, kaggle.home / "receipts").returncode == 0
    sizes = [request["bytes"] for request in kaggle.requests() if request["method"] == "PUT"]
    assert sizes == [len(SUBMISSION), 0]  # the second only asks


def test_without_credentials_nothing_is_asked_and_the_line_says_where_they_come_from(kaggle, submission):
    done = kaggle.call("submit", submission, kaggle.home / "receipts", KAGGLE_API_TOKEN="")
    assert "there are no credentials for Kaggle: make a token at" in one_line(done)
    assert kaggle.requests() == []


@pytest.mark.parametrize(
    "place", ["access_token", "access_token.txt", "kaggle.json", "credentials.json", "variables", "path"]
)
def test_credentials_are_found_where_kaggle_has_people_put_them(kaggle, submission, place):
    folder = kaggle.home / ".kaggle"
    folder.mkdir()
    environment = {"KAGGLE_API_TOKEN": ""}
    if place == "variables":
        environment |= {"KAGGLE_USERNAME": "someone", "KAGGLE_KEY": "KEY_of_nobody"}
    elif place == "path":
        (folder / "elsewhere").write_text(TOKEN)
        environment["KAGGLE_API_TOKEN"] = str(folder / "elsewhere")
    elif place == "credentials.json":  # what signing in by a browser leaves
        signed_in = {"refresh_token": "r", "access_token": TOKEN}
        signed_in["access_token_expiration"] = "2999-01-01T00:00:00+00:00"
        (folder / place).write_text(json.dumps(signed_in))
    elif place == "kaggle.json":
        (folder / place).write_text('{"username": "someone", "key": "KEY_of_nobody"}')
    else:
        (folder / place).write_text(f"{TOKEN}\n")
    done = kaggle.call("submit", submission, kaggle.home / "receipts", **environment)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("wish", ["no", "None", "", "1"])
def test_without_the_wish_a_submission_is_refused(wish):
    with pytest.raises(ConfigError, match=r"nothing was sent: .*--config submit=yes"):
        submit.check_wish(wish)


def test_before_it_is_sent_a_submission_is_shown_with_the_slots_left(kaggle, submission):
    kaggle.set(left=3)
    done = kaggle.call("submit", submission, kaggle.home / "receipts")
    shown = done.stderr.splitlines()
    assert shown[0] == "competition  digit-recognizer"
    assert shown[1].endswith("submission.csv, 3 rows")
    assert shown[2] == "classes      0: 1, 1: 2"
    assert shown[4] == "slots        3 left today, 0 used"
    assert shown[-1].endswith("public score 0.99571; the team is in place 3")


def test_what_is_known_of_a_submission_beforehand_is_shown_too():
    plan = {"competition": "digit-recognizer", "file": "s.csv", "rows": 3, "class_counts": {"0": 3}}
    plan |= {"message": "a test", "changed": {"labels": 2, "ref": 1000}, "note": "* of one model"}
    plan |= {"validation": {"accuracy": 0.9957, "low": 0.9931, "high": 0.9974}}
    assert submit.describe_plan(plan, Limits(today=1, total=9, left=4))[3:] == [
        "changed      2 labels since submission 1000",
        "validation   99.57 % (99.31-99.74)*",
        "             * of one model",
        "message      a test",
        "slots        4 left today, 1 used",
    ]


@pytest.mark.parametrize(("broken", "sent"), [("PUT", "the second"), ("CreateSubmission", "the first")])
def test_the_message_that_is_shown_is_the_one_that_is_sent_after_an_interrupted_try(
    kaggle, submission, broken, sent
):
    """Once the request that takes a slot has gone out, its message may have arrived."""
    kaggle.set(faults={broken: {"hang_up": True, "times": 1}})
    call = "submit", submission, kaggle.home / "receipts", "digit-recognizer", "60", "60"
    one_line(kaggle.call(*call, "the first"))
    done = kaggle.call(*call, "the second")
    assert done.returncode == 0, done.stderr
    assert f"message      {sent}" in done.stderr.splitlines()
    (entry,) = kaggle.state()["submissions"]
    assert entry["description"].startswith(f"{sent} [")
    assert json.loads(done.stdout)["message"] == sent


def test_with_no_slot_left_nothing_is_uploaded(kaggle, submission):
    kaggle.set(left=0)
    line = one_line(kaggle.call("submit", submission, kaggle.home / "receipts"))
    assert "no submission is left today" in line
    assert "PUT" not in kaggle.methods()


def test_the_same_bytes_are_never_sent_twice(kaggle, submission):
    first = kaggle.call("submit", submission, kaggle.home / "receipts")
    again = kaggle.call("submit", submission, kaggle.home / "receipts")
    elsewhere = kaggle.call("submit", submission, kaggle.home / "another folder")
    refs = [json.loads(done.stdout)["ref"] for done in (first, again, elsewhere)]
    assert refs == [1000] * 3
    assert "already sent, reference 1000: not sent again" in again.stderr
    assert kaggle.methods().count("PUT") == 1
    (copy,) = (kaggle.home / "receipts").rglob("*.csv")
    assert copy.read_text() == SUBMISSION


def test_a_pending_score_is_fetched_by_a_later_run(kaggle, submission):
    kaggle.set(pending=1 << 30)
    call = "submit", submission, kaggle.home / "receipts", "digit-recognizer", "60"
    first = kaggle.call(*call, "0")  # seconds of patience
    assert first.returncode == 0
    assert "no score yet for 1 submission: run again later" in first.stderr
    kaggle.change(pending=0)
    later = kaggle.call("submit", submission, kaggle.home / "receipts")
    assert json.loads(later.stdout)["public_score"] == "0.99571"


def test_a_score_is_not_waited_for_because_an_earlier_one_is_missing(kaggle, submission):
    earlier = receipts.Receipt("digit-recognizer", "f" * 64, "earlier.csv", "m", "2026", receipts.SENT, ref=7)
    receipts.write(kaggle.home / "receipts", earlier)
    done = kaggle.call("submit", submission, kaggle.home / "receipts")
    assert json.loads(done.stdout)["public_score"] == "0.99571"
    assert "no score yet for 1 submission: run again later" in done.stderr
    asked = [request for request in kaggle.requests() if request["method"] == "GetSubmission"]
    assert [json.loads(request["body"])["ref"] for request in asked].count(7) == 1


def test_what_hinders_the_question_for_a_score_is_told_once(kaggle, submission):
    kaggle.set(faults={"GetSubmission": TROUBLES["too many requests"][0]})
    call = "submit", submission, kaggle.home / "receipts", "digit-recognizer", "60"
    done = kaggle.call(*call, "0.5")  # seconds of patience
    assert done.returncode == 0, done.stderr
    assert kaggle.methods().count("GetSubmission") > 2
    assert done.stderr.count("too many requests") == 1


def test_only_the_scores_of_files_that_were_sent_are_asked_for(kaggle, submission):
    kaggle.set(faults={"PUT": {"hang_up": True, "times": 1}})
    one_line(kaggle.call("submit", submission, kaggle.home / "receipts"))
    other = kaggle.home / "other.csv"
    other.write_text(SUBMISSION.replace("1,0", "1,1"))
    done = kaggle.call("submit", other, kaggle.home / "receipts")
    assert done.returncode == 0, done.stderr
    asked = [request for request in kaggle.requests() if request["method"] == "GetSubmission"]
    assert {json.loads(request["body"]).get("ref") for request in asked} == {1000}


@pytest.mark.parametrize("trouble", [name for name in TROUBLES if name != "silence"])
def test_a_leaderboard_that_cannot_be_read_costs_the_place_and_not_the_score(kaggle, submission, trouble):
    kaggle.set(faults={"GetLeaderboard": TROUBLES[trouble][0]})
    done = kaggle.call("submit", submission, kaggle.home / "receipts")
    assert done.returncode == 0, done.stderr
    (told,) = [line for line in done.stderr.splitlines() if "the score is kept without the place" in line]
    assert TROUBLES[trouble][1] in told
    (kept,) = receipts.read_all(kaggle.home / "receipts")
    assert (kept.public_score, kept.rank) == ("0.99571", None)
    assert kaggle.methods().count("GetLeaderboard") == 1


def test_a_fault_that_the_service_finds_is_told_with_its_reason_and_reference(kaggle, submission):
    kaggle.set(reason="Submission must have 28000 rows")
    for _ in range(2):  # a second call says it again, and sends nothing
        line = one_line(kaggle.call("submit", submission, kaggle.home / "receipts"))
        assert "submission 1000: Submission must have 28000 rows" in line
    assert kaggle.methods().count("PUT") == 1


def test_what_the_service_found_an_error_in_is_sent_again_once_its_receipt_is_deleted(kaggle, submission):
    kaggle.set(reason="The scorer is out of order")
    line = one_line(kaggle.call("submit", submission, kaggle.home / "receipts"))
    (receipt,) = (kaggle.home / "receipts").rglob("*.json")
    assert line.endswith(f"to send the same file again all the same, delete {receipt}")
    receipt.unlink()
    kaggle.change(reason="")
    for _ in range(2):
        done = kaggle.call("submit", submission, kaggle.home / "receipts")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["ref"] == 1001
    assert kaggle.methods().count("CreateSubmission") == 2


def test_an_interrupted_try_that_ended_in_an_error_is_found_and_not_sent_again(kaggle, submission):
    kaggle.set(reason="wrong", faults={"CreateSubmission": {"hang_up": True, "handled": True, "times": 1}})
    one_line(kaggle.call("submit", submission, kaggle.home / "receipts"))
    elsewhere = kaggle.call("submit", submission, kaggle.home / "elsewhere", "digit-recognizer", "60", "0")
    assert "reference 1000" in elsewhere.stderr  # asked for its score, it has the error
    assert "Kaggle found an error in submission 1000" in one_line(
        kaggle.call("submit", submission, kaggle.home / "receipts")
    )
    assert kaggle.methods().count("CreateSubmission") == 1


def test_a_name_that_no_competition_can_have_is_refused_before_any_request(kaggle, submission):
    done = kaggle.call("submit", submission, kaggle.home / "receipts", "Digit Recognizer")
    assert "for example digit-recognizer" in one_line(done)
    assert kaggle.requests() == []


@pytest.mark.parametrize("trouble", [None, *TROUBLES])
def test_the_token_and_the_signed_address_appear_nowhere(kaggle, submission, trouble):
    if trouble:
        fault = TROUBLES[trouble][0] | {"times": 1}
        fault["body"] = fault.get("body", "").replace("Unauthenticated", f"no {TOKEN}")
        kaggle.set(faults={"ListSubmissions": fault})
    call = "submit", submission, kaggle.home / "receipts", "digit-recognizer", seconds_for(trouble)
    done = kaggle.call(*call)
    assert any(TOKEN in str(request["headers"]) for request in kaggle.requests())
    kept = [path.read_bytes() for path in kaggle.home.rglob("*") if path.is_file()]
    for secret in (TOKEN, "signature=SECRET"):
        assert secret not in done.stdout + done.stderr
        assert not any(secret.encode() in content for content in kept)


@pytest.mark.parametrize("added", ["\nsecond-line", " another", "\N{LATIN SMALL LETTER E WITH ACUTE}"])
def test_a_token_that_no_header_can_carry_is_not_told(kaggle, submission, added):
    broken = f"{TOKEN}{added}"
    line = one_line(kaggle.call("submit", submission, kaggle.home / "receipts", KAGGLE_API_TOKEN=broken))
    assert "characters that no token has" in line
    assert TOKEN not in line


def test_an_empty_key_is_told(kaggle, submission):
    (folder := kaggle.home / ".kaggle").mkdir()
    (folder / "kaggle.json").write_text('{"username": "someone", "key": ""}')
    line = one_line(kaggle.call("submit", submission, kaggle.home / "receipts", KAGGLE_API_TOKEN=""))
    assert "the credentials are empty, or " in line
    assert kaggle.requests() == []


def test_the_address_of_a_broken_upload_is_readable_by_its_owner_alone(kaggle, submission):
    kaggle.set(faults={"PUT": {"hang_up": True, "times": 1}})
    kaggle.call("submit", submission, kaggle.home / "receipts")
    (place,) = (kaggle.home / "receipts").rglob("*.upload")
    assert stat.S_IMODE(place.stat().st_mode) == 0o600


def test_a_kill_at_any_moment_loses_no_reference_and_takes_no_second_slot(kaggle, submission):
    kaggle.set(pending=1)
    done = kaggle.call("kills", kaggle.folder, submission, kaggle.home / "receipts", "3", "0")
    result = json.loads(done.stdout)
    assert result["wrong"] == []
    assert result["kills"] > 15


@pytest.mark.parametrize("earlier", [0, 1])
def test_a_submission_that_is_counted_but_not_listed_is_not_sent_again(kaggle, submission, earlier):
    lost = TROUBLES["out of order"][0] | {"handled": True, "times": earlier + 1}
    kaggle.set(hidden=[1000 + earlier])
    if earlier:
        other = kaggle.home / "earlier.csv"
        other.write_text(SUBMISSION.replace("1,0", "1,1"))
        assert kaggle.call("submit", other, kaggle.home / "receipts").returncode == 0
    kaggle.change(faults={"CreateSubmission": lost})
    one_line(kaggle.call("submit", submission, kaggle.home / "receipts"))
    for _ in range(2):
        line = one_line(kaggle.call("submit", submission, kaggle.home / "receipts"))
        assert "nothing was sent: Kaggle counts one more submission than it lists" in line
    assert kaggle.methods().count("CreateSubmission") == earlier + 1


@pytest.mark.parametrize(("lost", "uploads"), [(False, 1), (True, 2)])
def test_a_file_is_uploaded_again_only_if_the_address_of_its_upload_is_lost(
    kaggle, submission, lost, uploads
):
    kaggle.set(faults={"CreateSubmission": {"hang_up": True, "times": 1}})
    one_line(kaggle.call("submit", submission, kaggle.home / "receipts"))
    (place,) = (kaggle.home / "receipts").rglob("*.upload")
    if lost:
        place.unlink()
    done = kaggle.call("submit", submission, kaggle.home / "receipts")
    assert done.returncode == 0, done.stderr
    assert kaggle.methods().count("PUT") == uploads
    assert len(kaggle.state()["submissions"]) == 1


@pytest.mark.parametrize("fault", [{}, *({"status": status} for status in (400, 403, 404, 410, 412))])
def test_an_upload_whose_place_is_gone_begins_anew(kaggle, submission, fault):
    kaggle.set(faults={"PUT": {"hang_up": True}})
    one_line(kaggle.call("submit", submission, kaggle.home / "receipts"))
    kaggle.set(faults={"PUT": fault | {"times": 1}} if fault else {})  # forgets the place
    done = kaggle.call("submit", submission, kaggle.home / "receipts")
    assert done.returncode == 0, done.stderr
    assert kaggle.methods()[2:5] == ["PUT", "StartSubmissionUpload", "PUT"]


@pytest.mark.parametrize("status", [408, 429, 503])
def test_an_upload_whose_place_does_not_answer_just_now_goes_on_there_later(kaggle, submission, status):
    kaggle.set(faults={"PUT": {"hang_up": True, "times": 1}})
    one_line(kaggle.call("submit", submission, kaggle.home / "receipts"))
    kaggle.change(faults={"PUT": {"status": status, "times": 2}})
    one_line(kaggle.call("submit", submission, kaggle.home / "receipts"))
    assert kaggle.call("submit", submission, kaggle.home / "receipts").returncode == 0
    assert kaggle.methods().count("StartSubmissionUpload") == 1


def test_of_two_processes_that_submit_at_once_one_is_sent_away(kaggle, submission):
    with receipts.alone(kaggle.home / "receipts", "digit-recognizer"):
        line = one_line(kaggle.call("submit", submission, kaggle.home / "receipts"))
    assert "another process is submitting" in line
    assert kaggle.requests() == []


def test_a_disk_without_locks_hinders_no_submission(tmp_path, monkeypatch):
    def no_locks(*_):
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with receipts.alone(tmp_path, "digit-recognizer"):
        assert (tmp_path / "digit-recognizer" / ".lock").exists()


def test_receipts_are_those_of_one_competition_or_of_all_the_oldest_first(tmp_path):
    later = receipts.Receipt("kannada-mnist", "a", "s.csv", "a test", "2026-02-01T00:00:00+00:00")
    earlier = receipts.Receipt("digit-recognizer", "b", "s.csv", "a test", "2026-01-01T00:00:00+00:00")
    for receipt in (later, earlier):
        receipts.write(tmp_path, receipt)
    assert receipts.read_all(tmp_path) == [earlier, later]
    assert receipts.read_all(tmp_path, "kannada-mnist") == [later]


def test_a_damaged_receipt_stops_everything_and_is_named(kaggle, submission):
    kaggle.call("submit", submission, kaggle.home / "receipts")
    (receipt,) = (kaggle.home / "receipts").rglob("*.json")
    receipt.write_text("{")
    line = one_line(kaggle.call("submit", submission, kaggle.home / "receipts"))
    assert f"{receipt.name}: damaged receipt" in line


def test_a_file_that_changed_since_it_was_looked_at_is_not_sent(tmp_path):
    path = tmp_path / "submission.csv"
    path.write_text(SUBMISSION)
    plan = {"file": str(path), "sha256": "0" * 64}
    with pytest.raises(InputError, match="changed since it was checked"):
        submit.submit(None, plan, tmp_path, tmp_path)


def staged(tmp_path, content: str = TRAIN):
    """A download as `fetch` leaves it."""
    staging = tmp_path / "download"
    staging.mkdir(exist_ok=True)
    (staging / "train.csv").write_text(content)
    digest = download.sha256(staging / "train.csv")
    manifest = {"competition": "digit-recognizer", "sha256": {"train.csv": digest}}
    (staging / "download.json").write_text(json.dumps(manifest))
    return staging


def test_a_users_own_file_is_never_overwritten(tmp_path):
    (tmp_path / "train.csv").write_text("mine")
    with pytest.raises(InputError, match=r"train\.csv: exists already .* it stays"):
        download.accept(staged(tmp_path), tmp_path, str)
    assert (tmp_path / "train.csv").read_text() == "mine"


@pytest.mark.parametrize("links", [True, False])
def test_a_file_that_a_user_puts_there_while_the_rows_are_read_stays(tmp_path, monkeypatch, links):
    if not links:
        monkeypatch.setattr("os.link", without_links)
    with pytest.raises(InputError, match=r"train\.csv: exists already .* it stays"):
        download.accept(staged(tmp_path), tmp_path, lambda _: (tmp_path / "train.csv").write_text("mine"))
    assert (tmp_path / "train.csv").read_text() == "mine"
    assert (tmp_path / "download" / "train.csv").read_text() == TRAIN


@pytest.mark.parametrize("links", [True, False])
def test_the_same_file_put_there_while_the_rows_are_read_is_taken(tmp_path, monkeypatch, links):
    if not links:
        monkeypatch.setattr("os.link", without_links)
    download.accept(staged(tmp_path), tmp_path, lambda _: (tmp_path / "train.csv").write_text(TRAIN))
    assert files_of(tmp_path) == ACCEPTED


def test_a_download_cut_off_in_the_middle_of_moving_leaves_no_second_copy(tmp_path):
    staging = staged(tmp_path)
    (tmp_path / "train.csv").hardlink_to(staging / "train.csv")
    download.accept(staging, tmp_path, str)
    assert files_of(tmp_path) == ACCEPTED


def test_a_link_to_nowhere_is_a_users_file(tmp_path):
    (tmp_path / "train.csv").symlink_to(tmp_path / "a disk that is not mounted")
    with pytest.raises(InputError, match=r"train\.csv: exists already .* it stays"):
        download.accept(staged(tmp_path), tmp_path, str)


def test_a_download_takes_its_place_where_no_hard_links_can_be_made(tmp_path, monkeypatch):
    monkeypatch.setattr("os.link", without_links)
    download.accept(staged(tmp_path), tmp_path, str)
    assert files_of(tmp_path) == ACCEPTED


def without_links(*_) -> None:
    raise PermissionError("no hard links here")


def test_a_later_download_that_differs_is_refused_by_name(tmp_path):
    download.accept(staged(tmp_path), tmp_path, str)
    (tmp_path / "train.csv").unlink()
    with pytest.raises(InputError, match=r"train\.csv: this download differs from the one before"):
        download.accept(staged(tmp_path, TRAIN + "1,1,1\n"), tmp_path, str)
    assert not (tmp_path / "train.csv").exists()


def test_a_download_whose_rows_are_wrong_stays_where_it_is(tmp_path):
    def check(path):
        raise InputError(f"{path}: line 2: no number")

    staging = staged(tmp_path)
    with pytest.raises(InputError, match="line 2"):
        download.accept(staging, tmp_path, check)
    assert files_of(tmp_path) == ["download/download.json", "download/train.csv"]


def test_a_download_cut_off_between_moving_and_writing_digests_is_finished_by_the_next(tmp_path):
    staging = staged(tmp_path)
    (staging / "train.csv").rename(tmp_path / "train.csv")
    download.accept(staging, tmp_path, str)
    assert list(download.read_digests(tmp_path / "digests.sha256")) == ["train.csv"]


def test_a_download_cut_off_in_the_middle_of_moving_has_the_competitions_name_and_digests(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(download, "_move", without_links)
    with pytest.raises(PermissionError):
        download.accept(staged(tmp_path), tmp_path, str)
    assert downloaded_for(tmp_path) == "digit-recognizer"
    assert list(download.read_digests(tmp_path / "digests.sha256")) == ["train.csv"]
