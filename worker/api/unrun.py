"""Why a handler did not run, as the error that `on_failure` gets."""


class UndecodableError(Exception):
    """The body does not fit the annotation of the handler, or is no event; `__cause__` is the error of the decoder."""


class ExpiredError(Exception):
    """The event is older than the `max_age` of its subscription."""
