"""A published outage as a timeline of faults: what was in force from when to when, each line with its source.

    name: what happened, where and when
    begins: 2025-10-20T06:48:00Z
    source: https://…                 # of the whole
    faults:
      - {at: 0, until: 157, kind: name, part: dynamodb.us-east-1.amazonaws.com, says: …, source: https://…}

`at` and `until` are minutes from the beginning; without `until` a fault lasts to the end. What a fault is called,
and what may be said of it, is the stage's: it refuses what it does not know before anything begins.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from drill.records import PlannedFault, PlannedStep
from shared import environment_file
from shared.errors import Problem

MINUTE = 60
Source = Annotated[str, Field(pattern=r"^(https://\S+|assumed: \S.*)$")]
"""Where it is published; or `assumed: why`, for what the source leaves open."""
Minutes = Annotated[float, Field(ge=0, le=7 * 24 * 60)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TimedFault(_Strict):
    """One thing that was broken. `kind`, `part`, `how`, `probability` and `seconds` are the stage's words."""

    at: Minutes
    until: Minutes | None = None
    region: Literal["primary", "secondary", "witness"] = "primary"
    kind: Annotated[str, Field(min_length=1)]
    part: str = ""
    how: str = ""
    probability: Annotated[float, Field(gt=0, le=1)] | None = None
    seconds: Annotated[float, Field(gt=0)] | None = None
    says: Annotated[str, Field(min_length=1)]
    source: Source

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Self:
        if self.until is not None and self.until <= self.at:
            raise ValueError(f"until {self.until:g} is not after at {self.at:g}")
        return self


class Incident(_Strict):
    """A whole outage."""

    name: Annotated[str, Field(min_length=1)]
    begins: AwareDatetime
    source: Source
    faults: Annotated[tuple[TimedFault, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _begins_with_a_fault(self) -> Self:
        if min(each.at for each in self.faults) != 0:
            raise ValueError("no fault begins at 0: times are minutes from the first one")
        return self

    @staticmethod
    def load(path: Path) -> Incident:
        """Read and check a file. Raises Problem: one line with the file, the field and what is wrong."""
        try:
            return Incident.model_validate(environment_file.read(path))
        except ValidationError as error:
            first, *others = error.errors(include_url=False)
            where = ".".join(str(each) for each in first["loc"]) or "the file"
            more = f" (and {len(others)} more)" if others else ""
            raise Problem(f"{path}: {where}: {' '.join(first['msg'].split())}{more}") from None

    def steps(self) -> Iterator[tuple[float, Sequence[TimedFault]]]:
        """Moments at which something changes, in seconds from the beginning, with all that is in force from then on.

        In order. The last is empty when all faults end.
        """
        moments = {each.at for each in self.faults} | {each.until for each in self.faults if each.until is not None}
        for moment in sorted(moments):
            yield moment * MINUTE, self.in_force(moment)

    def planned(self, compression: float) -> list[PlannedStep]:
        """The steps as a drill plays them: in virtual seconds, shortened."""
        return [{"at": at / compression, "faults": [_planned(each) for each in faults]} for at, faults in self.steps()]

    @property
    def seconds(self) -> float:
        """From the first step to the last."""
        return max(at for at, _ in self.steps())

    def in_force(self, minutes: float) -> Sequence[TimedFault]:
        """What is broken so many minutes after the beginning, in the file's order."""
        return tuple(
            each for each in self.faults if each.at <= minutes and (each.until is None or minutes < each.until)
        )

    def moment(self, fault: TimedFault) -> datetime:
        """When it began, by the calendar."""
        return datetime.fromtimestamp(self.begins.timestamp() + fault.at * MINUTE, self.begins.tzinfo)


def _planned(fault: TimedFault) -> PlannedFault:
    return {
        "region": fault.region,
        "kind": fault.kind,
        "part": fault.part,
        "how": fault.how,
        "probability": fault.probability,
        "seconds": fault.seconds,
        "says": fault.says,
        "source": fault.source,
    }
