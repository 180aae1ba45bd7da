"""`/health`: what needs somebody, the other findings of `hookbus-worker check` about the bus, and Redis itself."""

from .. import attention, draw
from ..asked import Asked, Context
from ..view import View


async def page(context: Context, _: Asked) -> View:
    """Draws from the last look alone."""
    look = context.look
    redis = look.bus.redis
    limit = draw.size(redis.maxmemory_bytes) if redis.maxmemory_bytes > 0 else "no limit"
    facts = {
        "version": redis.version,
        "role": redis.role,
        "replicas": "unknown" if redis.replicas < 0 else draw.count(redis.replicas),
        "shards": draw.count(look.bus.status.shards),
        "memory": f"{draw.size(redis.used_memory_bytes)} of {limit}",
        "maxmemory-policy": redis.eviction_policy or "unknown",
        "appendonly": redis.appendonly or "unknown",
        "appendfsync": redis.appendfsync or "unknown",
        "last save": "succeeded" if redis.can_save else "failed",
        "clock": _clock(redis.clock_skew_ms),
    }
    values = {
        "troubles": [[each] for each in attention.of_look(look)],
        "others": [[each] for each in attention.told_only(look)],
        "facts": facts,
        "look": look,
    }
    return View("health.html", values, "Health", "/health")


def _clock(skew_ms: float) -> str:
    """Redis' clock beside that of this console."""
    if abs(skew_ms) < 1:
        return "as ours"
    return f"{draw.duration(abs(skew_ms))} {'ahead of' if skew_ms > 0 else 'behind'} ours"
