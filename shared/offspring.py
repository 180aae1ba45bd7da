"""Child processes that the kernel ends with us, on Linux, also when we get SIGKILL (prctl(2), PR_SET_PDEATHSIG).

What it goes by is the thread that started them: start them from the one whose end they shall not outlive.
"""

import os
import sys
from collections.abc import Sequence
from typing import Final

# Runs in the child, then becomes the command: a preexec_fn would have to run Python between fork and exec.
_DIE_WITH_PARENT: Final = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGKILL)
if os.getppid() != int(sys.argv[1]):  # it died before the line above
    os.kill(os.getpid(), signal.SIGKILL)
os.execv(sys.argv[2], sys.argv[2:])
"""


def dying_with_us(command: Sequence[str]) -> list[str]:
    """The command, wrapped so that the kernel ends it when the calling thread ends. Its path must be absolute."""
    if not sys.platform.startswith("linux"):
        return list(command)
    return [sys.executable, "-I", "-S", "-c", _DIE_WITH_PARENT, str(os.getpid()), *command]
