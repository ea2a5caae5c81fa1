"""The copy of the last applied corrections: what is filled in from it, and which file it belongs to."""

import json
import os
import subprocess
import sys
from dataclasses import asdict

import pytest

from digitflow.base.errors import FormatError
from digitflow.dataset import adoption, applied
from digitflow.dataset.applied import Applied

TEXT = "id,was,now,crc,note\n1,5,3\n2,0,ok,0A1B2C3D,\n3,4,9,,\n"


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "corrections.csv").write_text(TEXT)
    applied.write(applied.APPLIED, Applied("corrections.csv", TEXT, {"1": "1" * 8, "3": "3" * 8}))
    return tmp_path


def test_lines_that_were_applied_without_a_checksum_get_it_and_it_is_said_once(project):
    assert applied.fill_in("corrections.csv") == (
        "corrections.csv: checksum of the pixels written into 2 lines; they cannot hit another row now"
    )
    filled = TEXT.replace("1,5,3", "1,5,3,11111111").replace("3,4,9,,", "3,4,9,33333333,")
    assert (project / "corrections.csv").read_text() == filled
    assert applied.fill_in("corrections.csv") is None


def test_a_line_that_was_changed_since_or_is_of_another_file_is_left_alone(project):
    changed = TEXT.replace("1,5,3", "1,5,8").replace("3,4,9", "4,4,9")
    (project / "corrections.csv").write_text(changed)
    assert applied.fill_in("corrections.csv") is None
    (project / "other.csv").write_text(TEXT)
    assert applied.fill_in("other.csv") is None
    assert applied.fill_in("none.csv") is None
    assert (project / "corrections.csv").read_text() == changed
    assert (project / "other.csv").read_text() == TEXT
    assert not (project / "none.csv").exists()


def test_other_labels_than_were_applied_are_told_from_other_words(project):
    file = project / "corrections.csv"
    assert applied.news("corrections.csv") == ""
    file.write_text(f"# Mine.\n{TEXT}".replace("1,5,3", "1,5,3,11111111"))
    assert applied.news("corrections.csv") == ""
    for other in ("1,5,3,11111111,a note", "1,5,3,22222222"):
        file.write_text(TEXT.replace("1,5,3", other))
        assert applied.news("corrections.csv") == "words"
    file.write_text(f"{TEXT}5,7,ok\n")
    assert applied.news("corrections.csv") == "words"
    file.write_text(TEXT.replace("1,5,3", "1,5,8"))
    assert applied.news("corrections.csv") == "labels"
    assert applied.news("none.csv") == ""
    (project / "other.csv").write_text(TEXT)  # never applied
    assert applied.news("other.csv") == "labels"


def test_a_copy_without_lines_or_of_another_file_says_that_nothing_is_lost(project):
    (project / "corrections.csv").unlink()
    assert applied.may_be_lost("./corrections.csv", "png/train")
    assert not applied.may_be_lost("other.csv", "png/train")
    applied.write(applied.APPLIED, Applied("corrections.csv", "id,was,now,crc,note\n# none\n"))
    assert not applied.may_be_lost("corrections.csv", "png/train")


def test_the_copies_of_several_files_stand_beside_each_other(project):
    other = Applied("other.csv", TEXT.replace("1,5,3", "1,5,8"))
    for copy in (other, Applied(), other):
        applied.write(applied.APPLIED, copy)
    assert applied.read("corrections.csv").text == TEXT
    assert applied.read("./other.csv") == other
    assert len(applied.read_copies(applied.APPLIED)) == 2
    (project / "corrections.csv").unlink()
    assert applied.may_be_lost("corrections.csv", "png/train")


def test_copies_as_they_were_written_at_first_are_read_and_get_a_checksum(project):
    copy = Applied("corrections.csv", TEXT, {"1": "1" * 8})
    for first in (asdict(copy), {"files": [asdict(copy)]}):
        applied.APPLIED.write_text(json.dumps(first))
        assert applied.read("corrections.csv") == copy
        applied.write(applied.APPLIED, Applied("other.csv", TEXT))
        assert "sha256" in json.loads(applied.APPLIED.read_text())
        assert applied.read("corrections.csv") == copy


def test_every_flipped_byte_of_the_copies_is_noticed_or_harmless(project):
    applied.write(applied.APPLIED, Applied("other.csv", "id,was,now,crc,note\n7,1,drop,,a „note“\n"))
    whole, copies = applied.APPLIED.read_bytes(), applied.read_copies(applied.APPLIED)
    noticed = 0
    for at in range(len(whole)):
        for bit in range(8):
            applied.APPLIED.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << bit]) + whole[at + 1 :])
            try:
                found = applied.read_copies(applied.APPLIED)
            except FormatError:
                noticed += 1
            else:
                assert found == copies
    assert noticed > 6 * len(whole)  # all but spaces and the name of the checksum


def test_damaged_copies_stop_what_would_use_or_replace_them_and_nothing_is_changed(project):
    damaged = applied.APPLIED.read_bytes().replace(b"1,5,3", b"1,5,8")
    applied.APPLIED.write_bytes(damaged)
    mine = project / "corrections.csv"
    calls = [
        lambda: applied.write(applied.APPLIED, Applied("corrections.csv", TEXT)),
        lambda: applied.fill_in(mine),
        lambda: (mine.rename("away.csv"), adoption.restore_corrections("corrections.csv", "png/train")),
    ]
    for call in calls:
        with pytest.raises(
            FormatError, match=r"corrections\.json: damaged: the SHA-256 .* move this file away"
        ):
            call()
    assert applied.APPLIED.read_bytes() == damaged
    assert (project / "away.csv").read_text() == TEXT
    assert not mine.exists()


@pytest.mark.parametrize("text", ["", "[]", '{"paths": ""}', '{"files": [{"paths": ""}]}'])
def test_a_damaged_copy_is_named(project, text):
    applied.APPLIED.write_text(text)
    with pytest.raises(
        FormatError, match=r"corrections\.json: damaged: .* move this file away and run again"
    ):
        applied.fill_in("corrections.csv")


def test_asking_for_the_copy_imports_no_numpy(project):
    code = "import sys; from digitflow.dataset import applied; print('numpy' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    asked = subprocess.run([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, check=True)
    assert asked.stdout == b"False\n"
