"""Kill a submission over two hundred times, also twice in a row: `python -m tests.unit.competing.kills`."""

import json
import sys
import tempfile
from pathlib import Path

from tests.unit.competing.conftest import running_client, running_endpoint, small_kaggle

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name, running_client() as client:
        folder = Path(name) / "endpoint"
        folder.mkdir()
        with running_endpoint(folder) as port:
            kaggle = small_kaggle(client, folder, port, Path(name))
            (Path(name) / "submission.csv").write_text("ImageId,Label\n1,0\n2,1\n3,1\n")
            done = kaggle.call("kills", folder, Path(name) / "submission.csv", Path(name) / "receipts", 1, 20)
    result = json.loads(done.stdout)
    print(f"{result['kills']} kills, {len(result['wrong'])} wrong")
    print(*result["wrong"], sep="\n")
    sys.exit(bool(result["wrong"]))
