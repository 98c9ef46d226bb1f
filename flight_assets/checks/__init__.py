"""Asset checks in Python: what SQL beside one model cannot say. Each says what to do about it."""

from flight_assets.checks import contracts, line, pruned, usual
from flight_assets.checks.line import ledger_check

CHECKS = [*line.CHECKS, *usual.CHECKS, *contracts.CHECKS, *pruned.CHECKS]

__all__ = ["CHECKS", "ledger_check"]
