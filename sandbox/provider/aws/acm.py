"""ACM: certificates that are validated by DNS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.provider.resource import Resource, tag_list
from sandbox.provider.schema import Set, Text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

GONE = ("ResourceNotFoundException",)
VALIDATION_TIMEOUT = 300  # seconds


class Certificate(Resource):
    """A public certificate."""

    resource_type = "aws:acm/certificate:Certificate"
    service = "acm"
    taggable = True
    gone = GONE
    properties = {
        "domainName": Text(required=True, replaces=True),
        "subjectAlternativeNames": Set(replaces=True),
        "validationMethod": Text(required=True, replaces=True, choices=("DNS",)),
        "keyAlgorithm": Text(default="RSA_2048", replaces=True),
    }
    outputs = ("arn", "domainValidationOptions", "status", "type")

    def create(self) -> str:
        told = self.arguments(
            "request_certificate", "domainName", "subjectAlternativeNames", "validationMethod", "keyAlgorithm"
        )
        arn = str(self.call("request_certificate", **told, Tags=self.tag_list)["CertificateArn"])
        # ACM makes up the records that prove the ownership some seconds later.
        self.until(lambda: all("ResourceRecord" in each for each in self._options(arn)), "the certificate's records")
        return arn

    def _options(self, arn: str) -> list[dict[str, Any]]:
        answer = self.call("describe_certificate", CertificateArn=arn)
        return answer["Certificate"].get("DomainValidationOptions") or [{}]

    def read(self) -> Mapping[str, Any]:
        found = self.call("describe_certificate", CertificateArn=self.id)["Certificate"]
        options = found["DomainValidationOptions"]
        declared = self["subjectAlternativeNames"] or []
        names = [name for name in found["SubjectAlternativeNames"] if name != found["DomainName"] or name in declared]
        return self.observed(
            found,
            arn=self.id,
            subjectAlternativeNames=names,
            validationMethod=options[0]["ValidationMethod"],
            domainValidationOptions=[
                {
                    "domainName": each["DomainName"],
                    "resourceRecordName": each["ResourceRecord"]["Name"],
                    "resourceRecordType": each["ResourceRecord"]["Type"],
                    "resourceRecordValue": each["ResourceRecord"]["Value"],
                }
                for each in options
            ],
            tagsAll=self.tags_there(lambda: self.call("list_tags_for_certificate", CertificateArn=self.id)["Tags"]),
        )

    def delete(self) -> None:
        self.call("delete_certificate", CertificateArn=self.id)

    def tag(self, tags: Mapping[str, str]) -> None:
        self.call("add_tags_to_certificate", CertificateArn=self.id, Tags=tag_list(tags))

    def untag(self, keys: Sequence[str]) -> None:
        self.call("remove_tags_from_certificate", CertificateArn=self.id, Tags=[{"Key": key} for key in keys])


class CertificateValidation(Resource):
    """The wait until a certificate is issued; nothing of its own in the cloud."""

    resource_type = "aws:acm/certificateValidation:CertificateValidation"
    service = "acm"
    gone = GONE
    properties = {
        "certificateArn": Text(required=True, replaces=True),
        "validationRecordFqdns": Set(
            replaces=True, carried="it only orders the program, and the cloud does not know it"
        ),
    }

    def create(self) -> str:
        self.until(self._issued, f"{self['certificateArn']} is issued", seconds=VALIDATION_TIMEOUT)
        return str(self["certificateArn"])

    def _issued(self) -> bool:
        return bool(self._status(self["certificateArn"]) == "ISSUED")

    def _status(self, arn: str) -> Any:
        return self.call("describe_certificate", CertificateArn=arn)["Certificate"]["Status"]

    def read(self) -> Mapping[str, Any] | None:
        return {"certificateArn": self.id} if self._status(self.id) == "ISSUED" else None

    def delete(self) -> None:
        """There is nothing to take back."""
