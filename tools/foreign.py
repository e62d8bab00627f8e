"""The user's variables that would change what our tools do: they are made for his own projects, not for this one.

Imported before anything is installed. What the sandbox lets in is another matter (sandbox/variables.py).
"""

from __future__ import annotations

TYPE_CHECKING = False  # as typing's, which takes long to import
if TYPE_CHECKING:
    from collections.abc import Mapping

INTERPRETER = ("PYTHON", "INVOKE_")
"""How variables begin that would change what our interpreter and the library `invoke` do."""
KEPT = frozenset({"PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"})
"""Those of them that change nothing in what a task does."""
CHECKS = ("PYTEST_", "MYPY", "RUFF_", "PYREFLY_", "COVERAGE_", "COV_CORE_", "HYPOTHESIS_", "MUTMUT_")
"""How variables begin that would make a check look elsewhere, or at less."""
REPOSITORY = frozenset(
    [
        "GIT_DIR",
        "GIT_WORK_TREE",
        "GIT_IMPLICIT_WORK_TREE",
        "GIT_COMMON_DIR",
        "GIT_INDEX_FILE",
        "GIT_PREFIX",
        "GIT_NAMESPACE",
        "GIT_OBJECT_DIRECTORY",
        "GIT_ALTERNATE_OBJECT_DIRECTORIES",
        "GIT_QUARANTINE_PATH",
        "GIT_SHALLOW_FILE",
        "GIT_GRAFT_FILE",
        "GIT_REPLACE_REF_BASE",
        "GIT_NO_REPLACE_OBJECTS",
        "GIT_CEILING_DIRECTORIES",
        "GIT_DISCOVERY_ACROSS_FILESYSTEM",
    ]
)
"""What makes git work in another repository than that of its folder, as a hook of git has it set (`git rev-parse
--local-env-vars`). How it is set up (GIT_CONFIG_*, GIT_SSH and the like) is the user's."""


def of_checks(name: str) -> bool:
    """Whether a variable sets up a checker, or git's repository."""
    return name.startswith(CHECKS) or name in REPOSITORY


def of_tasks(name: str) -> bool:
    """Whether a variable is kept from every task."""
    return of_checks(name) or (name.startswith(INTERPRETER) and name not in KEPT)


def without(given: Mapping[str, str]) -> dict[str, str]:
    """The same variables without those of checkers and git's repository."""
    return {name: value for name, value in given.items() if not of_checks(name)}
