"""How the programs import their modules at their start."""

import gc
from importlib import import_module
from types import ModuleType


def imported(name: str) -> ModuleType:
    """Import a module, without looking for garbage meanwhile: modules stay, and there are many."""
    gc.disable()
    try:
        return import_module(name)
    finally:
        gc.enable()
