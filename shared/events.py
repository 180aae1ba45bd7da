"""Every webhook event that OpenAI documents, as msgspec structs, and `UnknownEvent` for all others.

The list follows https://platform.openai.com/docs/api-reference/webhook-events.
"""

from typing import Any, Final, TypeAlias

import msgspec

from .payloads import (
    AgentAction,
    AgentSession,
    AgentSessionStart,
    BlockedIdentifier,
    LiveCall,
    LiveTransport,
    RealtimeCall,
    Resource,
)


class Envelope(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """The fields that all documented events share. `created_at` is in whole Unix seconds.

    A field that the sender omits, or sends in another shape, is "" or 0 (`object`: "event"): a field that handlers
    rarely read must not dead-letter an event. `delivery.body` holds the original bytes.
    """

    id: str = ""
    created_at: int = 0
    object: str = "event"

    @property
    def type(self) -> str:
        """The event type, as OpenAI spells it."""
        return str(self.__struct_config__.tag)


class AgentEnvironmentExpired(Envelope, frozen=True, kw_only=True, tag="agent.environment.expired"):
    data: Resource


class AgentEnvironmentFailed(Envelope, frozen=True, kw_only=True, tag="agent.environment.failed"):
    data: Resource


class AgentEnvironmentReady(Envelope, frozen=True, kw_only=True, tag="agent.environment.ready"):
    data: Resource


class AgentEnvironmentSuspended(Envelope, frozen=True, kw_only=True, tag="agent.environment.suspended"):
    data: Resource


class AgentSessionActionRequired(Envelope, frozen=True, kw_only=True, tag="agent.session.action_required"):
    data: AgentAction


class AgentSessionCreated(Envelope, frozen=True, kw_only=True, tag="agent.session.created"):
    data: AgentSessionStart


class AgentSessionFailed(Envelope, frozen=True, kw_only=True, tag="agent.session.failed"):
    data: AgentSession


class AgentSessionIdle(Envelope, frozen=True, kw_only=True, tag="agent.session.idle"):
    data: AgentSession


class AgentSessionInProgress(Envelope, frozen=True, kw_only=True, tag="agent.session.in_progress"):
    data: AgentSession


class BatchCancelled(Envelope, frozen=True, kw_only=True, tag="batch.cancelled"):
    data: Resource


class BatchCompleted(Envelope, frozen=True, kw_only=True, tag="batch.completed"):
    data: Resource


class BatchExpired(Envelope, frozen=True, kw_only=True, tag="batch.expired"):
    data: Resource


class BatchFailed(Envelope, frozen=True, kw_only=True, tag="batch.failed"):
    data: Resource


class EvalRunCanceled(Envelope, frozen=True, kw_only=True, tag="eval.run.canceled"):
    data: Resource


class EvalRunFailed(Envelope, frozen=True, kw_only=True, tag="eval.run.failed"):
    data: Resource


class EvalRunSucceeded(Envelope, frozen=True, kw_only=True, tag="eval.run.succeeded"):
    data: Resource


class FineTuningJobCancelled(Envelope, frozen=True, kw_only=True, tag="fine_tuning.job.cancelled"):
    data: Resource


class FineTuningJobFailed(Envelope, frozen=True, kw_only=True, tag="fine_tuning.job.failed"):
    data: Resource


class FineTuningJobSucceeded(Envelope, frozen=True, kw_only=True, tag="fine_tuning.job.succeeded"):
    data: Resource


class LiveCallIncoming(Envelope, frozen=True, kw_only=True, tag="live.call.incoming"):
    data: LiveCall


class LiveTransportConnected(Envelope, frozen=True, kw_only=True, tag="live.transport.connected"):
    data: LiveTransport


class LiveTransportIncoming(Envelope, frozen=True, kw_only=True, tag="live.transport.incoming"):
    data: LiveTransport


class RealtimeCallIncoming(Envelope, frozen=True, kw_only=True, tag="realtime.call.incoming"):
    data: RealtimeCall


class ResponseCancelled(Envelope, frozen=True, kw_only=True, tag="response.cancelled"):
    data: Resource


class ResponseCompleted(Envelope, frozen=True, kw_only=True, tag="response.completed"):
    data: Resource


class ResponseFailed(Envelope, frozen=True, kw_only=True, tag="response.failed"):
    data: Resource


class ResponseIncomplete(Envelope, frozen=True, kw_only=True, tag="response.incomplete"):
    data: Resource


class SafetyAlertCreated(Envelope, frozen=True, kw_only=True, tag="safety.alert.created"):
    data: Resource


class SafetyDeactivationIssued(Envelope, frozen=True, kw_only=True, tag="safety.deactivation_issued"):
    data: Resource


class SafetyOrgAlertCreated(Envelope, frozen=True, kw_only=True, tag="safety.org_alert.created"):
    data: Resource


class SafetyWarningIssued(Envelope, frozen=True, kw_only=True, tag="safety.warning_issued"):
    data: Resource


class SafetyIdentifierBlocked(Envelope, frozen=True, kw_only=True, tag="safety_identifier.blocked"):
    data: BlockedIdentifier


class VideoCompleted(Envelope, frozen=True, kw_only=True, tag="video.completed"):
    data: Resource


class VideoFailed(Envelope, frozen=True, kw_only=True, tag="video.failed"):
    data: Resource


class UnknownEvent(msgspec.Struct, frozen=True):
    """An event of a type that this release has no struct for, or any event if a handler annotates this class.

    `type` is the type that it is stored under, as `delivery.type`: with the prefix of its source. Its envelope is as
    lenient as that of all events; `data` is the decoded JSON, of any shape.
    """

    type: str
    id: str = ""
    created_at: int = 0
    object: str = "event"
    data: Any = None


KnownEvent: TypeAlias = (
    AgentEnvironmentExpired
    | AgentEnvironmentFailed
    | AgentEnvironmentReady
    | AgentEnvironmentSuspended
    | AgentSessionActionRequired
    | AgentSessionCreated
    | AgentSessionFailed
    | AgentSessionIdle
    | AgentSessionInProgress
    | BatchCancelled
    | BatchCompleted
    | BatchExpired
    | BatchFailed
    | EvalRunCanceled
    | EvalRunFailed
    | EvalRunSucceeded
    | FineTuningJobCancelled
    | FineTuningJobFailed
    | FineTuningJobSucceeded
    | LiveCallIncoming
    | LiveTransportConnected
    | LiveTransportIncoming
    | RealtimeCallIncoming
    | ResponseCancelled
    | ResponseCompleted
    | ResponseFailed
    | ResponseIncomplete
    | SafetyAlertCreated
    | SafetyDeactivationIssued
    | SafetyOrgAlertCreated
    | SafetyWarningIssued
    | SafetyIdentifierBlocked
    | VideoCompleted
    | VideoFailed
)
Event: TypeAlias = KnownEvent | UnknownEvent

CLASSES: Final[tuple[type[KnownEvent], ...]] = KnownEvent.__args__
BY_TYPE: Final[dict[str, type[KnownEvent]]] = {str(cls.__struct_config__.tag): cls for cls in CLASSES}
