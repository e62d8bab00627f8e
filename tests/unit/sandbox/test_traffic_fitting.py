"""Whether a machine keeps up with a speed, and which speed fits when it does not."""

from __future__ import annotations

import pytest

from sandbox import control
from sandbox.layout import Layout
from sandbox.traffic import fitting
from sandbox.traffic.fitting import SpeedFit, measure


@pytest.mark.parametrize(
    ("speed", "strain", "unhealthy", "fits", "fitting"),
    [
        (10, 0.01, (), True, 10),
        (10, 0.05, (), True, 10),
        (10, 0.051, (), False, 9),
        (60, 0.02, (), False, 25),
        (60, 1 / 60, (), False, 30),  # some answer came too late: nobody knows how late
        (2, 0.6, (), False, 0.8),
        (1, 9.0, (), False, 0.1),
        (10, 0.0, (), True, 10),
        (10, 0.001, ("fast",), False, 5),
    ],
)
def test_the_slowest_answer_says_which_speed_fits(speed, strain, unhealthy, fits, fitting):
    found = SpeedFit(speed, strain, unhealthy)
    assert (found.fits, found.fitting) == (fits, fitting)


def test_it_is_said_in_one_line():
    assert str(SpeedFit(60, 0.02)) == (
        "60 times the speed is too fast for this machine: the slowest health answer takes 120% of its limit, "
        "and 50% leave room to spare. 25 fits"
    )
    assert "fast became unhealthy" in str(SpeedFit(60, 0.02, ("fast",)))
    assert "too fast" not in str(SpeedFit(10, 0.02))


def test_a_minute_is_measured_from_its_beginning(tmp_path, monkeypatch):
    asked, healthy = [], iter([["old"], ["old", "fast"]])

    def ask(path, within, question, **details):
        asked.append((question, details))
        if question == "health":
            return {"checks": [{"name": each, "healthy": False} for each in next(healthy)]}
        return {"strain": 0.25}

    monkeypatch.setattr(control, "ask", ask)
    monkeypatch.setattr(fitting, "WARM", 0.0)
    found = measure(Layout(tmp_path), seconds=0.01)
    assert (found.speed, found.strain, found.unhealthy) == (1, 0.25, ("fast",))
    assert [question for question, _ in asked] == ["health", "strain", "health"]
