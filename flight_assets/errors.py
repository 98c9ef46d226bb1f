"""The errors that a user can cause. Each says what was wrong, where, and what to do."""


class FlightAssetsError(Exception):
    """A failure with one clear line for the user; the command prints it without a traceback."""
