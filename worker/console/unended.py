"""An action whose end could not be recorded: the log says so, since the audit shows it as one that runs."""

from ...shared import log


def warn(verb: str, reason: str) -> None:
    """Log it."""
    log.get("worker.console").warning("action_unended", action=verb, reason=reason)
