"""The same system with eventual consistency: it goes on on both sides of a partition, and one side's books are lost."""

from __future__ import annotations

import uuid
from collections import Counter

import pytest

from sandbox.layout import Layout
from sandbox.processor.ledger import read

FILE = "environments/payments.yaml"
ONE_PROCESSOR = "processor.example.com"


@pytest.mark.prove
def test_both_sides_of_a_partition_pay_and_one_forgets_it(checkout):
    """One processor for both regions, as such an environment must have, keeps the money right."""

    def pay(role, key):
        return checkout.ok("pay", "--key", key, "--region", role, "--json").json

    with (
        checkout.edited(FILE, "consistency: strong", "consistency: eventual"),
        checkout.edited(FILE, f"us-east-1.{ONE_PROCESSOR}", ONE_PROCESSOR),
        checkout.edited(FILE, f"us-east-2.{ONE_PROCESSOR}", ONE_PROCESSOR),
    ):
        checkout.ok("deploy-all")
        pay("primary", "before")
        assert pay("secondary", "before")["replayed"]

        key = uuid.uuid4().hex
        checkout.ok("fault", "--region", "primary", "--kind", "partition")
        paid = [pay(role, key) for role in ("primary", "secondary")]
        assert [(each["status"], each["replayed"]) for each in paid] == [(201, False)] * 2
        assert "acknowledged writes were lost to later ones" in checkout.ok("heal").out

        (id_,) = {each["answer"]["paymentId"] for each in paid}
        lines = read(Layout(checkout.root).processor_ledger)
        assert Counter(line["what"] for line in lines if line["key"] == id_)["approved"] == 1
        again = [pay(role, key) for role in ("primary", "secondary")]
        assert [each["replayed"] for each in again] == [True, True]
        assert again[0]["answer"] == again[1]["answer"]
