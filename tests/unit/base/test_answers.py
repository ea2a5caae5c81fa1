"""Answers that are kept from one start of a run to the next."""

import pytest

from digitflow.base import answers


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".snakemake").mkdir()
    return tmp_path


@pytest.mark.parametrize("answer", [True, False, [], "text", {"a": 1.5}])
def test_what_was_kept_answers_its_own_question_and_no_other(project, answer):
    answers.keep_answer("name", [1, {"b": 2, "a": None}], answer)
    assert answers.known_answer("name", [1, {"a": None, "b": 2}]) == answer
    assert answers.known_answer("name", [1, {"a": None, "b": 3}]) is None
    assert answers.known_answer("name", [True, {"a": None, "b": 2}]) is None
    assert answers.known_answer("other", [1, {"a": None, "b": 2}]) is None


def test_the_last_answer_takes_the_place_of_the_one_before(project):
    answers.keep_answer("name", 1, "one")
    answers.keep_answer("name", 2, "two")
    assert answers.known_answer("name", 1) is None
    assert answers.known_answer("name", 2) == "two"


@pytest.mark.parametrize("text", [b"", b"\xff", b"{}", b"[]", b"null", b'{"question": 1}'])
def test_a_damaged_answer_is_none(project, text):
    answers.keep_answer("name", 1, "one")
    (answers.FOLDER / "name").write_bytes(text)
    assert answers.known_answer("name", 1) is None


def test_where_nothing_has_run_nothing_is_left(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    answers.keep_answer("name", 1, "one")
    assert not [*tmp_path.iterdir()]
    (tmp_path / ".snakemake").write_text("no folder")
    answers.keep_answer("name", 1, "one")
    assert answers.known_answer("name", 1) is None
