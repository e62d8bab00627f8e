"""For all tests: a property fails by what it finds, never by how busy the machine is, and git means our repository."""

from __future__ import annotations

import os

from hypothesis import settings

from tools import foreign

settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")

for name in foreign.REPOSITORY & os.environ.keys():  # as a hook of git sets them
    del os.environ[name]
