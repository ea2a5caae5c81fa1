"""What the tests of verbs share: calling one, and looking at what it left."""

import logging

import pytest

from digitflow.__main__ import main


@pytest.fixture
def verb(capsys):
    """A function that calls a verb and returns its exit status and what it printed."""
    log = logging.getLogger("digitflow")
    before = log.handlers, log.level

    def call(*arguments: object) -> tuple[int, str]:
        status = main([*map(str, arguments)])
        return status, capsys.readouterr().err

    yield call
    log.handlers, log.level = before
