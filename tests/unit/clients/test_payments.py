"""The published client, against a server on loopback that answers what a test says; waits take no time."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise

import pytest

from clients.payments import FileJournal, Limits, PaymentClient

WHAT = {"amount": 100, "currency": "USD", "customerId": "test-123"}
PAID = {"paymentId": "pay_1", "status": "paid"}
READ_AT = {"Location": "/payment/pay_1"}


class Server:
    """Answers (status, headers, body) in turn, the last for ever; None ends the connection, `hang` says nothing."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = []
        self.connections = 0
        self.drip = 0.0
        self.hang = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self):
                outer.connections += 1
                super().setup()

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                self._answer(("POST", self.path, self.headers["Idempotency-Key"], body))

            def do_GET(self):
                self._answer(("GET", self.path, None, None))

            def _answer(self, asked):
                outer.asked.append(asked)
                answer = outer.answers.pop(0) if len(outer.answers) > 1 else outer.answers[0]
                if answer == "hang":
                    outer.hang.wait(20)
                    answer = None
                if answer is None:
                    self.close_connection = True
                    return
                status, headers, body = answer
                sent = body.encode() if isinstance(body, str) else json.dumps(body).encode()
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(sent))}.items():
                    self.send_header(name, value)
                self.end_headers()
                for at in range(len(sent)):
                    self.wfile.write(sent[at : at + 1])
                    outer.hang.wait(outer.drip)

            def log_message(self, *_):
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.address = self._http.server_address

    @contextmanager
    def up(self):
        thread = threading.Thread(target=self._http.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield self
        finally:
            self.hang.set()
            self._http.shutdown()
            self._http.server_close()
            thread.join()


class Clock:
    def __init__(self):
        self.now = 1000.0
        self.waits = []

    def sleep(self, seconds):
        self.waits.append(seconds)
        self.now += seconds


class Scene:
    def __init__(self, server, path, **limits):
        self.server = server
        self.clock = Clock()
        self.journal = FileJournal(path / "journal")
        self.resolved = 0
        self.to = [server.address]
        self.client = PaymentClient(
            "http://api.test",
            "secret",
            self.journal,
            limits=Limits(**limits),
            resolver=self._resolve,
            clock=lambda: self.clock.now,
            sleep=self.clock.sleep,
            draw=lambda low, high: high,
        )

    def _resolve(self, host, port):
        assert (host, port) == ("api.test", 80)
        self.resolved += 1
        return self.to


@pytest.fixture
def scene(tmp_path):
    @contextmanager
    def make(*answers, **limits):
        with Server(*answers).up() as server:
            found = Scene(server, tmp_path, **limits)
            try:
                yield found
            finally:
                found.client.close()

    return make


def test_a_payment_is_kept_before_it_is_sent_and_settled_after(scene):
    with scene((201, {}, PAID)) as at:
        kept = []
        send = at.client._ask
        at.client._ask = lambda *words: (kept.extend(at.journal.open()), send(*words))[1]
        result = at.client.pay(WHAT, "order-1")
        assert (result.state, result.final, result.status, result.attempts) == ("paid", True, 201, 1)
        assert kept == [("order-1", WHAT)]
        assert list(at.journal.open()) == []
        assert at.server.asked == [("POST", "/payment", "order-1", WHAT)]


def test_nothing_is_sent_when_the_key_cannot_be_kept(scene):
    with scene((201, {}, PAID)) as at:
        at.journal.keep = lambda *_: (_ for _ in ()).throw(OSError("disk full"))
        with pytest.raises(OSError, match="disk full"):
            at.client.pay(WHAT)
        assert at.server.asked == []


@pytest.mark.parametrize("status", [409, 429, 500, 502, 503, 504])
def test_it_tries_again_with_the_same_key_and_not_before_retry_after(scene, status):
    with scene((status, {"Retry-After": "7"}, {}), (201, {"Idempotent-Replayed": "true"}, PAID)) as at:
        result = at.client.pay(WHAT)
        assert (result.state, result.attempts, result.replayed) == ("paid", 2, True)
        assert at.clock.waits == [7.2]
        assert len({key for _, _, key, _ in at.server.asked}) == 1


def test_waits_grow_to_a_cap_and_it_gives_up_as_unknown(scene):
    with scene((503, {}, "<html>"), give_up=60.0) as at:
        result = at.client.pay(WHAT, "k")
        assert (result.state, result.final, result.status) == ("unknown", False, 503)
        assert at.clock.waits[:8] == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0]
        assert sum(at.clock.waits) <= 60.0
        assert list(at.journal.open()) == [("k", WHAT)]
        at.server.answers = [(201, {}, PAID)]
        assert [each.state for each in at.client.reconcile()] == ["paid"]
        assert list(at.journal.open()) == []


def test_a_wait_that_would_end_after_the_deadline_is_not_begun(scene):
    with scene((503, {"Retry-After": "3600"}, {})) as at:
        assert at.client.pay(WHAT).state == "unknown"
        assert at.clock.waits == []


@pytest.mark.parametrize("status", [400, 401, 413, 415, 422])
def test_a_refusal_is_final_unless_an_earlier_attempt_may_have_paid(scene, status):
    with scene((status, {}, {"title": "no"})) as at:
        assert at.client.pay(WHAT).state == "refused"
    with scene(None, (status, {}, {"title": "no"})) as at:
        assert at.client.pay(WHAT, "doubt").state == "unknown"
        assert [key for key, _ in at.journal.open()] == ["doubt"]
    with scene((503, {}, {}), (status, {}, {"title": "no"})) as at:
        assert at.client.pay(WHAT).state == "refused"


def test_declined_is_final(scene):
    with scene((402, {}, {"title": "declined"})) as at:
        assert at.client.pay(WHAT).state == "declined"


def test_an_answer_outside_the_contract_is_not_taken_for_one(scene):
    with scene((302, {"Location": "http://other.test/"}, {})) as at:
        assert (at.client.pay(WHAT).state, len(at.server.asked)) == ("unknown", 1)
    with scene((201, {}, "<html>captive portal</html>"), (201, {}, PAID)) as at:
        assert (at.client.pay(WHAT).state, len(at.server.asked)) == ("paid", 2)


def test_a_pending_payment_is_read_at_its_location_until_it_is_known(scene):
    pending = {**PAID, "status": "pending"}
    with scene((202, {**READ_AT, "Retry-After": "5"}, pending), (200, {}, pending), (200, {}, PAID)) as at:
        result = at.client.pay(WHAT, "k")
        assert (result.state, result.attempts) == ("paid", 3)
        assert [asked[:2] for asked in at.server.asked] == [("POST", "/payment"), *[("GET", "/payment/pay_1")] * 2]
        assert at.clock.waits == [5.2, 0.4]


def test_a_pending_payment_that_this_region_does_not_have_is_asked_for_by_its_key(scene):
    with scene((202, READ_AT, {**PAID, "status": "pending"}), (404, {}, {}), (201, {}, PAID)) as at:
        assert at.client.pay(WHAT, "k").state == "paid"
        assert [asked[0] for asked in at.server.asked] == ["POST", "GET", "POST"]


def test_the_api_key_goes_to_no_other_host(scene):
    other = {"Location": "http://elsewhere.test/payment/pay_1"}
    with scene((202, other, {**PAID, "status": "pending"}), (201, {}, PAID)) as at:
        assert at.client.pay(WHAT, "k").state == "paid"
        assert [asked[0] for asked in at.server.asked] == ["POST", "POST"]


def test_a_connection_is_used_again_while_it_is_young_and_then_resolved_anew(scene):
    with scene((201, {}, PAID)) as at:
        at.client.pay(WHAT)
        at.clock.now += 29
        at.client.pay(WHAT)
        assert (at.resolved, at.server.connections) == (1, 1)
        at.clock.now += 1
        at.client.pay(WHAT)
        assert (at.resolved, at.server.connections) == (2, 2)


@pytest.mark.parametrize("first", [None, (503, {}, {})])
def test_after_a_failure_dns_says_where_to_go(scene, first):
    with scene((201, {}, PAID)) as good, scene(first) as at:
        at.client._sleep = lambda _: setattr(at, "to", [good.server.address])
        assert at.client.pay(WHAT, "k").state == "paid"
        assert (at.resolved, len(good.server.asked)) == (2, 1)


def test_an_address_that_refuses_is_passed_over(scene, tmp_path):
    with Server((201, {}, PAID)).up() as gone:
        closed = gone.address
    with scene((201, {}, PAID)) as at:
        at.to = [closed, at.server.address]
        assert (at.client.pay(WHAT).state, at.client.pay(WHAT).attempts) == ("paid", 1)


def test_a_name_without_an_address_is_unknown_in_the_end_and_refusals_still_count(scene):
    with scene((400, {}, {})) as at:
        there, at.to = at.to, []
        at.client._sleep = lambda _: setattr(at, "to", there)
        assert at.client.pay(WHAT).state == "refused"


def test_an_attempt_that_hangs_is_cut_in_time(scene):
    with scene("hang", (201, {}, PAID), attempt=0.05) as at:
        result = at.client.pay(WHAT)
        assert (result.state, result.attempts) == ("paid", 2)


def test_an_attempt_whose_answer_comes_byte_by_byte_is_cut_in_time(scene):
    with scene((201, {}, PAID), attempt=0.15) as at:
        at.server.drip = 0.04
        at.client._sleep = lambda _: setattr(at.server, "drip", 0.0)
        result = at.client.pay(WHAT)
        assert (result.state, result.attempts) == ("paid", 2)


def test_each_attempt_is_told_for_a_log(scene):
    answers = ((503, {}, {}), None, (202, READ_AT, {}), (200, {"Served-By": "us-east-2 (secondary)"}, PAID))
    with scene(*answers) as at:
        told = []
        at.client._told = told.append
        at.client.pay(WHAT, "order-1")
    assert [(each.number, each.status, each.read) for each in told] == [
        (1, 503, False),
        (2, None, False),
        (3, 202, False),
        (4, 200, True),
    ]
    assert {each.key for each in told} == {"order-1"}
    assert (told[-1].served_by, told[-1].body) == ("us-east-2 (secondary)", PAID)
    assert all(one.ended <= after.began for one, after in pairwise(told))


def test_a_line_cut_off_by_a_crash_costs_no_other(tmp_path):
    path = tmp_path / "journal"
    FileJournal(path).keep("a", WHAT)
    with path.open("a") as file:
        file.write('\n{"key": "b", "instr')
    FileJournal(path).keep("c", WHAT)
    assert [key for key, _ in FileJournal(path).open()] == ["a", "c"]


@pytest.mark.parametrize("base", ["api.example.com", "ftp://x", "https://"])
def test_what_is_no_address_is_refused(tmp_path, base):
    with pytest.raises(ValueError, match="give https://host"):
        PaymentClient(base, "k", FileJournal(tmp_path / "j"))
