"""The `created_at` of a body: Unix seconds (OpenAI's), or ISO 8601 with a time zone."""

from datetime import datetime


def unix_s(created_at: object) -> int | float | None:
    """Unix seconds, as an int if there is no fraction; None if it means no moment."""
    if type(created_at) in (int, float):
        return created_at  # type: ignore[return-value]  # mypy does not see through the tuple
    try:
        moment = datetime.fromisoformat(created_at) if isinstance(created_at, str) else None
        seconds = moment.timestamp() if moment is not None and moment.tzinfo else None
    except (ValueError, OverflowError):
        return None
    return int(seconds) if seconds is not None and moment is not None and not moment.microsecond else seconds
