"""Plugins under the real engine: what comes through."""

from __future__ import annotations

import json
import sys
import venv
from pathlib import Path

import psutil
import pytest

from engine.plugins.variables import NO_DEBUG
from sandbox.tricks import VARIABLE
from tests.sandbox.place import RESOURCES, Place, a_place
from tests.waiting import until


def test_a_program_runs_in_a_process_forked_from_a_warm_one(warm: Place):
    warm.write(RESOURCES)
    code, output = warm.up()
    assert code == 0, output
    assert warm.host is not None
    children = {child.pid for child in psutil.Process(warm.host.pid).children()}
    assert warm.outputs()["parent"] in children
    until(lambda: not warm.left())
    assert warm.lent() == 0


def test_programs_and_providers_work(either: Place):
    either.run("config", "set", "--secret", "word", "s3cret")
    either.settings["EXAMPLE"] = "from the engine"
    either.write(RESOURCES)
    code, output = either.up()
    assert code == 0, output
    assert "to output" in output
    assert "to error" in output
    assert "s3cret" not in output
    found = either.outputs()
    assert (len(found["name"]), len(found["password"]), found["prefix"]) == (6, 20, sys.prefix)
    assert found["surroundings"] == ["from the engine", str(either.project), "s3cret"]
    code, output = either.run("destroy", "--yes", "--skip-preview")
    assert code == 0, output
    until(lambda: not either.left())


ENDS = {
    "is empty": "",
    "exits": "import sys\nsys.exit(0)\n",
    "exits at once": "import os\nos._exit(0)\n",
    "exits before its export": "import sys, pulumi\nsys.exit(0)\npulumi.export('done', 1)\n",
}


@pytest.mark.parametrize("either", ["warm", pytest.param("plain", marks=pytest.mark.prove)], indirect=True)
def test_a_program_that_ends_without_what_it_must_export_fails_and_deletes_nothing(either: Place):
    """To the engine a program that ends without an error is complete."""
    either.declare(Path(sys.prefix), exports="done")
    complete = "import pulumi, pulumi_random as r\nr.RandomString('a', length=4)\npulumi.export('done', 1)\n"
    either.write(complete + "import sys\nsys.exit(0)\n")  # early, and complete
    code, output = either.up()
    assert code == 0, output
    known = either.outputs(), either.run("stack", "export")[1].count("RandomString::a")
    for how, program in ENDS.items():
        either.write(program)
        code, output = either.up()
        assert code != 0, how
        assert "ended before" in output, how
        assert "Traceback" not in output, how
        assert (either.outputs(), either.run("stack", "export")[1].count("RandomString::a")) == known, how
    either.write(complete)
    assert either.up()[0] == 0


def test_the_state_tells_where_a_program_makes_a_resource_and_not_on_which_stack(warm: Place):
    warm.write("import pulumi_random as random\ndef make():\n    random.RandomString('made', length=4)\n", "maker.py")
    warm.write("import maker\n\nmaker.make()\n")
    code, output = warm.up()
    assert code == 0, output
    exported = json.loads(warm.run("stack", "export")[1])
    made = next(each for each in exported["deployment"]["resources"] if each["urn"].endswith("::made"))
    assert made["sourcePosition"] == "project:///maker.py#3"
    assert "stackTrace" not in made


def test_a_programs_debug_messages_can_be_left_out(warm: Place):
    warm.write(RESOURCES)
    message = "registering resource"
    assert message in warm.up("--debug")[1]
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setitem(warm.settings, NO_DEBUG, "true")
        code, output = warm.up("--debug")
    assert code == 0, output
    assert message not in output


def test_an_edit_takes_effect_at_the_next_run(warm: Place):
    for value in (1, 2):
        warm.write(f"VALUE = {value}\n", "edited.py")
        warm.write("import pulumi, edited\npulumi.export('value', edited.VALUE)\n")
        assert warm.up()[0] == 0
        assert warm.outputs()["value"] == value


def test_a_refusal_is_one_line(warm: Place):
    warm.write("import pulumi\nraise pulumi.RunError('the table is not there; deploy data first')\n")
    code, output = warm.up()
    assert code != 0
    diagnostics = output.partition("Diagnostics:")[2].partition("Outputs:")[0].partition("Resources:")[0].split("\n")
    said = [line.strip() for line in diagnostics if line.strip()]
    assert said[1:] == ["error: the table is not there; deploy data first"]


@pytest.mark.parametrize(
    ("program", "said", "unsaid"),
    [
        (
            "def divide():\n    return 1 / 0\ndivide()\n",
            ["ZeroDivisionError", '__main__.py", line 3'],
            ["runpy", "plugins"],
        ),
        ("import pulumi\nthis is broken (\n", ["SyntaxError", "__main__.py"], []),
        ("import os\nos.kill(os.getpid(), 9)\n", ["the program's process ended before the program did"], ["Traceback"]),
    ],
)
def test_a_failure_shows_what_the_programs_owner_needs(warm: Place, program: str, said: list[str], unsaid: list[str]):
    warm.write(program)
    code, output = warm.up()
    assert code != 0
    assert not [text for text in said if text not in output], output
    assert not [text for text in unsaid if text in output], output


def test_a_project_without_a_program_is_one_line(warm: Place):
    (warm.project / "__main__.py").unlink(missing_ok=True)
    code, output = warm.up()
    assert code != 0
    assert f"there is no Python program at {warm.project}" in output
    assert "Traceback" not in output


def test_a_projects_other_virtualenv_is_honoured(warm: Place, tmp_path: Path):
    other = tmp_path / "other"
    venv.create(other, symlinks=True, with_pip=False)
    libraries = next(other.glob("lib/python*/site-packages"))
    (libraries / "borrowed.pth").write_text(f"{Path(pytest.__file__).parents[1]}\n")
    warm.write("import sys, pulumi\npulumi.export('prefix', sys.prefix)\n")
    try:
        warm.declare(other)
        code, output = warm.up()
        assert code == 0, output
        assert warm.outputs()["prefix"] == str(other)
        warm.declare(tmp_path / "nowhere")
        code, output = warm.up()
        assert code != 0
        assert "there is no virtualenv at" in output
        assert "Traceback" not in output
    finally:
        warm.declare(Path(sys.prefix))


def test_plain_plugins_can_be_chosen(own: Place):
    own.settings["SANDBOX_PLUGINS"] = "plain"
    own.write(RESOURCES)
    assert own.up()[0] == 0
    assert own.host is not None
    assert own.outputs()["parent"] not in {child.pid for child in psutil.Process(own.host.pid).children()}


def test_a_host_can_lend_plugins_without_forking_or_leaving_out_anything(
    tmp_path: Path, executable: Path, monkeypatch: pytest.MonkeyPatch
):
    for off, forks in (("-forked_programs", 0), ("-read_ahead,-garbage,-traces", 1)):
        monkeypatch.setenv(VARIABLE, off)
        with a_place(tmp_path / off, executable, warm=True) as place:
            place.write(RESOURCES)
            code, output = place.up()
            assert code == 0, output
            assert place.host is not None
            children = psutil.Process(place.host.pid).children()
            assert sum("fork_server" in str(child.cmdline()) for child in children) == forks
            assert "stackTrace" in place.run("stack", "export")[1]


def test_a_policy_pack_is_enforced(warm: Place):
    pack = warm.root / "pack"
    pack.mkdir()
    (pack / "PulumiPolicy.yaml").write_text(json.dumps({"runtime": "python", "version": "0.0.1"}))
    (pack / "__main__.py").write_text(
        "from pulumi_policy import EnforcementLevel, PolicyPack, ResourceValidationPolicy\n"
        "def check(args, report):\n"
        "    if args.props.get('length', 9) < 9:\n"
        "        report('too short')\n"
        "PolicyPack('examples', enforcement_level=EnforcementLevel.MANDATORY, policies=[\n"
        "    ResourceValidationPolicy('length', 'No short names.', check)])\n",
    )
    warm.write(RESOURCES)
    code, output = warm.up("--policy-pack", str(pack))
    assert code != 0
    assert "too short" in output
    until(lambda: not warm.left())
