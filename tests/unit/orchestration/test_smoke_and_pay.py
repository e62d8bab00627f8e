"""The smoke test and the storefront's payment, against an API that answers what it is told to."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.backend import Checkpoint, Update
from orchestration import pay, smoke
from orchestration.api import EntryPoint, merchant
from orchestration.releases import ALIAS, STAGE, TAG, Release, Releases, Serving
from shared.environment import Environment
from shared.errors import Problem
from shared.stack import Stack

ENVIRONMENT = Environment.load("payments")
SECONDARY = ENVIRONMENT.region("secondary")
COMPUTE, DATA, EDGE = Stack("compute", "payments", "secondary"), Stack("data", "payments"), Stack("edge", "payments")
KEYS = {"clients": {name: {"current": f"{name}-key", "previous": None} for name in ("storefront", "canary")}}
ARNS = {"primary": "arn:primary", "secondary": "arn:secondary"}
OK = {
    ("GET", "/v1/health"): [200],
    ("POST", "/v1/payment"): [201],
    ("POST", "/payment"): [201],
    ("GET", "/v1/payment/p-1"): [200],
}


@dataclass
class Api:
    """A server that answers a list of statuses for each route, the last one for ever, and keeps what it was asked.

    `lie` changes what it says, by method and path.
    """

    answers: dict
    lie: Callable = lambda _method, _path, said: said
    asked: list = field(default_factory=list)
    paid: set = field(default_factory=set)

    def said(self, method, path, wish):
        said = {"paymentId": "p-1", **smoke.PAYMENT, **wish, "status": "paid", "detail": "says why"}
        return self.lie(method, path, {"status": "pass", "detail": "says why"} if path.endswith("/health") else said)

    def __enter__(self):
        api = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                api.asked.append(
                    SimpleNamespace(
                        method=self.command, path=self.path, headers=headers, body=body and json.loads(body)
                    )
                )
                statuses = api.answers[self.command, self.path]
                status = statuses.pop(0) if len(statuses) > 1 else statuses[0]
                known = headers.get("idempotency-key") in api.paid
                said = api.said(self.command, self.path, json.loads(body or "{}"))
                if status == 201:
                    api.paid.add(headers["idempotency-key"])
                self.send_response(status)
                self.send_header("Served-By", "us-east-2 (secondary)")
                if known:
                    self.send_header("Idempotent-Replayed", "true")
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(json.dumps(said).encode())

            do_GET = do_POST = answer  # noqa: N815  the names that the server calls

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.server_port}"


class Cloud:
    """Lambda and API Gateway as far as a way back needs them."""

    def __init__(self, version="7", deployment="new"):
        self.version, self.deployment = version, deployment

    def client(self, _service, _region):
        return self

    def secret(self, arn, region):
        assert arn in ARNS.values()
        assert region in {ENVIRONMENT.region("primary"), SECONDARY}
        return json.dumps(KEYS)

    def get_alias(self, FunctionName, Name):  # noqa: N803
        assert (FunctionName, Name) == ("payment", "live")
        return {"FunctionVersion": self.version}

    def update_alias(self, FunctionName, Name, FunctionVersion):  # noqa: N803
        assert (FunctionName, Name) == ("payment", "live")
        self.version = FunctionVersion

    def get_stage(self, restApiId, stageName):  # noqa: N803
        assert (restApiId, stageName) == ("api", "v1")
        return {"deploymentId": self.deployment}

    exceptions = SimpleNamespace(NotFoundException=KeyError)
    deployments = ("old", "new", "older")

    def get_deployment(self, restApiId, deploymentId):  # noqa: N803
        assert restApiId == "api"
        if deploymentId not in self.deployments:
            raise KeyError(deploymentId)

    def update_stage(self, restApiId, stageName, patchOperations):  # noqa: N803
        assert (restApiId, stageName) == ("api", "v1")
        self.deployment = patchOperations[0]["value"]


def stack(outputs, *resources):
    return Checkpoint([{"type": "pulumi:pulumi:Stack", "outputs": outputs}, *resources])


def target(api, *, released=()):
    states = {
        COMPUTE: stack({"rest_api": {"endpoint": f"https://abc.execute-api.{SECONDARY}.amazonaws.com/v1"}}, *released),
        DATA: stack({"api_keys_secret_arns": ARNS}),
        EDGE: stack({"region_names": {"primary": "use1.example", "secondary": "use2.example"}}),
    }
    gateways = dict.fromkeys((ENVIRONMENT.region("primary"), SECONDARY), api.url)
    tags = {}
    backend = SimpleNamespace(
        checkpoint=states.get,
        tags=lambda _: tags,
        tag=lambda _, name, value: tags.update({name: value}),
        newest_update=lambda _: by_hand("update"),
    )
    return SimpleNamespace(backend=backend, gateways=gateways, where="the sandbox", cli=SimpleNamespace(variables={}))


def by_hand(kind):
    return Update(kind, "Title of a commit", succeeded=True)


def by_us():
    return Update("update", '{"update": "x"}', succeeded=True)


RELEASED = (
    {"type": ALIAS, "outputs": {"functionName": "payment", "name": "live", "functionVersion": "6"}},
    {"type": STAGE, "outputs": {"restApi": "api", "stageName": "v1", "deployment": "old"}},
)


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(smoke, "PAUSE", 0)


def smoke_test(api, cloud=None, released=()):
    test = smoke.SmokeTest(target(api, released=released), ENVIRONMENT)
    test._aws = cloud or Cloud()
    return test


def test_only_the_secondarys_compute_is_tested():
    with Api(OK) as api:
        covered = [s for s in (COMPUTE, DATA, Stack("compute", "payments", "primary")) if smoke_test(api).covers(s)]
    assert covered == [COMPUTE]


def test_before_the_first_release_nothing_serves_and_aws_is_not_asked():
    with Api(OK) as api:
        assert smoke_test(api, cloud=SimpleNamespace()).before(COMPUTE, verified=False) == Serving({}, {})


def test_a_release_that_answers_passes_by_its_own_name_and_as_the_canary():
    with Api(OK) as api:
        assert smoke_test(api).after(COMPUTE, Serving({}, {})) == "smoke test passed"
    payment = next(asked for asked in api.asked if asked.method == "POST")
    assert sorted(asked.path for asked in api.asked) == ["/v1/health", *["/v1/payment"] * 2, "/v1/payment/p-1"]
    assert {asked.headers["host"] for asked in api.asked} == {f"abc.execute-api.{SECONDARY}.amazonaws.com"}
    assert payment.headers["x-api-key"] == "canary-key"
    assert payment.headers["idempotency-key"].startswith("smoke-")


def test_a_cold_start_is_not_a_broken_release():
    with Api({**OK, ("GET", "/v1/health"): [504, 504, 200]}) as api:
        assert smoke_test(api).after(COMPUTE, Serving({}, {})) == "smoke test passed"


@pytest.mark.parametrize("route", [("GET", "/v1/health"), ("POST", "/v1/payment")])
def test_a_broken_release_goes_back_to_what_served(route):
    cloud = Cloud()
    with Api({**OK, route: [503]}) as api:
        test = smoke_test(api, cloud, RELEASED)
        before = test.before(COMPUTE, verified=True)
        with pytest.raises(Problem) as problem:
            test.after(COMPUTE, before)
    method, path = route
    asked = f"{method} {path.removeprefix('/v1')} answered 503 says why, not"
    assert str(problem.value).startswith(f"smoke test: {asked}")
    assert str(problem.value).endswith(f"; {SECONDARY} serves the release before again")
    assert (cloud.version, cloud.deployment) == ("6", "old")
    assert len([one for one in api.asked if one.path == path]) == smoke.ATTEMPTS


@pytest.mark.parametrize("missing", ["rest_api", "api_keys_secret_arns"])
def test_a_stack_that_publishes_less_is_one_line(missing):
    """Its program ended early, under a language host that takes that for complete."""
    with Api(OK) as api:
        test = smoke_test(api)
        whole = test._target.backend.checkpoint
        less = {stack: {k: v for k, v in whole(stack).outputs.items() if k != missing} for stack in (COMPUTE, DATA)}
        test._target.backend.checkpoint = lambda stack: SimpleNamespace(
            outputs={"other": 1, **less[stack]}, resources=()
        )
        with pytest.raises(Problem, match=rf"^smoke test: \S+ does not publish {missing}: run ") as caught:
            test.after(COMPUTE, Serving({}, {}))
    assert "\n" not in str(caught.value)


def on_aws(api):
    """A target without gateways is AWS: its names lead to the API by themselves."""
    there = target(api)
    there.gateways = {}
    return there


@pytest.mark.parametrize("status", [403, 404])
@pytest.mark.parametrize("route", [("GET", "/v1/health"), ("POST", "/v1/payment")])
def test_on_aws_a_new_stage_may_not_be_there_at_once(monkeypatch, status, route):
    with Api({**OK, route: [*[status] * 25, {"GET": 200, "POST": 201}[route[0]]]}) as api:
        monkeypatch.setattr(smoke, "entry", lambda _gateways, _region, host, path: EntryPoint(api.url + path, host))
        test = smoke.SmokeTest(on_aws(api), ENVIRONMENT)
        test._aws = Cloud()
        assert test.after(COMPUTE, Serving({}, {})) == "smoke test passed"


def test_on_aws_a_stage_that_never_comes_is_a_failure_after_its_minute(monkeypatch):
    monkeypatch.setattr(smoke, "NEW_STAGE_SECONDS", 0.2)
    with Api({**OK, ("GET", "/v1/health"): [403]}) as api:
        monkeypatch.setattr(smoke, "entry", lambda _gateways, _region, host, path: EntryPoint(api.url + path, host))
        test = smoke.SmokeTest(on_aws(api), ENVIRONMENT)
        test._aws = Cloud()
        with pytest.raises(Problem, match="GET /health answered 403"):
            test.after(COMPUTE, Serving({}, {}))
    assert len([one for one in api.asked if one.path == "/v1/health"]) > 1


def test_on_aws_a_stage_that_served_before_is_there_or_broken(monkeypatch):
    with Api({**OK, ("GET", "/v1/health"): [403, 200]}) as api:
        monkeypatch.setattr(smoke, "entry", lambda _gateways, _region, host, path: EntryPoint(api.url + path, host))
        test = smoke.SmokeTest(on_aws(api), ENVIRONMENT)
        test._aws = Cloud(version="6", deployment="old")
        with pytest.raises(Problem, match="GET /health answered 403"):
            test.after(COMPUTE, Serving({("payment", "live"): "6"}, {("api", "v1"): "old"}))


def test_a_refusal_is_not_asked_again():
    with Api({**OK, ("POST", "/v1/payment"): [401]}) as api, pytest.raises(Problem, match="first release, so nothing"):
        smoke_test(api).after(COMPUTE, Serving({}, {}))
    assert len(api.asked) == 2


def wrong(method, path, change):
    """Answers of one route, changed."""
    return lambda m, p, said: {**said, **change} if (m, p) == (method, f"/v1{path}") else said


@pytest.mark.parametrize(
    ("lie", "words"),
    [
        (wrong("GET", "/health", {"status": "fine"}), "GET /health answered 200 with status 'fine', not 'pass'"),
        (wrong("POST", "/payment", {"amount": 2}), "POST /payment answered 201 with amount 2, not 1"),
        (wrong("POST", "/payment", {"status": "pending"}), "with status 'pending', not 'paid'"),
        (
            wrong("GET", "/payment/p-1", {"paymentId": "p-2"}),
            "GET /payment answered 200 with paymentId 'p-2', not 'p-1'",
        ),
        (lambda *_: "no JSON object", "with status None, not"),
    ],
)
def test_a_release_that_answers_well_and_says_something_else_goes_back(lie, words):
    cloud = Cloud()
    with Api(OK, lie) as api:
        test = smoke_test(api, cloud, RELEASED)
        with pytest.raises(Problem) as problem:
            test.after(COMPUTE, test.before(COMPUTE, verified=True))
    assert words in str(problem.value)
    assert (cloud.version, cloud.deployment) == ("6", "old")


def test_a_repetition_that_is_paid_anew_is_a_broken_release():
    with Api(OK) as api:
        api.paid = type("Forgets", (set,), {"add": lambda *_: None})()
        with pytest.raises(Problem, match="POST /payment again was not answered as a repetition"):
            smoke_test(api, Cloud()).after(COMPUTE, Serving({}, {}))


def test_routes_whose_deployment_is_gone_stay_and_the_functions_go_back():
    cloud = Cloud()
    cloud.deployments = ("new",)
    with Api({**OK, ("GET", "/v1/health"): [503]}) as api:
        test = smoke_test(api, cloud, RELEASED)
        with pytest.raises(Problem, match=r"serves the release before again with the newer routes of stage v1, as"):
            test.after(COMPUTE, test.before(COMPUTE, verified=True))
    assert (cloud.version, cloud.deployment) == ("6", "new")


COMPLETE = Serving({("payment", "live"): "4"}, {("api", "v1"): "older"})
IN_STATE = Serving({("payment", "live"): "6"}, {("api", "v1"): "old"})


@pytest.mark.parametrize(
    ("newest", "verified"),
    [
        (by_us(), False),
        (by_us(), True),
        (Update("refresh", '{"update": "x"}', succeeded=True), False),
        (by_hand("refresh"), False),
    ],
    ids=["it failed", "it was killed", "it was killed and settled", "it was killed and refreshed by hand"],
)
def test_an_update_of_ours_that_did_not_end_is_taken_back_to_the_last_complete_release(newest, verified):
    """Not to what serves: that may be the very release that nobody has checked, however it was left half done.

    An engine that is killed writes no history, so the newest entry is of the update before, or of what settled it.
    """
    with Api({**OK, ("GET", "/v1/health"): [503]}) as api:
        test = smoke_test(api, cloud := Cloud(version="6", deployment="old"), RELEASED)
        backend = test._target.backend
        Releases(Release("a", COMPLETE, 0)).write(backend, COMPUTE)
        backend.newest_update = lambda _: newest
        before = test.before(COMPUTE, verified=verified)
        with pytest.raises(Problem, match="serves the release before again"):
            test.after(COMPUTE, before)
    assert (before, cloud.version, cloud.deployment) == (COMPLETE, "4", "older")
    assert Releases.read(backend, COMPUTE).serving == Release("a", COMPLETE, 0)


def test_what_serves_is_what_the_state_says_where_that_is_the_last_complete_release():
    with Api(OK) as api:
        test = smoke_test(api, Cloud(version="7"), RELEASED)
        Releases(Release("a", IN_STATE, 0)).write(test._target.backend, COMPUTE)
        test._target.backend.newest_update = lambda _: by_us()
        assert test.before(COMPUTE, verified=True) == IN_STATE


def test_what_was_put_back_is_on_record():
    known = Releases(
        Release("a", Serving({("payment", "live"): "6"}, {("api", "v1"): "old"}), 1), Release("z", Serving({}, {}), 0)
    )
    with Api({**OK, ("GET", "/v1/health"): [503]}) as api:
        test = smoke_test(api, Cloud(), RELEASED)
        backend = test._target.backend
        known.write(backend, COMPUTE)
        with pytest.raises(Problem):
            test.after(COMPUTE, test.before(COMPUTE, verified=True))
    assert Releases.read(backend, COMPUTE) == Releases(known.serving, None)
    assert TAG in backend.tags(COMPUTE)


def test_after_a_release_that_was_taken_back_the_cloud_says_what_serves():
    with Api(OK) as api:
        serving = smoke_test(api, Cloud(version="5", deployment="older"), RELEASED).before(COMPUTE, verified=False)
    assert serving == Serving({("payment", "live"): "5"}, {("api", "v1"): "older"})


NO_AMOUNTS = [
    "",
    " ",
    "much",
    "1_000",
    "\u0661\u0660\u0660",
    "1,5",
    "+1",
    "01",
    ".5",
    "5.",
    "0x10",
    "NaN",
    "Infinity",
    "-inf",
]
NO_AMOUNTS += ["1e400", "1e-400", "1e99999999", "12345678901234567.89", "0.12345678901234567890", "9" * 5000, "1 000"]
NO_AMOUNTS += ["1\n", "\uff11", "--json", "\udcff"]


class TestPay:
    @pytest.fixture(autouse=True)
    def cloud(self, monkeypatch):
        monkeypatch.setattr(pay, "Aws", lambda _: Cloud())

    def pay(self, api, key=None, role=None, amount="100"):
        wish = pay.wish(amount, "USD", "test-123")
        return pay.pay(target(api), ENVIRONMENT, wish, pay.idempotency_key(key), pay.chosen(role))

    @pytest.mark.parametrize(("role", "host"), [(None, "use1"), ("primary", "use1"), ("secondary", "use2")])
    def test_a_payment_goes_to_the_regions_own_name_as_the_storefront(self, role, host):
        with Api(OK) as api:
            receipt = self.pay(api, role=role)
        (asked,) = api.asked
        assert asked.headers["host"] == f"{host}.example"
        assert asked.headers["x-api-key"] == "storefront-key"
        assert asked.body == {"amount": 100, "currency": "USD", "customerId": "test-123"}
        assert receipt.paid
        assert receipt.served_by == "us-east-2 (secondary)"
        assert asked.headers["idempotency-key"] == receipt.key

    def test_a_key_is_sent_as_given(self):
        with Api(OK) as api:
            assert self.pay(api, key="k1").key == "k1"
        assert api.asked[0].headers["idempotency-key"] == "k1"

    @pytest.mark.parametrize(("times", "status"), [(2, 201), (9, 503)])
    def test_a_region_that_is_starting_up_is_asked_again_with_the_same_key_for_a_while(
        self, monkeypatch, times, status
    ):
        monkeypatch.setattr("orchestration.pay.time.sleep", lambda seconds: None)
        types = iter([*[pay.LATE] * times, "about:blank"])
        answers = {("POST", "/payment"): [*[503] * times, 201]}
        with Api(answers, lie=lambda _method, _path, said: {**said, "type": next(types)}) as api:
            assert self.pay(api, key="k1").answer.status == status
        assert [each.headers["idempotency-key"] for each in api.asked] == ["k1"] * min(times + 1, pay.STARTS)

    @pytest.mark.parametrize(("amount", "sent"), [("12.5", 12.5), ("7", 7), ("-5", -5), ("1E2", 100), ("0.10", 0.1)])
    def test_the_api_judges_the_amount(self, amount, sent):
        with Api(OK) as api:
            self.pay(api, amount=amount)
        assert api.asked[0].body["amount"] == sent

    @pytest.mark.parametrize("amount", NO_AMOUNTS)
    def test_what_is_no_amount_is_refused_and_never_rounded(self, amount):
        with pytest.raises(Problem, match=r"^--amount [^\n]*$"):
            pay.wish(amount, "USD", "c")

    @given(st.decimals(allow_nan=False, allow_infinity=False))
    def test_what_is_sent_is_what_was_typed(self, amount):
        try:
            sent = pay.wish(f"{amount}", "USD", "c")["amount"]
        except Problem:
            return
        assert json.loads(json.dumps(sent), parse_int=Decimal, parse_float=Decimal) == amount

    @pytest.mark.parametrize(
        "key", ["", " ", "a\nb", "a\r\nx-api-key: b", "\xe9", "key ", "\tk", "a\0b", "\u0661", "\udcff"]
    )
    def test_what_is_no_header_is_refused(self, key):
        with pytest.raises(Problem, match=r"^--key [^\n]*$"):
            pay.idempotency_key(key)

    @given(st.text())
    @settings(deadline=None)
    def test_a_key_is_sent_unchanged_or_refused(self, key):
        try:
            assert pay.idempotency_key(key) == key
        except Problem:
            assert not (key.isascii() and key.isalnum())
            return
        with Api(OK) as api:
            self.pay(api, key=key)
        assert api.asked[0].headers["idempotency-key"] == key

    def test_a_refusal_is_an_answer(self):
        with Api({("POST", "/payment"): [402]}) as api:
            receipt = self.pay(api)
        assert not receipt.paid
        assert receipt.to_json()["status"] == 402

    def test_an_unknown_region_is_one_line(self):
        with Api(OK) as api, pytest.raises(Problem, match="unknown region 'east': choose primary or secondary"):
            self.pay(api, role="east")

    def test_without_a_deployment_it_says_what_to_run(self, monkeypatch):
        nothing = SimpleNamespace(backend=SimpleNamespace(checkpoint=lambda _: None), where="the sandbox")
        with pytest.raises(Problem, match="edge/payments is not deployed in the sandbox"):
            pay.pay(nothing, ENVIRONMENT, {}, "key")


@pytest.mark.parametrize(
    "secret",
    ["no JSON", "{}", "[" * 100_000, '{"clients": {"storefront": {"current": "key"}}}'],
    ids=range(4),
)
def test_a_client_without_a_key_is_one_line(secret):
    with pytest.raises(Problem, match=r"^the secret with the API keys has none for client canary$"):
        merchant("canary", EntryPoint("http://127.0.0.1:1"), secret)


@pytest.mark.parametrize("key", ["abc\n", "é–", "ü", "a\rb", "", " a", "a\0", None, 1, ["a"]])
def test_a_key_that_no_header_can_carry_is_one_line_that_does_not_tell_it(key):
    secret = json.dumps({"clients": {"canary": {"current": key}}})
    with pytest.raises(
        Problem, match=r"^the key of client canary .*: \./invoke rotate-key --client canary .*$"
    ) as raised:
        merchant("canary", EntryPoint("http://127.0.0.1:1"), secret)
    assert not isinstance(key, str) or not key or repr(key) not in str(raised.value)


@pytest.mark.parametrize("value", ["abc\n", "é–", "a\rb"])
def test_a_header_that_cannot_be_sent_is_one_line_that_does_not_tell_it(value):
    with (
        Api(OK) as api,
        pytest.raises(Problem, match=r"^POST [^\n]*/payment cannot be sent: [^\n]*X-Own[^\n]*$") as raised,
    ):
        EntryPoint(api.url).ask("POST", "/payment", {}, {"X-Own": value, "X-Other": "a"})
    assert value not in str(raised.value)


@pytest.mark.parametrize("path", ["/payment/ä", "/a b", "/\n"])
def test_a_path_that_cannot_be_sent_is_one_line(path):
    with Api(OK) as api, pytest.raises(Problem, match=r"^[^\n]*$"):
        EntryPoint(api.url).ask("GET", path)


def test_no_answer_names_the_address():
    with pytest.raises(Problem, match=r"no answer from http://127\.0\.0\.1:1 \(for x\): .*refused"):
        EntryPoint("http://127.0.0.1:1", "x").ask("GET", "/health")


class Proxy(threading.Thread):
    """Notes what it is asked, and refuses it."""

    def __init__(self):
        super().__init__(daemon=True)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://user:p%40ss@127.0.0.1:{self._listener.getsockname()[1]}"
        self.asked = ""
        self.start()

    def run(self):
        connection, _ = self._listener.accept()
        with connection:
            self.asked = connection.recv(4096).decode()
            connection.sendall(b"HTTP/1.1 403 Forbidden\r\n\r\n")


@pytest.mark.parametrize("name", ["https_proxy", "HTTPS_PROXY"])
def test_aws_is_asked_through_the_users_proxy(monkeypatch, name):
    for known in ("https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(known, raising=False)
    proxy = Proxy()
    monkeypatch.setenv(name, proxy.url)
    with pytest.raises(Problem, match=r"^no answer from https://api\.example\.com: [^\n]*403"):
        EntryPoint("https://api.example.com").ask("GET", "/health")
    assert proxy.asked.startswith("CONNECT api.example.com:443 ")
    assert "Proxy-Authorization: Basic dXNlcjpwQHNz" in proxy.asked


def test_no_proxy_is_asked_where_the_user_says_so_or_in_the_sandbox(monkeypatch):
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with pytest.raises(Problem, match=r"no answer from https://127\.0\.0\.1:1: .*refused"):
        EntryPoint("https://127.0.0.1:1").ask("GET", "/health")
    with Api({("GET", "/health"): [200]}) as api:
        assert EntryPoint(api.url).ask("GET", "/health").status == 200
