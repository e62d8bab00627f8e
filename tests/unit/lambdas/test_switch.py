"""The stop switch as the function in the secondary reads and writes it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from lambdas.adapters.retry import Retry
from lambdas.domain.errors import Unavailable
from lambdas.failover_control.switch import Switch
from tests.doubles.payments import ManualClock, refused, timed_out

WRITTEN = datetime(2026, 11, 25, 12, 30, tzinfo=UTC)


class Body:
    """Of an answer: `error` breaks it off."""

    def __init__(self, text, error):
        self.text, self.error = text, error

    def read(self, amount):
        if self.error:
            raise self.error
        return self.text[:amount]


class Objects:
    """A bucket with the switch in it. `text`: what it says, None when it is not there."""

    def __init__(self):
        self.text = b"primary: run"
        self.writes = []
        self.error = None
        self.broken = []

    def get_object(self, **arguments):
        if self.error:
            raise self.error
        assert arguments == {"Bucket": "bucket", "Key": "stop-switch"}
        if self.text is None:
            raise refused("NoSuchKey", 404)
        body = Body(self.text, self.broken.pop(0) if self.broken else None)
        return {"Body": body, "LastModified": WRITTEN, "ETag": self.etag}

    @property
    def etag(self):
        return f'"{self.text!r}"'

    def put_object(self, **arguments):
        if self.error:
            raise self.error
        if "IfMatch" in arguments and self.text is None:
            raise refused("NoSuchKey", 404)
        if "IfMatch" in arguments and arguments["IfMatch"] != self.etag:
            raise refused("PreconditionFailed", 412)
        if arguments.get("IfNoneMatch") == "*" and self.text is not None:
            raise refused("PreconditionFailed", 412)
        self.writes.append(arguments)
        self.text = arguments["Body"]
        return {}


@pytest.fixture
def objects():
    return Objects()


@pytest.fixture
def switch(objects):
    return Switch(objects, "bucket", "stop-switch", Retry(ManualClock()))


@pytest.mark.parametrize(
    ("text", "stopped"),
    [
        (b"primary: run", False),
        (b"primary: stop", True),
        (b"primary: stop\n", True),
        (b"since 12:30\nprimary: stop, by order", True),
        (b" " * 5_107 + b"primary: stop", True),
        (b" " * 5_108 + b"primary: stop", False),
        (b"", False),
        (b"stop", False),
        (b"PRIMARY: STOP", False),
        (b"\xff\xfe", False),
        (None, False),
    ],
)
def test_the_switch_is_read_as_the_checkers_read_it(objects, switch, text, stopped):
    """Words anywhere in the first 5,120 bytes; what is not there, or says anything else, stops nothing."""
    objects.text = text
    assert switch.state().stopped is stopped


@pytest.mark.parametrize("error", [timed_out(), refused("AccessDenied", 403), refused("NoSuchBucket", 404)])
def test_a_switch_that_cannot_be_read_is_not_taken_for_run(objects, switch, error):
    objects.text, objects.error = b"primary: stop", error
    with pytest.raises(Unavailable):
        switch.state()


def test_an_answer_that_breaks_off_is_asked_for_again(objects, switch):
    objects.text, objects.broken = b"primary: stop", [timed_out()]
    assert switch.state().stopped
    assert not objects.broken


def test_it_says_since_when(objects, switch):
    assert switch.state() == (False, WRITTEN.timestamp() * 1000, objects.etag)
    objects.text = None
    assert switch.state() == (False, 0, "")


def test_a_switch_that_was_only_deployed_has_said_nothing(objects, switch):
    """Else a failover in the first minutes of a deployment would not last, as if clients were on their way back."""
    objects.text = b"primary: run, as deployed"
    assert switch.state() == (False, 0, objects.etag)


def test_stopping_writes_what_the_checkers_can_read(objects, switch):
    seen = objects.etag
    assert switch.stop(seen)
    assert objects.writes == [
        {
            "Bucket": "bucket",
            "Key": "stop-switch",
            "Body": b"primary: stop",
            "ContentType": "text/plain",
            "ServerSideEncryption": "AES256",
            "IfMatch": seen,
        }
    ]
    assert switch.state().stopped


@pytest.mark.parametrize("before", [b"primary: run", None])
@pytest.mark.parametrize("after", [b"primary: run, by Anna", b"primary: stop"])
def test_a_switch_that_was_moved_since_it_was_read_is_not_overwritten(objects, switch, before, after):
    """Between a look and a write there is always a moment in which somebody else writes: S3 alone can tell."""
    objects.text = before
    seen = switch.state().seen
    objects.text = after
    assert not switch.stop(seen)
    assert objects.text == after


def test_a_switch_that_is_not_there_is_made(objects, switch):
    objects.text = None
    assert switch.stop(switch.state().seen)
    assert objects.text == b"primary: stop"


def test_a_switch_that_was_deleted_since_it_was_read_is_looked_at_again(objects, switch):
    seen = switch.state().seen
    objects.text = None
    with pytest.raises(Unavailable):
        switch.stop(seen)
    assert objects.text is None


def test_a_switch_that_cannot_be_moved_raises(objects, switch):
    objects.error = refused("AccessDenied", 403)
    with pytest.raises(Unavailable):
        switch.stop('"seen"')
