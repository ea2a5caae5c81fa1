"""The file of corrections: what is read, what is refused, and that no other byte of it changes."""

import csv
import io
import os
import subprocess
import sys
import zlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digitflow.base.errors import FormatError, InputError
from digitflow.formats import corrections
from digitflow.formats.corrections import (
    COMMENT,
    Correction,
    fill_in_checksums,
    pixel_crc,
    read,
    record,
    remove,
    renumber,
)

HEADER = "id,was,now,crc,note\n"
NINE = Correction(12, "4", "9", "0A1B2C3D")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "corrections.csv"


def bare(corrections):
    """Corrections without their line numbers."""
    return [replace(correction, line=0) for correction in corrections]


def test_a_missing_file_and_an_empty_one_hold_no_corrections(path):
    assert read(path) == []
    path.touch()
    assert read(path) == []


def test_blanks_that_are_no_ascii_are_part_of_a_label(path):
    path.write_text(HEADER + "12, \u00a04\t,\u30009 ,0a1b2c3d,\n", encoding="utf-8")
    assert bare(read(path)) == [Correction(12, "\u00a04", "\u30009", "0A1B2C3D")]


def test_lines_are_read_as_people_and_spreadsheets_write_them(path):
    path.write_bytes(
        b"\xef\xbb\xbf# mine\r\n\r\n" + HEADER.strip().encode() + b"\r\n"
        b'0012, 4 ,9,0a1b2c3d,"a ""nine"",\r\nI think"\r\n'
        b",,,,\r\n"
        b'"# later, perhaps",,,,\r\n'
        b"7,1,drop\r\n"
        b"8,1,ok,,"
    )
    assert read(path) == [
        Correction(12, "4", "9", "0A1B2C3D", 'a "nine",\r\nI think', 4),
        Correction(7, "1", "drop", line=8),
        Correction(8, "1", "ok", line=9),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "12,4,9,,\n",
            "line 1: '12,4,9,,' should be the header id,was,now,crc,note; write that header above",
        ),
        ("sep=,\n" + HEADER, "line 1: 'sep=,' is a line for Excel only: delete it"),
        ('\ufeff"sep=;"\r\n' + HEADER, "line 1: '\"sep=;\"' is a line for Excel only: delete it"),
        ("12;4;9;;\n", "line 1: .* should be the header .* separate the columns by commas"),
        (HEADER.replace(",", ";"), "line 1: .* in place of this line, .* separated by commas"),
        (
            '\ufeff"# What I found; mine";;;;\n"id";"was";"now";"crc";"note"\n"7";"1";"drop";"";""\n',
            "line 2: .* should be the header .* in place of this line, .* separated by commas",
        ),
        ('"id"\t"was"\t"now"\n"7"\t"1"\t"drop"\n', "line 1: .* should be the header .* by commas"),
        (
            "ID,Was,Now,CRC,Note\n",
            "line 1: .* should be the header id,was,now,crc,note; write it in place",
        ),
        (
            "note,id,now,was\na,1,9,4\n",
            "line 1: .* place of this line, and the columns below in the same order",
        ),
        (HEADER.strip() + ",date\n", "line 1: 'id,was,now,crc,note,date' .* in place of this line"),
        (HEADER + "\nx,4,9,,\n", "line 3: column id: 'x' should be a row number of .* from 1"),
        (HEADER + "0,4,9,,\n", "line 2: column id: '0' should be"),
        (HEADER + "٣,4,9,,\n", "line 2: column id: '٣' should be"),
        (
            HEADER + "1,,9,,\n",
            "line 2: column was: empty; write the label that the training CSV has for row 1",
        ),
        (HEADER + "1,4,,,\n", "line 2: column now: empty; write the right label, drop or ok"),
        (
            HEADER + "1,4,9,1E+08,\n",
            "line 2: column crc: '1E.08' should be 8 hexadecimal digits .* clear the",
        ),
        (HEADER + "1,4\n", "line 2: '1,4' has 2 fields; should have id,was,now,crc,note"),
        (
            HEADER + "1,4,9,,a nine, or not\n",
            "line 2: .* has 6 fields; .* put a note that has a comma in quotes",
        ),
        (HEADER + '1,4,9,,"a nine\n', "line 2: .* a note that begins with a quote must end with one"),
        (
            HEADER + "1,4,9,,\n# both?\n01,4,8,,\n",
            "line 4: column id: 1 is already in line 2; keep the line",
        ),
    ],
)
def test_what_cannot_be_understood_is_named_with_its_line_and_the_way_on(path, text, message):
    path.write_text(text, encoding="utf-8")
    with pytest.raises(FormatError, match=rf"corrections\.csv, {message}"):
        read(path)


def test_another_encoding_is_named_with_its_line(path):
    path.write_bytes((HEADER + "1,4,9,,sch").encode() + b"\xf6n\n")
    with pytest.raises(FormatError, match="line 2: byte 0xf6 is not UTF-8; save the file as CSV in UTF-8"):
        read(path)


def test_a_folder_in_the_place_of_the_file_is_named(path):
    path.mkdir()
    with pytest.raises(InputError, match=r"corrections\.csv: cannot be read: Is a directory"):
        read(path)


def test_a_new_file_has_its_header_and_says_what_it_is(path):
    record(path, [NINE, Correction(7, "1", "drop", note="a smear, no digit")])
    assert path.read_bytes().decode() == (
        HEADER + COMMENT + '\n12,4,9,0A1B2C3D,\n7,1,drop,,"a smear, no digit"\n'
    )


def test_a_line_is_replaced_in_its_place_and_keeps_its_note(path):
    path.write_bytes(
        b"id,was,now,crc,note\r\n# first\r\n012, 4 ,8,,a curl\r\n7,1,drop,, as I said \r\n\r\n#end"
    )
    record(path, [NINE, Correction(3, "5", "ok")])
    assert path.read_bytes() == (
        b"id,was,now,crc,note\r\n# first\r\n12,4,9,0A1B2C3D,a curl\r\n7,1,drop,, as I said \r\n\r\n#end\r\n"
        b"3,5,ok,,\r\n"
    )


def test_a_file_of_comments_gets_its_header_below_them(path):
    path.write_text("# to do: look at the sevens")
    record(path, [NINE])
    assert path.read_text() == "# to do: look at the sevens\n" + HEADER + "12,4,9,0A1B2C3D,\n"


def test_nothing_is_written_where_nothing_is_new(path):
    record(path, [])
    remove(path, [1])
    assert not path.exists()
    path.write_text(HEADER + "0012, 4 ,9,0a1b2c3d,sure\n")
    before = path.stat()
    record(path, [NINE, replace(NINE, note="sure")])
    remove(path, [1])
    after = path.stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_checksums_are_filled_in_and_the_rest_of_the_line_and_the_time_of_the_file_stay(path):
    path.write_bytes(
        b'# mine\r\nid,was,now,crc,note\r\n012, 4 ,9\r\n"7","1",drop,,"a ""smear"", no digit"\r\n'
        b"3,5,ok, ,sure\r\n4,5,ok,0a1b2c3d,\r\n5,2,3,,\r\n6,2,3,,"
    )
    os.utime(path, ns=(1, 10**18))
    known = [
        *(NINE, Correction(7, "1", "drop", "1" * 8), Correction(3, "5", "ok", "2" * 8)),
        *(
            Correction(4, "5", "ok", "3" * 8),
            Correction(5, "2", "8", "4" * 8),
            Correction(6, "3", "3", "5" * 8),
        ),
    ]
    assert fill_in_checksums(path, known) == 3
    assert path.read_bytes() == (
        b"# mine\r\nid,was,now,crc,note\r\n012, 4 ,9,0A1B2C3D\r\n"
        b'"7","1",drop,11111111,"a ""smear"", no digit"\r\n'
        b"3,5,ok,22222222,sure\r\n4,5,ok,0a1b2c3d,\r\n5,2,3,,\r\n6,2,3,,"
    )
    assert path.stat().st_mtime_ns == 10**18
    assert fill_in_checksums(path, known) == 0


def test_ids_are_rewritten_at_once_and_the_rest_of_the_file_stays(path):
    path.write_text(HEADER + '# mine\n"1", 4 ,9,,a curl\n02,4,8\n5,1,ok,,\n')
    renumber(path, {1: 2, 2: 1})
    assert path.read_text() == HEADER + "# mine\n2, 4 ,9,,a curl\n1,4,8\n5,1,ok,,\n"
    before = path.read_bytes()
    with pytest.raises(
        InputError, match=r"corrections\.csv, lines 3 and 5: both would be about row 5.* Delete"
    ):
        renumber(path, {2: 5})
    assert path.read_bytes() == before


def test_what_an_editor_saves_at_the_last_moment_is_not_overwritten(path, monkeypatch):
    path.write_text(HEADER)
    writing = corrections.atomic_path

    def saved_meanwhile(target):
        monkeypatch.setattr(corrections, "atomic_path", writing)
        path.write_text("# mine\n" + HEADER + "7,1,drop,,\n")
        return writing(target)

    monkeypatch.setattr(corrections, "atomic_path", saved_meanwhile)
    record(path, [NINE])
    assert path.read_text() == "# mine\n" + HEADER + "7,1,drop,,\n12,4,9,0A1B2C3D,\n"
    assert list(path.parent.iterdir()) == [path]


def test_processes_that_write_at_once_lose_no_line(path):
    code = (
        "import sys; from digitflow.formats.corrections import Correction, record\n"
        "for id_ in range(int(sys.argv[2]), 80, 4): record(sys.argv[1], [Correction(id_, '1', 'ok')])"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    writers = [
        subprocess.Popen([sys.executable, "-c", code, str(path), str(first)], env=environment)
        for first in range(1, 5)
    ]
    assert [writer.wait() for writer in writers] == [0] * 4
    assert sorted(line.id for line in read(path)) == list(range(1, 80))


def test_a_link_stays_a_link_and_rights_stay_as_they_are(path, tmp_path):
    shared = tmp_path / "shared.csv"
    shared.write_text(HEADER)
    shared.chmod(0o664)
    path.symlink_to(shared)
    record(path, [NINE])
    assert path.is_symlink()
    assert bare(read(shared)) == [NINE]
    assert shared.stat().st_mode & 0o777 == 0o664


def test_a_file_that_cannot_be_understood_is_not_touched(path):
    path.write_text(HEADER + "1,4\n")
    for change in (lambda: record(path, [NINE]), lambda: remove(path, [1])):
        with pytest.raises(FormatError):
            change()
    assert path.read_text() == HEADER + "1,4\n"
    assert list(path.parent.iterdir()) == [path]


def test_the_checksum_is_of_the_pixels_as_the_idx_file_has_them(digits):
    images, _ = digits
    assert pixel_crc(images[4624]) == f"{zlib.crc32(images[4624].tobytes()):08X}"
    assert pixel_crc(images[4624][:, ::2]) == f"{zlib.crc32(images[4624][:, ::2].tobytes()):08X}"


words = (
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8).map(str.strip).filter(len)
)
notes = st.text(st.sampled_from("ab ,;\"#\n\r'ü9"), max_size=12)
CORRECTIONS = st.lists(
    st.builds(
        Correction,
        id=st.integers(1, 60_000),
        was=words,
        now=words,
        crc=st.one_of(st.just(""), st.integers(0, 2**32 - 1).map("{:08X}".format)),
        note=notes,
    ),
    max_size=8,
    unique_by=lambda correction: correction.id,
)
ASIDE = st.sampled_from(["", "   ", "# plain", '  # with a " quote', ",,,,", '"# of a, spreadsheet",,,,'])


def text_of(correction, newline, **options):
    line = io.StringIO(newline="")
    fields = [correction.id, correction.was, correction.now, correction.crc, correction.note]
    csv.writer(line, lineterminator="\r\n", **options).writerow(fields)
    return line.getvalue().removesuffix("\r\n") + newline


@given(old=CORRECTIONS, new=CORRECTIONS, data=st.data())
def test_whatever_is_recorded_and_removed_every_other_byte_stays(tmp_path_factory, old, new, data):
    path = tmp_path_factory.mktemp("property") / "corrections.csv"
    newline = data.draw(st.sampled_from(["\n", "\r\n"]))
    parts = [(HEADER.strip() + newline, 0)]
    for correction in old:
        parts.append((data.draw(ASIDE) + newline, 0))
        quoting = data.draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
        parts.append((text_of(correction, newline, quoting=quoting), correction.id))
    begin = data.draw(st.sampled_from(["", "\ufeff", "# mine" + newline]))
    whole = (begin + "".join(text for text, _ in parts)).encode()
    path.write_bytes(whole.removesuffix(newline.encode()) if old and data.draw(st.booleans()) else whole)
    assert bare(read(path)) == old

    changed = {correction.id: correction for correction in new}
    known = {correction.id: correction for correction in old}
    record(path, new)
    expected = begin
    for text, id_ in parts:
        after = replace(changed[id_], note=changed[id_].note or known[id_].note) if id_ in changed else None
        expected += text if after in (None, known.get(id_)) else text_of(after, newline)
    added = "".join(text_of(correction, newline) for correction in new if correction.id not in known)
    assert path.read_bytes().decode().removesuffix(newline) == (expected + added).removesuffix(newline)

    checksums = {line.id: replace(line, crc="89ABCDEF") for line in new}
    before = read(path)
    fill_in_checksums(path, checksums.values())
    filled = [
        replace(line, crc=line.crc or checksums[line.id].crc) if line.id in checksums else line
        for line in before
    ]
    assert read(path) == filled
    renumber(path, {line.id: line.id + 60_000 for line in new})
    assert read(path) == [replace(line, id=line.id + 60_000 * (line.id in checksums)) for line in filled]
    renumber(path, {line.id + 60_000: line.id for line in new})

    # A note is a comment then.
    comments = {
        line.id: f"# {line.id}: {' '.join(line.note.split())}{newline}" if line.note.strip() else ""
        for line in read(path)
    }
    remove(path, known.keys() | changed.keys())
    left = begin + "".join(comments[id_] if id_ else text for text, id_ in parts)
    left += "".join(comments[correction.id] for correction in new if correction.id not in known)
    assert path.read_bytes().decode().removesuffix(newline) == left.removesuffix(newline)


def test_the_digest_is_of_the_labels_that_the_lines_change_and_of_nothing_else(tmp_path):
    digests = {}
    for name, text in {
        "typed": "id,was,now,crc,note\n7,5,3,,\n",
        "and looked at": "id,was,now,crc,note\n6,2,ok,,\n7,5,3,,\n",
        "two": "id,was,now,crc,note\n7,5,3,,\n8,1,drop,,\n",
        "sorted": "id,was,now,crc,note\n8,1,drop,,\n7,5,3,,\n",
        "filled in": "id,was,now,crc,note\n# looked at twice\n7,5,3,0123ABCD,clearly a three\n",
        "another": "id,was,now,crc,note\n7,5,drop,,\n",
        "not understood": "id,was,now,crc,note\nseven,5,3,,\n",
    }.items():
        (tmp_path / name).write_text(text)
        digests[name] = corrections.digest(tmp_path / name)
    assert digests["typed"] == digests["filled in"] == digests["and looked at"]
    assert digests["two"] == digests["sorted"]
    assert len({*digests.values()}) == 4
