"""A small Kaggle on this machine: answers what the client asks, rightly or in each wrong way, and remembers.

Kaggle's client reaches it as a proxy: KAGGLE_API_ENVIRONMENT=LOCALHOST and http_proxy=http://127.0.0.1:PORT.
It runs as a process of its own, for tests may not open sockets: `python endpoint.py FOLDER`. In the folder:

* `port`: written by it, when it is ready
* `log.jsonl`: written by it, one line per request: method, host, path, headers, bytes of the body
* `world.json`: read anew for each request. `competition`: the name of the only one; `files`: names and paths
  of data files; `zipped`: names sent as zip archives; `left`: slots left; `hidden`: references that are not
  listed; `faults`: what goes wrong, by method: {status, body, type, headers, cut, silent, hang_up, handled,
  times}; `kill` {request, when}: ends the process in `client.pid` before or after that request, counted from
  1, is handled; `reset`: forget all
* `state.json`: written by it: submissions and uploads so far
"""

import base64
import contextlib
import hashlib
import io
import json
import os
import re
import signal
import socket
import sys
import time
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from urllib.parse import urlsplit

FOLDER = Path(sys.argv[1])
TOKEN = "KGAT_of_nobody_0123456789"
LOCK = Lock()
STATE = {"submissions": [], "uploads": {}, "requests": 0, "asked": {}}


def world() -> dict:
    return json.loads((FOLDER / "world.json").read_text())


def keep_state() -> None:
    temporary = FOLDER / "state.partial"
    temporary.write_text(json.dumps(STATE))
    temporary.replace(FOLDER / "state.json")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else each answer waits 40 ms for an acknowledgement

    def log_message(self, *_):
        pass

    def do_POST(self):
        self.handle_one("POST")

    def do_GET(self):
        self.handle_one("GET")

    def do_PUT(self):
        self.handle_one("PUT")

    def handle_one(self, verb: str) -> None:
        address = urlsplit(self.path)
        if hasattr(socket, "TCP_QUICKACK"):  # else the client waits 40 ms before it sends a body
            self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        method = "PUT" if verb == "PUT" else address.path.rsplit("/", 1)[-1]
        with LOCK:  # ListSubmissions and the like are methods; a data file's method is its name
            now = world()
            if now.get("reset"):
                STATE.update(submissions=[], uploads={}, requests=0, asked={})
                (FOLDER / "world.json").write_text(json.dumps(now | {"reset": False}))
            STATE["requests"] += 1
            STATE["asked"][method] = STATE["asked"].get(method, 0) + 1
            line = {"method": method, "host": address.netloc, "path": address.path, "bytes": len(body)}
            line |= {"headers": dict(self.headers), "body": body.decode("latin1") if verb == "POST" else ""}
            with open(FOLDER / "log.jsonl", "a") as log:
                log.write(json.dumps(line) + "\n")
            kill = now.get("kill", {})
            due = kill.get("request") == STATE["requests"]
            if due and kill["when"] == "before":
                self.kill()
                return
            fault = now.get("faults", {}).get(method, {})
            if STATE["asked"][method] > fault.get("times", 1 << 30):
                fault = {}
            answer = None
            if not fault or fault.get("handled"):
                answer = self.answer(method, address, body, now)
            keep_state()
            if due:
                self.kill()
                return
        if fault:
            self.fail(fault)
        else:
            self.send(*answer)

    def kill(self) -> None:
        os.kill(int((FOLDER / "client.pid").read_text()), signal.SIGKILL)
        self.close_connection = True

    def fail(self, fault: dict) -> None:
        if "silent" in fault:
            time.sleep(fault["silent"])
        if fault.get("hang_up"):
            self.close_connection = True
            self.connection.close()
            return
        body = fault.get("body", "").encode()
        headers = {"Content-Type": fault.get("type", "application/json")} | fault.get("headers", {})
        self.send(fault.get("status", 200), headers, body, fault.get("cut", 0))

    def send(self, status: int, headers: dict, body: bytes = b"", cut: int = 0) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(BrokenPipeError):  # the client was tired of waiting
            self.wfile.write(body[: len(body) - cut])
        if cut:
            self.close_connection = True

    def answer(self, method: str, address, body: bytes, now: dict) -> tuple:
        if method == "PUT":
            return self.put(address.path, body)
        if address.netloc == "storage.test":
            return self.data_file(address.path.rsplit("/", 1)[-1], now)
        if self.headers.get("Authorization", "") not in now["authorized"]:
            return refusal(401, "Unauthenticated")
        asked = json.loads(body)
        known = now.get("competition", "digit-recognizer")
        if asked.get("competitionName", known) != known:
            return refusal(404, "Not found")
        return getattr(self, f"answer_{method}", lambda *_: refusal(404, "No such method"))(asked, now)

    def answer_ListDataFiles(self, asked: dict, now: dict) -> tuple:
        files = now["files"]
        return told({"files": [{"name": n, "totalBytes": Path(p).stat().st_size} for n, p in files.items()]})

    def answer_DownloadDataFile(self, asked: dict, now: dict) -> tuple:
        return 302, {"Location": f"http://storage.test/data/{asked['fileName']}"}

    def data_file(self, name: str, now: dict) -> tuple:
        data = Path(now["files"][name]).read_bytes()
        kind = "text/csv"
        if name in now.get("zipped", []):
            packed = io.BytesIO()
            with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
                archive.writestr(name, data)
            data, kind = packed.getvalue(), "application/zip"
        md5 = base64.b64encode(hashlib.md5(data).digest()).decode()
        if now.get("flip"):
            data = data[:-2] + bytes([data[-2] ^ 1]) + data[-1:]
        return 200, {"Content-Type": kind, "x-goog-hash": f"crc32c=AAAAAA==,md5={md5}"}, data

    def answer_GetSubmissionLimits(self, asked: dict, now: dict) -> tuple:
        made = sum(entry["status"] != "ERROR" for entry in STATE["submissions"])
        left = now.get("left", 5) - made
        return told({"numToday": made, "numTotal": 100 + made, "numAllowedNow": max(left, 0)})

    def answer_StartSubmissionUpload(self, asked: dict, now: dict) -> tuple:
        token = f"blob-{len(STATE['uploads']) + 1}"
        STATE["uploads"][token] = {"size": asked["contentLength"], "data": "", "puts": 0}
        return told({"token": token, "createUrl": f"http://storage.test/upload/{token}?signature=SECRET"})

    def put(self, path: str, body: bytes) -> tuple:
        place = STATE["uploads"].get(path.rsplit("/", 1)[-1])
        if place is None:
            return 404, {}
        have = base64.b64decode(place["data"])
        part = self.headers.get("Content-Range", "")
        start = int(re.match(r"bytes (\d+)", part)[1]) if re.match(r"bytes \d", part) else 0
        if body:
            place["puts"] += 1
            have = have[:start] + body
            place["data"] = base64.b64encode(have).decode()
        if len(have) == place["size"]:
            return 200, {}
        return 308, {"Range": f"bytes=0-{len(have) - 1}"} if have else {}

    def answer_CreateSubmission(self, asked: dict, now: dict) -> tuple:
        place = STATE["uploads"][asked["blobFileTokens"]]
        data = base64.b64decode(place["data"])
        if len(data) != place["size"]:
            return refusal(400, "Upload is not complete")
        ref = 1000 + len(STATE["submissions"])
        entry = {"ref": ref, "description": asked["submissionDescription"], "status": "PENDING"}
        entry |= {"sha256": hashlib.sha256(data).hexdigest(), "looks": 0, "teamName": "the team"}
        STATE["submissions"].append(entry)
        return told({"message": "Successfully submitted", "ref": ref})

    def answer_ListSubmissions(self, asked: dict, now: dict) -> tuple:
        hidden = now.get("hidden", [])
        entries = [entry for entry in STATE["submissions"] if entry["ref"] not in hidden]
        return told({"submissions": [shown(entry) for entry in reversed(entries)]})

    def answer_GetSubmission(self, asked: dict, now: dict) -> tuple:
        entry = next((entry for entry in STATE["submissions"] if entry["ref"] == asked["ref"]), None)
        if entry is None:
            return refusal(404, "Not found")
        entry["looks"] += 1
        if entry["looks"] <= now.get("pending", 1):
            return refusal(404, "Not found") if entry["looks"] == 1 else told(shown(entry))
        if now.get("reason"):
            entry |= {"status": "ERROR", "errorDescription": now["reason"]}
        else:
            entry |= {"status": "COMPLETE", "publicScore": "0.99571"}
        return told(shown(entry))

    def answer_GetLeaderboard(self, asked: dict, now: dict) -> tuple:
        page = int(asked.get("pageToken") or 0)
        teams = [["first", "second"], ["the team", "last"]][page]
        rows = [{"teamName": team, "score": "0.99"} for team in teams]
        return told({"submissions": rows} | ({"nextPageToken": "1"} if page == 0 else {}))


def shown(entry: dict) -> dict:
    return {key: value for key, value in entry.items() if key not in ("sha256", "looks")}


def told(value: dict) -> tuple:
    return 200, {"Content-Type": "application/json"}, json.dumps(value).encode()


def refusal(status: int, sentence: str) -> tuple:
    body = json.dumps({"code": status, "message": sentence}).encode()
    return status, {"Content-Type": "application/json"}, body


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    (FOLDER / "port.partial").write_text(str(server.server_port))
    (FOLDER / "port.partial").replace(FOLDER / "port")
    server.serve_forever()
