"""The events that OpenAI documents, and `UnknownEvent` for those it has yet to document."""

from .shared.events import *  # noqa: F403 - all of its public names
