"""How the programs import their modules at their start."""

import gc
from importlib import import_module
from types import ModuleType


def imported(name: str) -> ModuleType:
    """Import a module, and look for garbage in it neither meanwhile nor later: modules stay, and there are many."""
    gc.disable()
    try:
        return import_module(name)
    finally:
        gc.freeze()
        gc.enable()
