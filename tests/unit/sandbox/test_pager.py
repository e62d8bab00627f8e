"""The stand-in pager: confirms what is SNS's alone, keeps what it is told, and refuses the rest."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from sandbox.mail import Mailbox
from sandbox.processor.pager import TYPE, Pager

TOPIC = "arn:aws:sns:us-east-2:000000000000:topic"
QUERY = f"Action=ConfirmSubscription&TopicArn={TOPIC}&Token=t"


class Aws(BaseHTTPRequestHandler):
    visited: list[tuple[str, str]]
    status = 200

    def do_GET(self) -> None:
        self.visited.append((self.headers["Host"], self.path))
        self.send_response(self.status)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def aws():
    kind = type("Here", (Aws,), {"visited": []})
    server = HTTPServer(("127.0.0.1", 0), kind)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield kind, server.server_address
    server.shutdown()
    server.server_close()


@pytest.fixture
def pager(aws, tmp_path):
    return Pager(Mailbox(tmp_path / "pages.jsonl"), lambda: 5.0, aws[1])


def posted(pager, kind, **told):
    body = json.dumps({"TopicArn": TOPIC, **told}).encode()
    return pager.answer({TYPE: kind, "host": "pager.example.com"}, body)


def test_it_visits_the_address_of_sns(aws, pager):
    url = f"https://sns.us-east-2.amazonaws.com/?{QUERY}"
    assert posted(pager, "SubscriptionConfirmation", SubscribeURL=url) == 200
    assert aws[0].visited == [("sns.us-east-2.amazonaws.com", f"/?{QUERY}")]


@pytest.mark.parametrize(
    "url",
    ["http://sns.us-east-2.amazonaws.com/", "https://sns.us-east-2.amazonaws.com.evil.example/", "https://a.example/"],
)
def test_it_visits_no_other(aws, pager, url):
    assert posted(pager, "SubscriptionConfirmation", SubscribeURL=url) == 400
    assert aws[0].visited == []


def test_a_confirmation_that_is_refused_is_not_taken_for_one(aws, pager):
    aws[0].status = 400
    assert posted(pager, "SubscriptionConfirmation", SubscribeURL="https://sns.us-east-1.amazonaws.com/?a=b") == 502


def test_it_keeps_what_it_is_told(pager, tmp_path):
    assert posted(pager, "Notification", Message="words", Subject="Hello") == 202
    (page,) = Mailbox(tmp_path / "pages.jsonl").read()
    assert (page.time, page.to, page.topic, page.subject, page.message) == (
        5.0,
        "pager.example.com",
        TOPIC,
        "Hello",
        "words",
    )


@pytest.mark.parametrize(("kind", "told"), [("Notification", {}), ("Other", {"Message": "words"})])
def test_it_refuses_what_it_does_not_know(pager, tmp_path, kind, told):
    assert posted(pager, kind, **told) == 400
    assert pager.answer({TYPE: kind}, b"[]") == 400
    assert not (tmp_path / "pages.jsonl").exists()
