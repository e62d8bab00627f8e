"""The published client, against a server on loopback that answers what a test says; waits take no time."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise

import pytest

from clients.payments import (
    BARE_KEY,
    KEY_LENGTH,
    QUOTED_KEY,
    FileJournal,
    KeptKey,
    Limits,
    PaymentClient,
    PaymentResult,
)
from tests.doubles import openapi

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
        self.limits = Limits(**limits)
        self.client = self.client_at("http://api.test")

    def client_at(self, base):
        return PaymentClient(
            base,
            "secret",
            self.journal,
            limits=self.limits,
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


REFUSALS = (400, 401, 413, 415, 422)
LATE, ELSEWHERE, OUT = ({"type": f"/problems/{kind}"} for kind in ("late", "out-of-service", "unavailable"))
REUSED = {"type": "/problems/idempotency-key-reused"}


@pytest.mark.parametrize("status", REFUSALS)
@pytest.mark.parametrize("before", [[], [LATE], [ELSEWHERE], [LATE, ELSEWHERE]])
def test_a_refusal_is_final_where_nothing_can_have_been_done_before_it(scene, before, status):
    with scene(*((503, {}, body) for body in before), (status, {}, {"title": "no"})) as at:
        assert at.client.pay(WHAT, "order-1").state == "refused"
        assert list(at.journal.open()) == []


@pytest.mark.parametrize("status", REFUSALS)
@pytest.mark.parametrize(
    "before",
    [
        None,
        *((status, {}, {}) for status in (409, 429, 500, 502, 503, 504)),
        (503, {}, OUT),
        (503, {}, "<html>"),
        (503, {}, {"type": ["late"]}),
        (500, {}, LATE),
        (202, {}, PAID | {"status": "pending"}),
    ],
)
def test_a_refusal_says_nothing_of_what_an_earlier_attempt_may_have_done(scene, before, status):
    """A payment may be charged, and its outcome not be written: 503. And 409 is said of a payment that is there."""
    with scene(before, (status, {}, {"title": "no"})) as at:
        assert at.client.pay(WHAT, "order-1").state == "unknown"
        assert list(at.journal.open()) == [("order-1", WHAT)]


@pytest.mark.parametrize("status", REFUSALS)
def test_a_refusal_settles_no_payment_that_an_earlier_process_has_left(scene, status):
    with scene(None, give_up=0.1) as at:
        assert at.client.pay(WHAT, "order-1").state == "unknown"
    with scene((status, {}, {})) as at:
        assert at.client.pay(WHAT, "order-1").state == "unknown"
        assert list(at.journal.open()) == [("order-1", WHAT)]
        at.server.answers = [(201, {}, PAID)]
        assert at.client.pay(WHAT, "order-1").state == "paid"
        assert list(at.journal.open()) == []
        at.server.answers = [(status, {}, {})]
        assert at.client.pay(WHAT, "order-1").state == "paid", "what is known stays known"
        at.server.answers = [None]
        assert at.client.pay(WHAT, "order-1").state == "paid"
        assert at.journal.find("order-1") == KeptKey(WHAT, "paid")


def test_a_key_that_was_used_for_another_payment_is_not_refused(scene):
    """There is a payment of this key: whoever takes a new one for the same order may pay twice."""
    with scene((422, {}, REUSED)) as at:
        assert at.client.pay(WHAT, "order-1").state == "unknown"
        assert [each.state for each in at.client.reconcile()] == ["unknown"]


@pytest.mark.parametrize("first", [None, (201, {}, PAID), (402, {}, {})])
def test_the_key_of_a_payment_is_taken_for_no_other(scene, first):
    with scene(first, give_up=0.1) as at:
        at.client.pay(WHAT, "order-1")
        before = (list(at.journal.open()), len(at.server.asked))
        with pytest.raises(ValueError, match="'order-1' is the key of another payment"):
            at.client.pay(WHAT | {"amount": 101}, "order-1")
        assert (list(at.journal.open()), len(at.server.asked)) == before, "the first is asked about as it was"


def test_what_was_refused_is_paid_with_its_key_once_it_is_corrected(scene):
    with scene((422, {}, {}), (201, {}, PAID)) as at:
        assert at.client.pay({"amount": "100"}, "order-1").state == "refused"
        assert at.client.pay(WHAT, "order-1").state == "paid"
    with scene((422, {}, {}), (401, {}, {})) as at:
        assert [at.client.pay(WHAT, "order-2").state for _ in range(2)] == ["refused", "refused"]


@pytest.mark.parametrize(
    "key", ["", " ", "order-€", "order-é", "a\nb", "a\r\nX: y", "a,b", '"a', '""', "k" * 256, "a\x7f"]
)
def test_a_key_that_no_header_carries_is_kept_and_sent_nowhere(scene, key):
    """It would be tried until the time is over, and stay unknown for ever."""
    with scene((201, {}, PAID)) as at:
        with pytest.raises(ValueError, match="no Idempotency-Key"):
            at.client.pay(WHAT, key)
        assert (list(at.journal.open()), at.server.asked, at.resolved) == ([], [], 0)
        at.journal.keep(key, WHAT)  # by a client that did not look
        assert [(each.state, each.status, each.attempts) for each in at.client.reconcile()] == [("refused", None, 0)]
        assert (list(at.journal.open()), at.server.asked, at.resolved) == ([], [], 0)


@pytest.mark.parametrize("key", ["order-1 ", " order-1", "\torder-1 \t", ' "order-1"'])
def test_a_key_that_was_kept_with_blanks_around_it_is_asked_about(scene, key):
    """The API leaves them out (RFC 9110, 5.5), so that an earlier client may have paid with it."""
    with scene((201, {}, PAID)) as at:
        with pytest.raises(ValueError, match="no Idempotency-Key"):
            at.client.pay(WHAT, key)
        at.journal.keep(key, WHAT)
        assert [(each.key, each.state) for each in at.client.reconcile()] == [(key, "paid")]
        assert (list(at.journal.open()), len(at.server.asked)) == ([], 1)


def test_of_a_journal_only_what_is_new_is_read(tmp_path):
    """It has every payment that was ever made: reading all of it for each made a shop slower by the day."""
    path = tmp_path / "journal"
    journal, other = FileJournal(path), FileJournal(path)
    assert (journal.find("a"), list(journal.open())) == (None, [])
    for key in ("a", "b"):
        other.keep(key, WHAT)
        assert journal.find(key) == KeptKey(WHAT)
    read = path.read_bytes()
    path.write_bytes(b"x" * len(read))
    journal.keep("c", WHAT)
    with path.open("ab") as file:
        file.write(b'\n{"key": "d", "instr')
    assert [key for key, _ in journal.open()] == ["a", "b", "c"]
    journal.settle(PaymentResult("c", "paid", 201, 1))
    assert journal.find("c") == KeptKey(WHAT, "paid")
    path.write_text("")
    assert journal.find("a") is None


ACCEPTED = ["a", "order 1", "k" * 255, '"a,b"', f'"{"k" * 255}"', "0f3c1a52-8d0e-4b7a-9a61-2f5d8f2c7e19"]


@pytest.mark.parametrize("key", ACCEPTED, ids=range(len(ACCEPTED)))
def test_a_key_that_the_api_takes_is_sent(scene, key):
    with scene((201, {}, PAID)) as at:
        assert at.client.pay(WHAT, key).state == "paid"
        assert [asked[2] for asked in at.server.asked] == [key]


def test_the_rule_for_a_key_is_the_api_s():
    bare, quoted = openapi.document()["components"]["parameters"]["IdempotencyKey"]["schema"]["anyOf"]
    assert (f"^{BARE_KEY.pattern}$", f"^{QUOTED_KEY.pattern}$") == (bare["pattern"], quoted["pattern"])
    assert bare["maxLength"] == KEY_LENGTH


def test_declined_is_final(scene):
    with scene((402, {}, {"title": "declined"})) as at:
        assert at.client.pay(WHAT).state == "declined"


def test_an_answer_outside_the_contract_is_not_taken_for_one(scene):
    with scene((302, {"Location": "http://other.test/"}, {})) as at:
        assert (at.client.pay(WHAT).state, len(at.server.asked)) == ("unknown", 1)
    with scene((201, {}, "<html>captive portal</html>"), (201, {}, PAID)) as at:
        assert (at.client.pay(WHAT).state, len(at.server.asked)) == ("paid", 2)


@pytest.mark.parametrize("stage", ["", "/live", "/a/b/"])
def test_a_pending_payment_is_read_under_the_base_until_it_is_known(scene, stage):
    """`Location` knows nothing of a stage that the base has."""
    pending = {**PAID, "status": "pending"}
    with scene((202, {**READ_AT, "Retry-After": "5"}, pending), (200, {}, pending), (200, {}, PAID)) as at:
        at.client = at.client_at(f"http://api.test{stage}")
        result = at.client.pay(WHAT, "k")
        assert (result.state, result.attempts) == ("paid", 3)
        under = stage.rstrip("/")
        assert [asked[:2] for asked in at.server.asked] == [
            ("POST", f"{under}/payment"),
            *[("GET", f"{under}/payment/pay_1")] * 2,
        ]
        assert at.clock.waits == [5.2, 0.4]


@pytest.mark.parametrize("body", [{}, {"paymentId": ""}, {"paymentId": 1}, {"paymentId": ["pay_1"]}])
def test_a_pending_payment_without_a_name_is_asked_for_by_its_key(scene, body):
    with scene((202, READ_AT, body), (201, {}, PAID)) as at:
        assert at.client.pay(WHAT, "k").state == "paid"
        assert [asked[0] for asked in at.server.asked] == ["POST", "POST"]


def test_a_name_leads_nowhere_else(scene):
    with scene((202, {}, {"paymentId": "../admin?x#y z"}), (200, {}, PAID)) as at:
        assert at.client.pay(WHAT, "k").state == "paid"
        assert at.server.asked[1][1] == "/payment/..%2Fadmin%3Fx%23y%20z"


def test_a_pending_payment_that_this_region_does_not_have_is_asked_for_by_its_key(scene):
    with scene((202, READ_AT, {**PAID, "status": "pending"}), (404, {}, {}), (201, {}, PAID)) as at:
        assert at.client.pay(WHAT, "k").state == "paid"
        assert [asked[0] for asked in at.server.asked] == ["POST", "GET", "POST"]


def test_the_api_key_goes_to_no_other_host(scene):
    other = {"Location": "http://elsewhere.test/payment/pay_1"}
    with scene((202, other, {**PAID, "status": "pending"}), (200, {}, PAID)) as at:
        assert at.client.pay(WHAT, "k").state == "paid"
        assert [asked[:2] for asked in at.server.asked] == [("POST", "/payment"), ("GET", "/payment/pay_1")]


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
    answers = ((503, {}, {}), None, (202, READ_AT, PAID), (200, {"Served-By": "us-east-2 (secondary)"}, PAID))
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


@pytest.mark.parametrize("status", [["paid"], {}, 1, None, "pending"])
def test_a_status_that_is_none_is_not_final(scene, status):
    with scene((202, {}, PAID), (200, {}, PAID | {"status": status}), (200, {}, PAID)) as at:
        assert (at.client.pay(WHAT, "k").state, len(at.server.asked)) == ("paid", 3)


BASES = [
    "api.example.com",
    "ftp://x",
    "https://",
    "https://x ",
    "https://x/a b",
    "https://x\n",
    "https://x/é",
    "https://x:y",
]


@pytest.mark.parametrize("base", BASES)
def test_what_is_no_address_is_refused(tmp_path, base):
    with pytest.raises(ValueError, match="give https://host"):
        PaymentClient(base, "k", FileJournal(tmp_path / "j"))


@pytest.mark.parametrize("api_key", ["", "secret\n", "sec ret", "sécret", "€"])
def test_an_api_key_that_no_header_carries_is_refused_and_not_shown(tmp_path, api_key):
    with pytest.raises(ValueError, match=r"^not an API key: visible ASCII characters, without spaces$"):
        PaymentClient("https://api.example.com", api_key, FileJournal(tmp_path / "j"))
