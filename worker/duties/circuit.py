"""What suspends one subscription: its circuit breaker, and `Hold` and `Pause` of its handler. Touches no Redis.

Failures are counted in the process; the process that counts enough of them opens the breaker for all workers. From then
on no delivery begins: those already read stay pending, the rest stays in its streams, and no attempt is used up. After
the delay one worker probes with one delivery: success closes the breaker, failure opens it for longer. The prober first
moves `until_ms` to when its probe counts as lost: if it dies, another worker probes then.

A hold ends by itself, without a probe; while the breaker is open, it puts the next probe off. `circuits` stores what
`decide` returns.
"""

from collections.abc import Callable
from typing import Any, Final, Literal

import msgspec
from msgspec.structs import replace

from ...shared import log
from ..inventory.suspensions import Held, Opened, Suspension
from ..pipeline.cause import Cause
from ..pipeline.dead_letter import fingerprint_of
from ..pipeline.outcome import Outcome, Park, failure, is_success
from ..pipeline.routes import Route
from ..pipeline.slots import CircuitGate

ERROR_CHARS: Final = 200
MARGIN_MS: Final = 5_000
"""How long after the handler's timeout the outcome of a probe may still be published."""
HOLD_STEP_MS: Final = 1_000
"""A hold that would end less than this later is not written: a hundred handlers that meet one 429 ask at once."""
PAUSE_EFFECT_MS: Final = 2_000
"""How long after a pause was stored this process begins nothing: until its readers know of it."""

Event = Literal["", "breaker_opened", "breaker_stays_open", "breaker_probing", "breaker_closed", "held", "hold_ended"]


class Asked(msgspec.Struct, frozen=True):
    """What the attempts of this process ask for since the last step. `verdict`: whether one succeeded, else failed."""

    opens_for: tuple[Cause, str] | None = None
    hold_s: float = 0.0
    hold_error: str = ""
    pause_reason: str | None = None
    verdict: bool | None = None


NOTHING: Final = Asked()


class Step(msgspec.Struct, frozen=True):
    """The state to store; `event` is "" if it is stored already."""

    state: Suspension | None
    event: Event = ""


def decide(stored: Suspension | None, asked: Asked, probe: Suspension | None, route: Route, now_ms: int) -> Step:
    """The step that is due. `probe` is what this process stored when it became the prober. Pure."""
    if asked.hold_s:
        return _hold(stored, asked, probe, now_ms)
    match stored:
        case Opened():
            return _of_open(stored, asked, probe, route, now_ms)
        case Held() if now_ms >= stored.until_ms:
            return Step(None, "hold_ended")
        case Held():
            return Step(stored)
        case None if asked.opens_for is not None:
            return Step(_opened(*asked.opens_for, route, now_ms), "breaker_opened")
        case None:
            return Step(None)


def _hold(stored: Suspension | None, asked: Asked, probe: Suspension | None, now_ms: int) -> Step:
    until_ms = now_ms + round(asked.hold_s * 1000)
    is_ours = stored is not None and stored == probe  # the probe itself asks: it need not count as lost
    if stored is not None and not is_ours and until_ms < stored.until_ms + HOLD_STEP_MS:
        return Step(stored)
    if isinstance(stored, Opened):
        return Step(replace(stored, until_ms=until_ms), "held")
    since_ms = now_ms if stored is None else stored.since_ms
    return Step(Held(asked.hold_error, since_ms, until_ms), "held")


def _opened(cause: Cause, event_type: str, route: Route, now_ms: int) -> Opened:
    fingerprint, error = fingerprint_of(cause, event_type), str(cause)[:ERROR_CHARS]
    return Opened(fingerprint, error, now_ms, now_ms + _delay_ms(route, 1), frame=cause.place)


def _of_open(opened: Opened, asked: Asked, probe: Suspension | None, route: Route, now_ms: int) -> Step:
    if asked.verdict:
        return Step(None, "breaker_closed")
    if asked.verdict is False and opened == probe:
        times = opened.times + 1
        return Step(replace(opened, times=times, until_ms=now_ms + _delay_ms(route, times)), "breaker_stays_open")
    if now_ms >= opened.until_ms:
        lease_ms = round(route.timeout_s * 1000) + MARGIN_MS
        return Step(replace(opened, until_ms=now_ms + lease_ms), "breaker_probing")
    return Step(opened)


def _delay_ms(route: Route, times: int) -> int:
    """The wait before a probe. Without a breaker, which an earlier release of the app had: it probes at once."""
    return round(route.breaker.delay_s(times) * 1000) if route.breaker else 0


class Circuit:
    """One per subscription and process; `circuit_gate` limits the slots of all its shards."""

    def __init__(self, route: Route, wake: Callable[[], None]) -> None:
        self.route = route
        self.circuit_gate = CircuitGate()
        self.asked = NOTHING
        self._wake = wake
        self.probe: Suspension | None = None
        """What this process stored when it became the prober. Only `took` changes it."""
        self._failures = 0
        self._state: Suspension | None = None
        """What is stored, as far as this process knows. Only `took` changes it."""
        self._gated_until_ms = 0
        self._log = log.get("worker.circuit").bind(group=route.group, pattern=route.pattern)

    def observe(self, outcome: Outcome, event_type: str) -> None:
        """An attempt has ended."""
        if is_success(outcome):
            self._failures = 0
            if self._state is not None:
                self._ask(verdict=True)
        elif isinstance(outcome, Park) and (outcome.hold_s or outcome.is_pause):
            self._suspend(outcome)
        elif (cause := failure(outcome)) is not None:
            self._failed(cause, event_type)
        elif self.probe is not None:
            self.circuit_gate.set(1)  # neither success nor failure: the next delivery probes

    def _suspend(self, asks: Park) -> None:
        self.circuit_gate.set(0)
        if asks.is_pause:
            self._ask(pause_reason=asks.cause.message)
        elif asks.hold_s > self.asked.hold_s:
            self._ask(hold_s=asks.hold_s, hold_error=str(asks.cause)[:ERROR_CHARS])

    def _failed(self, cause: Cause, event_type: str) -> None:
        self._failures += 1
        if isinstance(self._state, Opened):
            self._ask(verdict=self.asked.verdict or False)
        elif self.route.breaker is not None and self._failures >= self.route.breaker.failures:
            self.circuit_gate.set(0)
            self._ask(opens_for=(cause, event_type))

    def _ask(self, **changes: Any) -> None:
        self.asked = replace(self.asked, **changes)
        self._wake()

    def took(self, step: Step, asked: Asked, now_ms: int) -> None:
        """`step`, which was due for `asked`, is stored: limit the slots to what its state admits."""
        before, self._state = self._state, step.state
        if self.asked is asked:  # else an attempt has ended meanwhile, and another step is due
            self.asked = NOTHING
        if asked.pause_reason is not None:
            self._gated_until_ms = now_ms + PAUSE_EFFECT_MS
        self._log_step(before, step, asked, now_ms)
        if step.event == "breaker_probing":
            self.probe = step.state
            self.circuit_gate.set(1)
        elif step.state is None:
            self._go_on(before, now_ms)
        elif step.state != self.probe:
            self.probe = None
            self.circuit_gate.set(0)

    def _go_on(self, before: Suspension | None, now_ms: int) -> None:
        self.probe = None
        if isinstance(before, Opened):
            self._failures = 0
        if self.circuit_gate.is_blocked and self.asked is NOTHING and now_ms >= self._gated_until_ms:
            self.circuit_gate.set(None)

    def _log_step(self, before: Suspension | None, step: Step, asked: Asked, now_ms: int) -> None:
        """Log what this process did, and in each process that a suspension has ended."""
        if step.state is None:
            if isinstance(before, Opened) or step.event == "breaker_closed":
                self._log.info("breaker_closed")
            elif before is not None:
                self._log.info("hold_ended")
            return
        match step.event:
            case "held":
                self._log.warning("held", error=asked.hold_error, next_s=_seconds(step.state.until_ms - now_ms))
            case "breaker_opened" | "breaker_stays_open" | "breaker_probing" as event:
                self._log_breaker(event, step.state, now_ms)

    def _log_breaker(
        self, event: Literal["breaker_opened", "breaker_stays_open", "breaker_probing"], state: Suspension, now_ms: int
    ) -> None:
        assert isinstance(state, Opened)
        fields = {"fingerprint": state.fingerprint, "error": state.error, "times": state.times}
        if state.frame:
            fields["frame"] = state.frame
        self._log.warning(event, **fields, next_s=_seconds(state.until_ms - now_ms))


def _seconds(wait_ms: int) -> float:
    return round(max(0, wait_ms) / 1000, 1)
