"""The port that is remembered: what is in its file may be anybody's."""

from __future__ import annotations

import json

import pytest

from sandbox import addresses, ports
from sandbox.layout import Layout
from shared.errors import Problem


@pytest.fixture
def layout(tmp_path):
    found = Layout(tmp_path)
    found.ports.parent.mkdir(parents=True, exist_ok=True)
    return found


DAMAGED = ["", "{", "null", "[1]", "{}", *(json.dumps({"port": each}) for each in (99999, 65_535, -1, 0, 80, True))]
DAMAGED += [json.dumps({"port": each}) for each in ("20000", 20_000.5, None, 10**400)]
DAMAGED += ["\xff", "[" * 100_000]


@pytest.mark.parametrize("text", DAMAGED, ids=range(len(DAMAGED)))
def test_a_port_that_is_none_is_chosen_anew(layout, text):
    layout.ports.write_bytes(text.encode("latin-1"))
    assert ports.remembered(layout) is None
    chosen = ports.choose(layout)
    assert ports.FIRST <= chosen < ports.LAST
    assert ports.remembered(layout) == chosen


def test_every_port_that_can_be_chosen_is_remembered(layout):
    last = max(port for _, port in addresses.everything(ports.LAST))
    assert last < 2**16
    for port in (ports.FIRST, ports.LAST - 1):
        layout.ports.write_text(json.dumps({"port": port}))
        assert ports.remembered(layout) == port


def test_a_folder_in_the_file_s_place_is_one_line(layout):
    layout.ports.mkdir()
    with pytest.raises(Problem, match=r"^[^\n]*ports\.json[^\n]*$"):
        ports.choose(layout)
    assert ports.remembered(layout) is None
