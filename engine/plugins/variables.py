"""What an engine's variables tell the language host."""

from __future__ import annotations

from typing import Final

HELD_BY: Final = "PROGRAM_HELD_BY"
"""The path of the file that holds the program back (hold.py)."""

NO_DEBUG: Final = "PROGRAM_NO_DEBUG"
"""Set where the engine shows no debug messages: then programs send none."""
