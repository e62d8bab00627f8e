"""A cloud whose emulator is not the one that it was written for."""

from __future__ import annotations

from importlib import util
from pathlib import Path

import pytest

from sandbox.cloud.names import VERSION
from shared.errors import Problem
from tests.sandbox.conftest import CloudOnly


def emulator_with(folder: Path, module: str, old: str, new: str) -> Path:
    """A folder with the emulator, but for what one of its modules says."""
    spec = util.find_spec("ministack")
    assert spec is not None
    assert spec.origin is not None
    changed = Path(module)
    for above in [*reversed(changed.parents)]:
        (folder / "ministack" / above).mkdir(parents=True)
        for path in (Path(spec.origin).parent / above).iterdir():
            if path.relative_to(Path(spec.origin).parent) not in {changed, *changed.parents}:
                (folder / "ministack" / above / path.name).symlink_to(path)
    source = (Path(spec.origin).parent / changed).read_text()
    assert old in source
    (folder / "ministack" / changed).write_text(source.replace(old, new))
    return folder


def start(root: Path, emulator: Path) -> None:
    sandbox = CloudOnly(root, PYTHONPATH=str(emulator))
    try:
        sandbox.up(progress=lambda _: None)
    finally:
        sandbox.down()


def test_a_name_that_is_gone_fails_the_start_with_one_line(tmp_path: Path) -> None:
    emulator = emulator_with(tmp_path, "services/sqs.py", "_queue_url_for_account", "_url_of_queue")
    (root := tmp_path / "checkout").mkdir()
    with pytest.raises(Problem) as raised:
        start(root, emulator)
    assert str(raised.value) == (
        f"the sandbox's cloud did not start: ministack {VERSION} lacks ministack.services.sqs._queue_url_for_account() "
        "(used by sandbox/cloud/repairs/sqs.py: queue_urls): "
        f"pin {VERSION} in pyproject.toml and requirements.lock again, or mend what uses it"
    )
    assert "Traceback" not in (root / ".sandbox/run/cloud.log").read_text()


def test_a_name_that_is_imported_is_told_just_so(tmp_path: Path) -> None:
    emulator = emulator_with(tmp_path, "core/iam_evaluator.py", "evaluate_resource_policy", "evaluated")
    (root := tmp_path / "checkout").mkdir()
    with pytest.raises(Problem, match=r"lacks ministack\.core\.iam_evaluator\.evaluate_resource_policy\(\) \(used by"):
        start(root, emulator)


def test_the_same_emulator_elsewhere_starts(tmp_path: Path) -> None:
    emulator = emulator_with(tmp_path, "services/sqs.py", "_queue_url_for_account", "_queue_url_for_account")
    (root := tmp_path / "checkout").mkdir()
    start(root, emulator)
