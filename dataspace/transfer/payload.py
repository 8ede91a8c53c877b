"""What an engine is given and gives: where a dataset version lies, and the bytes of an answer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Payload:
    """Where a dataset version lies, and what opens it; `context` is what the payload was sealed with."""

    dataset: str
    version: int
    path: str
    key: bytes = field(repr=False)
    context: bytes = field(repr=False)


@dataclass(frozen=True)
class Sealed:
    """Where an agreement's prepared columns lie, and what opens them."""

    path: str
    key: bytes = field(repr=False)
    context: bytes = field(repr=False)


@dataclass(frozen=True)
class Result:
    """The bytes of an answer, of a media type of `dataspace.wire`, and what they stand for.

    `facts` are what the policy reads: `rows` of the answer; `smallest_group`,
    the subjects of the smallest group shown (0: none is; rows are no group);
    `complement`, the subjects of the rows that the condition leaves (0: none).
    Of these two it is told no more than that they are enough: they stop at the
    minimum that was asked for.
    Where a release is enforced, `withheld` among them are the rows of the
    dataset, whatever the query, that leave not at all.
    `withheld`: the content is empty, for the condition takes or leaves some
    subjects but too few. `counted`: "subjects", or "rows" where the dataset
    declares no subject, so that each row counts as one. `judged`: the verdict
    of the history that was asked for, and what is to be stored of the answer.
    """

    content: bytes = field(repr=False)
    media_type: str
    facts: Mapping[str, int]
    suppressed: bool = False
    withheld: bool = False
    counted: str = "subjects"
    judged: Mapping[str, Any] = field(default_factory=dict, repr=False)
