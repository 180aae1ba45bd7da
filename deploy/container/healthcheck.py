"""Docker's health check: exit 0 when a program of hookbus in this container is alive, 1 when none is.

Arguments are the ports to query, by default those of all programs, one of which runs here. Liveness never queries
Redis (shared/health.py), so an unreachable Redis makes no container unhealthy.
"""

import sys
import urllib.request

PORTS = ("9464", "9465", "9466", "9467")
"""`ops_listen` of ingest and of workers, `exporter_listen`, `console_listen`."""
TIMEOUT_S = 1.2
"""For each port; the Dockerfile allows 5 s for all."""


def is_alive(port: str) -> bool:
    """Whether a program responds on this port of the container's loopback."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=TIMEOUT_S) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(not any(is_alive(port) for port in sys.argv[1:] or PORTS))
