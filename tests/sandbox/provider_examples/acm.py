from __future__ import annotations

from tests.sandbox.provider_engine import Engine
from tests.sandbox.provider_examples import Example, example


@example("aws:acm/certificate:Certificate")
def certificate(engine: Engine) -> Example:
    return Example(
        {
            "domainName": "primary.example.com",
            "subjectAlternativeNames": ["api.example.com"],
            "validationMethod": "DNS",
        },
        update={"tags": {"a": "b"}},
        replace={"domainName": "secondary.example.com", "subjectAlternativeNames": ["other.example.com"]},
    )


@example("aws:acm/certificateValidation:CertificateValidation")
def certificate_validation(engine: Engine) -> Example:
    certificate = engine.make("aws:acm/certificate:Certificate", domainName="a.example.com", validationMethod="DNS")
    return Example(
        {"certificateArn": certificate.arn, "validationRecordFqdns": ["_1.a.example.com"]},
        replace={"certificateArn": certificate.arn + "-other", "validationRecordFqdns": ["_2.a.example.com"]},
        outlives=True,
    )
