"""What every unit test has in common."""

from hypothesis import HealthCheck, settings

# Invented examples are the same each time, however slow the machine: `make fuzz` looks for new ones.
settings.register_profile(
    "digitflow", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("digitflow")
