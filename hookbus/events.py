"""The events that OpenAI documents, and `UnknownEvent` for all others."""

from .shared.events import *  # noqa: F403 - all public names
