"""The server of the page, without a browser: whom it answers, what it reads, that nothing saved is lost."""

import dataclasses
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from tests.browser.example import NO_DUPLICATES, NO_OUTLIERS
from tests.conftest import PROJECT

from digitflow.base.errors import FormatError, InputError
from digitflow.dataset import applied
from digitflow.formats import corrections
from digitflow.look.lookdata import LookData
from digitflow.look.page import write_page
from digitflow.look.server import LookServer, open_server

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

ROWS = 40
# Serves until it is at a change of a file, such as the 100th os.rename, and kills itself there.
SERVE = """
import os, signal, sys
from digitflow.look.server import LookServer
change, left, *arguments = sys.argv[1:]
left = int(left)

def kill(event, _):
    global left
    left -= event == change
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)

server = LookServer(*arguments)
print(server.url, flush=True)
sys.addaudithook(kill)
server.serve_forever()
"""


def training_rows(digits, count: int) -> LookData:
    """The first `count` digits, which have no probabilities."""
    images, labels = digits
    return LookData(
        names=tuple("0123456789"),
        images=images[:count],
        labels=labels[:count],
        splits=np.array(["train"] * count),
        duplicates=NO_DUPLICATES,
        outliers=NO_OUTLIERS,
        png="../../data/png",
    )


@pytest.fixture
def data(digits) -> LookData:
    return training_rows(digits, ROWS)


def all_files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def index(data, tmp_path) -> Path:
    index = tmp_path / "results" / "look" / "index.html"
    write_page(index, data)
    picture = tmp_path / "data" / "png" / "train" / "5" / "01.png"
    picture.parent.mkdir(parents=True)
    picture.write_bytes(b"a picture")
    (tmp_path / "secret.png").write_bytes(b"a secret")
    (tmp_path / "data" / "secret.png").write_bytes(b"a secret")
    return index


@pytest.fixture
def file(tmp_path) -> Path:
    return tmp_path / "corrections.csv"


@pytest.fixture
def server(index, file) -> Iterator[LookServer]:
    with LookServer(index, file, index.parents[2] / "data" / "png") as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


class Client:
    """Sends what a browser would, and what it would not."""

    def __init__(self, url: str):
        self.parts = urlsplit(url)
        self.root = "/" + self.parts.path.split("/")[1] + "/"

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str | None) -> tuple[int, bytes]:
        """Ask for a whole path; a header that is None is left out."""
        headers = {"Host": self.parts.netloc, **{name.replace("_", "-"): h for name, h in headers.items()}}
        if body:
            headers.setdefault("Content-Length", str(len(body)))
        connection = http.client.HTTPConnection("127.0.0.1", self.parts.port, timeout=30)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in headers.items():
                if value is not None:
                    connection.putheader(name, value)
            connection.endheaders(body)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def get(self, path: str) -> tuple[int, bytes]:
        return self.ask("GET", self.root + path)

    def decide(self, digest: str, decisions: list, **headers: str | None) -> tuple[int, dict]:
        own = {"Origin": f"http://{self.parts.netloc}", "Content_Type": "application/json"}
        body = json.dumps({"digest": digest, "decisions": decisions}).encode()
        status, answer = self.ask("POST", self.root + "api/corrections", body, **{**own, **headers})
        return status, json.loads(answer)


@pytest.fixture
def client(server) -> Client:
    return Client(server.url)


def test_the_address_opens_the_page_what_is_beside_it_and_the_tree(client, index):
    assert client.ask("GET", client.parts.path) == (200, index.read_bytes())
    assert client.get("results/look/page/look.js")[0] == 200
    port = client.parts.port
    assert client.ask("GET", client.parts.path, Host=f"localhost:{port}") == (200, index.read_bytes())
    assert client.get("data/png/train/5/01.png") == (200, b"a picture")


def test_no_part_of_an_answer_waits_until_another_is_acknowledged(client, server, monkeypatch):
    answers, at_once = server.RequestHandlerClass.do_GET, []

    def watched(handler):
        at_once.append(handler.connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        answers(handler)

    monkeypatch.setattr(server.RequestHandlerClass, "do_GET", watched)
    assert client.get("api/corrections")[0] == 200
    assert len(at_once) == 1
    assert at_once[0]


def test_a_decision_is_in_the_file_when_the_answer_comes(client, data, file):
    status, answer = client.decide(data.digest, [[3, "drop"], [4, "7"]])
    assert status == 200
    lines = corrections.read(file)
    assert [(line.id, line.was, line.now) for line in lines] == [
        (3, str(data.labels[2]), "drop"),
        (4, str(data.labels[3]), "7"),
    ]
    assert [line.crc for line in lines] == [corrections.pixel_crc(image) for image in data.images[2:4]]
    assert [line[:3] for line in answer["lines"]] == [[line.id, line.was, line.now] for line in lines]


def test_of_decisions_on_one_row_the_last_counts_and_null_takes_the_line_out(client, data, file):
    client.decide(data.digest, [[3, "drop"], [3, "ok"], [5, "ok"]])
    assert [(line.id, line.now) for line in corrections.read(file)] == [(3, "ok"), (5, "ok")]
    client.decide(data.digest, [[3, None]])
    assert [line.id for line in corrections.read(file)] == [5]


def test_the_version_changes_with_the_file_whoever_writes_it(client, data, file):
    _, answer = client.decide(data.digest, [[3, "drop"]])
    assert client.get(f"api/corrections?version={answer['version']}") == (304, b"")
    with open(file, "a") as text:
        text.write(f"4,{data.labels[3]},ok,,by hand\n")
    status, body = client.get(f"api/corrections?version={answer['version']}")
    assert status == 200
    assert json.loads(body)["lines"][-1][3] == "by hand"


def test_the_version_changes_when_the_page_is_made_again(client, data, index):
    before = json.loads(client.get("api/corrections")[1])
    assert before["digest"] == data.digest
    write_page(index, dataclasses.replace(data, labels=np.roll(data.labels, 1)))
    status, body = client.get(f"api/corrections?version={before['version']}")
    assert status == 200
    after = json.loads(body)
    assert after["edition"] != before["edition"]
    assert after["digest"] != before["digest"]
    (index.parent / "page" / "data.js").unlink()
    status, body = client.get(f"api/corrections?version={after['version']}")
    assert (status, json.loads(body)["edition"]) == (200, "")


def lost_of(client) -> list:
    return json.loads(client.get("api/corrections")[1])["lost"]


def test_decisions_that_an_editor_overwrites_with_what_it_had_read_before_are_lost(client, data, file):
    old = f"id,was,now,crc,note\n3,{data.labels[2]},ok,,\n"
    file.write_text(old)
    _, answer = client.decide(data.digest, [[3, "drop"], [4, "7"], [5, "ok"], [5, None]])
    assert answer["lost"] == lost_of(client) == []
    file.write_text(old)
    assert lost_of(client) == [[3, "drop"], [4, "7"]]
    _, answer = client.decide(data.digest, [[3, "drop"], [4, None]])
    assert answer["lost"] == lost_of(client) == []
    assert [(line.id, line.now) for line in corrections.read(file)] == [(3, "drop")]


def test_a_decision_taken_back_that_an_editor_overwrites_is_lost_too(client, data, file):
    old = f"id,was,now,crc,note\n3,{data.labels[2]},ok,,\n"
    file.write_text(old)
    assert client.decide(data.digest, [[3, None]])[1]["lost"] == []
    file.write_text(old)
    assert lost_of(client) == [[3, None]]
    assert client.decide(data.digest, [[3, None]])[1]["lost"] == []
    assert corrections.read(file) == []


@pytest.mark.parametrize("now", ["ok", None])
def test_a_line_about_another_image_is_neither_replaced_nor_taken_out(client, data, file, now):
    """Lines have new numbers once rows were put in above; the page still has the old ones."""
    old = f"id,was,now,crc,note\n3,{data.labels[2]},drop,{corrections.pixel_crc(data.images[9])},a curl\n"
    file.write_text(old)
    status, answer = client.decide(data.digest, [[4, "drop"], [3, now]])
    assert status == 409
    assert "line 2 of" in answer["error"]
    assert "is about another image than this page shows as 3" in answer["error"]
    assert file.read_text() == old


def test_a_line_that_somebody_changed_is_no_lost_decision(client, data, file):
    client.decide(data.digest, [[3, "drop"]])
    file.write_text(file.read_text().replace(",drop,", ",8,"))
    assert lost_of(client) == []


def test_a_line_that_is_typed_while_a_decision_is_saved_stays(client, data, file, monkeypatch):
    file.write_text("id,was,now,crc,note\n")
    typed = f"5,{data.labels[4]},ok,,typed\n"
    writing = corrections.atomic_path

    def typing(path):
        monkeypatch.setattr(corrections, "atomic_path", writing)
        with open(file, "a") as text:
            text.write(typed)
        return writing(path)

    monkeypatch.setattr(corrections, "atomic_path", typing)
    assert client.decide(data.digest, [[3, "drop"]])[0] == 200
    assert [(line.id, line.note) for line in corrections.read(file)] == [(5, "typed"), (3, "")]


def test_a_file_that_is_gone_is_not_begun_anew(client, data, file, server, monkeypatch):
    client.decide(data.digest, [[3, "drop"]])
    monkeypatch.chdir(file.parent)
    applied.write(applied.APPLIED, applied.Applied(file.name, file.read_text()))
    file.unlink()
    status, answer = client.decide(data.digest, [[4, "drop"]])
    assert status == 500
    assert "corrections.csv: is gone, and 1 correction with it" in answer["error"]
    assert not file.exists()
    with pytest.raises(InputError, match="restore_corrections"):
        LookServer(server.decisions.index, file.name)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": None},
        {"Origin": "http://127.0.0.1"},
        {"Host": "evil.example"},
        {"Host": None},
        {"Host": "127.0.0.1"},
        {"Content_Type": "text/plain"},
        {"Content_Type": None},
        {"Content_Length": "99999999"},
        {"Content_Length": "-1"},
    ],
)
def test_a_decision_from_another_origin_host_or_kind_of_request_is_refused(client, data, file, headers):
    status, _ = client.decide(data.digest, [[3, "drop"]], **headers)
    assert status in (403, 413, 415)
    assert not file.exists()


@pytest.mark.parametrize("token", ["", "x", "%00"])
def test_nothing_is_answered_without_the_token(client, data, file, token):
    own = client.root
    for path in (f"/{token}/api/corrections", f"/{token}/results/look/index.html", f"/{token}", "/"):
        assert client.ask("GET", path)[0] == 403
    client.root = f"/{token}/"
    assert client.decide(data.digest, [[3, "drop"]])[0] == 403
    assert not file.exists()
    assert client.ask("GET", own[:-2] + "/results/look/index.html")[0] == 403


def test_what_is_no_address_is_refused(client):
    status, body = client.ask("GET", "http://[")
    assert (status, json.loads(body)) == (400, {"error": "not an address"})


def test_a_page_of_another_host_gets_nothing(client):
    for headers in ({"Host": "evil.example"}, {"Origin": "http://evil.example"}):
        assert client.ask("GET", client.parts.path, **headers)[0] == 403


@pytest.mark.parametrize(
    "path",
    [
        "secret.png",
        "data/secret.png",
        "data/png/../secret.png",
        "data/png/%2e%2e/secret.png",
        "data/png/..%2fsecret.png",
        "data/png/%252e%252e/secret.png",
        "results/look/../../secret.png",
        "../secret.png",
        "/etc/hostname",
        "//etc/hostname",
        "%2fetc%2fhostname",
        "data/png/link.png",
        "data/png/linked/secret.png",
        "data/png/train/5",
        "data/png/train/5/",
        "data/png/%00.png",
        "data/png/%ff.png",
        "data/png/" + "a" * 5000 + ".png",
        "corrections.csv",
        "results/look",
        "",
    ],
)
def test_paths_lead_to_nothing_but_the_page_and_the_tree(client, index, file, path):
    project = index.parents[2]
    file.write_text("id,was,now,crc,note\n")
    (project / "data" / "png" / "link.png").symlink_to(project / "secret.png")
    (project / "data" / "png" / "linked").symlink_to(project)
    assert client.get(path)[0] == 404


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"])
def test_other_methods_do_nothing(client, index, method):
    before = sorted(index.parents[2].rglob("*"))
    assert client.ask(method, client.root + "results/look/index.html")[0] == 501
    assert sorted(index.parents[2].rglob("*")) == before


@pytest.mark.parametrize(
    "decisions",
    [
        [[ROWS + 1, "drop"]],
        [[0, "drop"]],
        [[3, "ten"]],
        [[3, ""]],
        [["3", "drop"]],
        [[3, 4]],
        [[3]],
        5,
        [[True, "ok"]],
    ],
)
def test_decisions_that_do_not_fit_the_data_are_refused_and_none_is_written(client, data, file, decisions):
    both = [[1, "drop"], *decisions] if isinstance(decisions, list) else decisions
    assert client.decide(data.digest, both)[0] == 400
    assert not file.exists()


def test_a_page_of_other_data_is_told_to_reload(client, data, file):
    status, answer = client.decide("0" * 16, [[3, "drop"]])
    assert (status, answer["error"]) == (
        409,
        "the data have changed: export what is not saved, then reload this page",
    )
    assert not file.exists()


def test_a_file_that_cannot_be_read_is_named_and_left_as_it_is(client, data, file):
    file.write_text("id,was,now,crc,note\nseven,1,2,,\n")
    status, answer = client.decide(data.digest, [[3, "drop"]])
    assert status == 500
    assert "line 2: column id: 'seven'" in answer["error"]
    assert file.read_text() == "id,was,now,crc,note\nseven,1,2,,\n"


def test_many_tabs_at_once_lose_no_decision(client, data, file):
    def decide(first: int) -> None:
        for id_ in range(first, ROWS + 1, 4):
            assert client.decide(data.digest, [[id_, "ok"]])[0] == 200

    threads = [threading.Thread(target=decide, args=(first,)) for first in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(line.id for line in corrections.read(file)) == list(range(1, ROWS + 1))


def test_kills_lose_none_of_1000_decisions_that_were_answered(digits, file, tmp_path):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    data, index = training_rows(digits, 1000), tmp_path / "index.html"
    write_page(index, data)
    decisions = [(1 + row, str(row % 10)) for row in range(1000)]  # each on a row of its own
    answered: dict[int, str] = {}
    # For a decision a new file is renamed, and its old name removed: killed before that, and in the end not.
    for change, left in (("os.rename", 100), ("os.remove", 250), ("os.rename", 250), ("", -1)):
        command = [sys.executable, "-c", SERVE, change, str(left), str(index), str(file)]
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        try:
            client = Client(process.stdout.readline().strip())
            while len(answered) < len(decisions):
                id_, now = decisions[len(answered)]
                try:
                    status, _ = client.decide(data.digest, [[id_, now]])
                except (OSError, http.client.HTTPException):
                    break  # killed: not answered, so sent again to the next server
                assert status == 200
                answered[id_] = now
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
        assert (len(answered) == len(decisions)) == (not change)
        found = {line.id: line.now for line in corrections.read(file)}
        # The one that was being written when the server was killed may be there, or not.
        assert answered.items() <= found.items() <= dict(decisions[: len(answered) + 1]).items()
    assert answered == dict(decisions)


def test_the_verb_saves_into_the_file_of_the_configuration_and_writes_to_no_other(data, index, tmp_path):
    configured = dataclasses.replace(data, corrections_file="mine/labels that I corrected.csv")
    write_page(index, configured)
    (tmp_path / "mine").mkdir()
    (tmp_path / "corrections.csv").write_text("id,was,now,crc,note\n# of another configuration\n")
    before = all_files(tmp_path)
    process = subprocess.Popen(
        [sys.executable, "-m", "digitflow", "look"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(PROJECT / "workflow")},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        opened, saves = process.stderr.readline(), process.stderr.readline()
        file = tmp_path / configured.corrections_file
        assert saves == f"every decision is saved in {file} at once; Ctrl-C ends the server\n"
        assert Client(opened.removeprefix("open ").strip()).decide(data.digest, [[3, "drop"]])[0] == 200
        process.send_signal(signal.SIGINT)
        assert (process.wait(60), process.stderr.read()) == (0, "ended\n")
    finally:
        process.kill()
        process.wait()
        process.stderr.close()
    after = all_files(tmp_path)
    assert {path for path in after if after[path] != before.get(path)} == {file}
    assert before.keys() <= after.keys()
    assert [(line.id, line.now) for line in corrections.read(file)] == [(3, "drop")]


@pytest.mark.parametrize("text", ["window.LOOK = {};\n", "window.LOOK = {", "window.LOOK = [];\n"])
def test_a_page_that_does_not_name_the_file_is_to_be_made_again(index, text):
    (index.parent / "page" / "data.js").write_text(text)
    with pytest.raises(
        FormatError, match=r"make it again with: snakemake -j4 --force results/look/index\.html"
    ):
        LookServer(index)


@pytest.mark.parametrize(
    "text", ["window.LOOK = {};\n", "window.LOOK = {", "window.LOOK = [];\n", 'window.LOOK = {"names": 5};\n']
)
def test_a_page_that_is_damaged_while_it_is_served_is_to_be_made_again(client, data, index, file, text):
    (index.parent / "page" / "data.js").write_text(text)
    status, body = client.get("api/corrections")
    for answered in ((status, json.loads(body)), client.decide(data.digest, [[3, "drop"]])):
        assert answered[0] == 500
        assert answered[1]["error"].startswith(f"{index}: damaged, or made by another version; make it again")
    assert not file.exists()


def test_without_a_page_it_says_how_to_make_one(tmp_path, file):
    with pytest.raises(InputError, match=r"make it with: snakemake -j4 results/look/index\.html"):
        LookServer(tmp_path / "index.html", file)


def test_from_any_folder_the_page_is_served_as_from_its_project(index, tmp_path, monkeypatch):
    project = index.parents[2]
    (project / "data" / "png").mkdir(parents=True, exist_ok=True)
    monkeypatch.chdir(project.parent)
    page = index.relative_to(project.parent)
    with open_server(page) as server:
        assert server.decisions.path == project / "corrections.csv"
        assert server.folders == [index.parent, project / "data" / "png"]
    applied.write(applied.APPLIED, applied.Applied("corrections.csv", "id,was,now,crc,note\n3,1,drop,,\n"))
    monkeypatch.chdir(project.parent)
    with pytest.raises(InputError, match="is gone, and 1 correction with it"):
        open_server(page)


def test_a_port_that_no_machine_has_is_named(index, file):
    with pytest.raises(InputError, match=r"port 70000 of .* cannot be used: ports are 0 to 65535"):
        LookServer(index, file, port=70_000)


def test_a_taken_port_is_named(server, index, file):
    with pytest.raises(InputError, match=f"port {server.server_port} of 127.0.0.1 cannot be used"):
        LookServer(index, file, port=server.server_port)


def test_decisions_go_into_no_new_file_of_a_name_that_was_mistyped(index, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        InputError, match=r"corectons\.csv: there is no such .*did you mean corrections\.csv\?"
    ):
        open_server(index, Path("corectons.csv"))
    with open_server(index, Path("corrections.csv")) as server:
        assert server.decisions.path == tmp_path / "corrections.csv"
