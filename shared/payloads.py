"""The `data` of events. Enumerations are plain `str`: OpenAI adds values without notice."""

import msgspec


class Resource(msgspec.Struct, frozen=True):
    """A thin payload: fetch the rest from the API with this id."""

    id: str


class SipHeader(msgspec.Struct, frozen=True):
    """One SIP header line. Untrusted: the caller wrote it. Names may repeat."""

    name: str
    value: str


class RealtimeCall(msgspec.Struct, frozen=True):
    call_id: str
    sip_headers: tuple[SipHeader, ...]
    sip_media_security: str | None = None


class LiveCall(msgspec.Struct, frozen=True):
    session_id: str
    sip_headers: tuple[SipHeader, ...]
    sip_media_security: str | None = None


class LiveTransport(msgspec.Struct, frozen=True):
    """`type` is the transport's own ("sip", "webrtc"), not the event's."""

    session_id: str
    type: str
    sip_headers: tuple[SipHeader, ...] = ()
    sip_media_security: str | None = None


class RequiredAction(msgspec.Struct, frozen=True):
    type: str


class AgentSession(msgspec.Struct, frozen=True):
    id: str
    environment_type: str
    environment_id: str | None = None


class AgentConnect(msgspec.Struct, frozen=True):
    remote_url: str | None = None


class AgentSessionStart(msgspec.Struct, frozen=True):
    id: str
    environment_type: str
    environment_id: str | None = None
    connect: AgentConnect | None = None


class AgentAction(msgspec.Struct, frozen=True):
    id: str
    required_action: RequiredAction


class BlockedIdentifier(msgspec.Struct, frozen=True):
    safety_category: str
    safety_identifier: str
    model: str | None = None
    project_id: str | None = None
    request_id: str | None = None
