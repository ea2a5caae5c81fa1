"""The command line of a verb, made from its signature: what its words become, and the text of a rule."""

import inspect
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digitflow.verbs import MODULES, commandline, tools, train
from digitflow.verbs.commandline import Input, Json, Output


def sample(
    csv: Input,
    images: Output,
    count: int,
    fraction: float,
    name: str,
    invert: bool,
    data: Json,
    parts: list[Input],
    more: list[Output] | None = None,
    labels: Output | None = None,
    threads: int = 1,
) -> None:
    """Convert a sample."""


REQUIRED = {
    "--csv": ["a.csv"],
    "--images": ["out/images"],
    "--count": ["3"],
    "--fraction": ["0.5"],
    "--name": ["net"],
    "--invert": ["True"],
    "--data": ['{"classes": 10}'],
    "--parts": ["1", "2"],
}


def words(**changes) -> list[str]:
    """The arguments of `sample`, with other values for some flags; None leaves one out."""
    flags = REQUIRED | {f"--{name.replace('_', '-')}": value for name, value in changes.items()}
    return [word for flag, values in flags.items() if values is not None for word in (flag, *values)]


def parsed(*arguments: str, **changes) -> dict:
    return commandline.parse(sample, [*words(**changes), *arguments])[0]


def test_words_become_what_the_annotations_say():
    assert parsed() == {
        "csv": Path("a.csv"),
        "images": Path("out/images"),
        "count": 3,
        "fraction": 0.5,
        "name": "net",
        "invert": True,
        "data": {"classes": 10},
        "parts": [Path("1"), Path("2")],
    }


def test_what_is_left_out_has_its_default():
    assert not {"more", "labels", "threads"} & parsed().keys()
    assert parsed(threads=["4"], labels=["l"], more=["m"])["threads"] == 4


@pytest.mark.parametrize(
    ("text", "value"), [("True", True), ("true", True), ("False", False), ("false", False)]
)
def test_a_boolean_is_true_or_false_as_python_and_json_write_it(text, value):
    assert parsed(invert=[text])["invert"] is value


@pytest.mark.parametrize(
    ("text", "value"), [("null", None), ("3", 3), ('"a"', "a"), ("[1, 2]", [1, 2]), ('{"a": {}}', {"a": {}})]
)
def test_a_section_is_any_json(text, value):
    found = parsed(data=[text])
    assert found.get("data") == value


def test_an_optional_flag_without_a_value_is_left_out_wherever_it_stands():
    """A rule writes it so where it has no such file."""
    assert "labels" not in parsed(labels=[])
    assert "labels" not in commandline.parse(sample, ["--labels", *words()])[0]
    assert parsed("--labels", "--log", "a.log", threads=["2"])["threads"] == 2


@pytest.mark.parametrize("words", [["a.csv", "--sheet"], ["a.csv", "--configfile", "--sheet", "first.png"]])
def test_a_flag_without_a_value_is_a_mistake_in_a_verb_for_people(words, capsys):
    with pytest.raises(SystemExit):
        commandline.parse(tools.describe, words)
    assert re.search("error: --[a-z]+: its value is missing", capsys.readouterr().err)


def test_a_list_may_be_empty():
    found = parsed(parts=[], more=[])
    assert (found["parts"], found["more"]) == ([], [])


@pytest.mark.parametrize(
    "value", ["-a.csv", "--csv", "-1", "--strange name.csv", "-", "a=b", "", " ", "{x}", "'"]
)
def test_a_value_may_look_like_anything_but_a_flag_of_the_verb(value):
    if value in REQUIRED:
        with pytest.raises(SystemExit):
            parsed(name=[value])
    else:
        assert parsed(name=[value])["name"] == value


def is_flag(text: str) -> bool:
    flags = {*REQUIRED, "--more", "--labels", "--threads", "--log", "--help", "-h"}
    return text.partition("=")[0] in flags


TEXTS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"))
TEXTS = (TEXTS | TEXTS.map("-{}".format) | TEXTS.map("--{}".format)).filter(lambda text: not is_flag(text))


@given(value=TEXTS, values=st.lists(TEXTS))
def test_any_text_comes_through_alone_and_in_a_list(value, values):
    found = parsed(name=[value], more=values)
    assert found["name"] == value
    assert found["more"] == [Path(text) for text in values]


def test_a_flag_and_its_value_may_be_one_word_too():
    assert parsed("--labels", "--threads=2", "--more=-m")["more"] == [Path("-m")]


def test_a_flag_in_one_word_with_its_value_takes_no_other_word(capsys):
    with pytest.raises(SystemExit):
        parsed("--more=m", "--other", "x")
    assert "unrecognized arguments: --other x" in capsys.readouterr().err


def test_an_unknown_flag_is_refused(capsys):
    with pytest.raises(SystemExit):
        commandline.parse(sample, ["--image", "x", *words()])
    assert "unrecognized arguments: --image x" in capsys.readouterr().err


def test_a_second_value_for_a_flag_that_takes_one_is_refused(capsys):
    with pytest.raises(SystemExit):
        parsed(csv=["a.csv", "b.csv"])
    assert "unrecognized arguments: b.csv" in capsys.readouterr().err


def test_a_flag_may_be_typed_as_its_parameter_is_called():
    def by_id(some_folder: str, by_id: bool = False) -> None:
        """Do something."""

    for arguments in (["--some_folder", "a", "--by_id", "yes"], ["--some-folder=a", "--by-id=true"]):
        assert commandline.parse(by_id, arguments)[0] == {"some_folder": "a", "by_id": True}


def test_a_negative_number_is_a_value():
    assert parsed(count=["-3"])["count"] == -3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"csv": None}, "error: missing: --csv; digitflow sample --help says more"),
        ({"count": ["three"]}, "argument --count: invalid int value: 'three'"),
        ({"invert": ["maybe"]}, "argument --invert: 'maybe' should be true or false"),
        ({"data": ["{"]}, "argument --data: invalid"),
        ({"csv": []}, "argument --csv: expected one argument"),
    ],
)
def test_a_mistake_is_named_with_its_flag_in_the_last_line_and_exit_status_1(capsys, changes, message):
    with pytest.raises(SystemExit) as ended:
        parsed(**changes)
    assert ended.value.code == 1
    assert message in capsys.readouterr().err.splitlines()[-1]


def test_help_shows_the_docstring_and_every_flag(capsys):
    with pytest.raises(SystemExit) as ended:
        commandline.parse(sample, ["--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert "usage: digitflow sample" in text
    assert "Convert a sample." in text
    assert all(one.flag in text for one in commandline.parameters(sample))


def test_the_path_of_the_log_is_no_argument_of_the_verb():
    given, log = commandline.parse(sample, [*words(), "--log", "-logs/a.log"])
    assert log == "-logs/a.log"
    assert "log" not in given
    assert commandline.parse(sample, words())[1] is None


def test_the_outputs_of_a_call_are_the_files_that_it_is_to_write():
    given = parsed(more=["m1", "m2"])
    assert commandline.outputs(sample, given) == [Path("out/images"), Path("m1"), Path("m2")]
    assert commandline.outputs(sample, parsed()) == [Path("out/images")]


def test_each_parameter_has_its_place_in_a_rule():
    kinds = {one.name: one.kind for one in commandline.parameters(sample)}
    assert {kinds[name] for name in ("csv", "parts")} == {"input"}
    assert {kinds[name] for name in ("images", "more", "labels")} == {"output"}
    assert {kinds[name] for name in ("count", "fraction", "name", "invert", "data")} == {"params"}


def test_the_text_of_a_rule_has_every_flag_once_and_quotes_its_value():
    text = commandline.template("gzip_idx")
    assert text.split("\\\n") == [
        "digitflow gzip_idx --log {log:q} ",
        "    --idx {input.idx:q} ",
        "    --gz {output.gz:q}",
    ]
    assert "--threads {threads}" in commandline.template("train_keras")
    assert "--settings {params.settings:q}" in commandline.template("train_keras")


VERBS = commandline.all_verbs()


@pytest.mark.parametrize("name", VERBS)
def test_every_verb_has_a_docstring_and_annotations_that_make_a_command_line(name, capsys):
    verb = VERBS[name]
    assert (inspect.getdoc(verb) or "").split("\n")[0]
    assert commandline.module_of(name) in MODULES
    assert all(one.kind in ("input", "output", "params", "store") for one in commandline.parameters(verb))
    with pytest.raises(SystemExit) as ended:
        commandline.parse(verb, ["--help"])
    assert ended.value.code == 0
    assert f"usage: digitflow {name}" in capsys.readouterr().out


def test_a_tool_takes_what_it_requires_by_place_or_by_flag():
    by_place = commandline.parse(tools.compare, ["a", "b", "--folder", "c"])[0]
    assert by_place == commandline.parse(tools.compare, ["--second", "b", "--first", "a", "--folder", "c"])[0]
    assert by_place == {"first": Path("a"), "second": Path("b"), "folder": Path("c")}


def test_a_place_that_is_empty_is_named_as_the_help_names_it(capsys):
    with pytest.raises(SystemExit) as ended:
        commandline.parse(tools.compare, ["a"])
    assert ended.value.code == 1
    assert capsys.readouterr().err == (
        "usage: digitflow compare FIRST SECOND [--flag ...]\n"
        "error: missing: SECOND; digitflow compare --help says more\n"
    )


def of_people() -> list[str]:
    return [name for name in VERBS if commandline.module_of(name) == "tools"]


@pytest.mark.parametrize("name", of_people())
def test_the_help_of_a_verb_for_people_says_what_each_parameter_is(name):
    text = commandline.help_on(VERBS[name])
    for one in commandline.parameters(VERBS[name]):
        word = one.name.upper() if one.required else one.flag
        assert re.search(rf"^  {word}( \.\.\.)?  +\w", text, re.MULTILINE), f"{word}: nothing is said of it"
    assert max(map(len, text.splitlines())) <= 80


def test_the_list_of_verbs_has_one_whole_sentence_in_one_line_for_each_verb_for_people():
    shown = re.findall(r"^  (\w+)  +(.*)$", commandline.overview(), re.MULTILINE)
    assert sorted(name for name, _ in shown) == sorted(of_people())
    assert all(sentence.endswith(".") for _, sentence in shown)


def test_the_list_of_all_verbs_has_each_of_them_by_the_file_of_its_rule():
    text = commandline.overview(every=True)
    assert sorted(re.findall(r"^  (\w+)  +\w", text, re.MULTILINE)) == sorted(VERBS)
    assert "rules/convert.smk\n  csv_to_idx " in text
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize("words", [["a"], ["a", "b", "c"]])
def test_too_few_or_too_many_places_are_a_usage_error(words, capsys):
    with pytest.raises(SystemExit):
        commandline.parse(tools.compare, words)
    assert "usage: digitflow compare" in capsys.readouterr().err


def test_a_store_is_given_by_itself_and_is_no_part_of_what_a_rule_says():
    required = commandline.parameters(train.train_numpy)
    words = [word for one in required if one.required for word in (one.flag, "1")]
    assert commandline.parse(train.train_numpy, [*words, "--store", "kept"])[0]["store"] == "kept"
    assert "store" not in commandline.parse(train.train_numpy, words)[0]
    assert "--store" not in commandline.template("train_numpy")
    with pytest.raises(SystemExit):
        commandline.parse(sample, ["--store", "kept"])
