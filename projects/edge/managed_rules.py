"""AWS's managed rule groups that make sense before an API that takes JSON, and what each of their rules is called.

The names are those of the groups' pages in the AWS WAF Developer Guide, "Baseline rule groups" and "IP reputation rule
groups". A name that a group does not have is no error to AWS WAF, and a rule that is not named here has the group's own
action. Not AnonymousIpList: it refuses addresses of clouds, from which canaries and most merchants ask.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class RuleGroup:
    """A group of AWS's. `capacity` in units, of which a web ACL has 1500 before it costs more."""

    purpose: str
    name: str
    capacity: int
    blocking: Sequence[str]
    counting: Sequence[str] = ()
    """Rules that never block here."""


def _parts(rule: str, *parts: str) -> Sequence[str]:
    return [f"{rule}_{part}" for part in parts]


GROUPS = (
    RuleGroup(
        "ill-repute",
        "AWSManagedRulesAmazonIpReputationList",
        25,
        ("AWSManagedIPReputationList", "AWSManagedReconnaissanceList"),
        # AWS counts it too: addresses that take part in attacks, merchants' among them.
        ("AWSManagedIPDDoSList",),
    ),
    RuleGroup(
        "common",
        "AWSManagedRulesCommonRuleSet",
        700,
        (
            "UserAgent_BadBots_HEADER",
            *_parts("SizeRestrictions", "QUERYSTRING", "Cookie_HEADER", "URIPATH"),
            *_parts("EC2MetaDataSSRF", "BODY", "COOKIE", "URIPATH", "QUERYARGUMENTS"),
            *_parts("GenericLFI", "QUERYARGUMENTS", "URIPATH", "BODY"),
            *_parts("RestrictedExtensions", "URIPATH", "QUERYARGUMENTS"),
            *_parts("GenericRFI", "QUERYARGUMENTS", "BODY", "URIPATH"),
            *_parts("CrossSiteScripting", "COOKIE", "QUERYARGUMENTS", "BODY", "URIPATH"),
        ),
        # A body of 8 to 16 KB is for the function to judge, and what is larger is a 413. Programs need not say who
        # they are.
        ("SizeRestrictions_BODY", "NoUserAgent_HEADER"),
    ),
    RuleGroup(
        "bad-inputs",
        "AWSManagedRulesKnownBadInputsRuleSet",
        200,
        (
            *_parts("JavaDeserializationRCE", "HEADER", "BODY", "URIPATH", "QUERYSTRING"),
            "Host_localhost_HEADER",
            "PROPFIND_METHOD",
            "ExploitablePaths_URIPATH",
            *_parts("Log4JRCE", "HEADER", "QUERYSTRING", "BODY", "URIPATH"),
            "ReactJSRCE_BODY",
        ),
    ),
)
"""In their order: the cheapest first."""
