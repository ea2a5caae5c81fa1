"""What every unit test has in common."""

import logging

import pytest
from hypothesis import HealthCheck, settings

from digitflow.base import logs

# Invented examples are the same each time, however slow the machine: `make fuzz` looks for new ones.
settings.register_profile(
    "digitflow", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("digitflow")


@pytest.fixture(autouse=True)
def messages_as_they_were(monkeypatch):
    """A verb that a test calls in this process says where messages go; the next test finds none of it."""
    monkeypatch.setattr(logs, "job", logs.job)
    monkeypatch.setattr(logs, "_process", logs._process)
    monkeypatch.setattr(logs.log, "handlers", logs.log.handlers)
    monkeypatch.setattr(logging, "raiseExceptions", logging.raiseExceptions)
    level = logs.log.level
    yield
    logs.log.setLevel(level)
