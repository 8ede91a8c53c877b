"""Every error this package raises on purpose, split by who must act.

    DataSpaceError
    ├── Unauthenticated       the caller: say who you are                           401
    ├── Refused               the caller: you lack the right                        403
    │   └── PolicyDenied      ... and the policy says why, in reason codes
    ├── NotFound              the caller: it is not there, or not yours to see      404
    ├── Conflict              the caller: the state forbids it                      409
    │   └── IllegalTransition ... by the table of the protocol
    ├── Malformed             the caller: the input is wrong                        400
    │   ├── TooSlow           ... slower than a connection is kept open for          408
    │   ├── TooLarge          ... larger than a limit that the message names        413
    │   ├── Unsupported       ... of a kind that is not taken here                  415
    │   ├── Unprocessable     ... well formed, and still not acceptable             422
    │   └── TooCostly         ... stopped at a limit of time or memory              422
    ├── TooMany               the caller: later                                     429
    ├── Unavailable           the operator: something the service needs is missing  503
    │   └── OutOfSpace        ... room on its disk                                  507
    └── VerificationError     nobody: the evidence is wrong

Messages are lower-case sentences that hold the value and the expectation, and
never a cell of a dataset. `facts` are what a program wants to read: line
numbers, reason codes, limits; they go into the problem document as they are.
"""

from typing import Any, ClassVar


class DataSpaceError(Exception):
    """The root of the tree; never raised itself."""

    code: ClassVar[str] = "error"

    def __init__(self, message: str, **facts: Any) -> None:
        super().__init__(message)
        self.facts = facts


class Unauthenticated(DataSpaceError):
    """No credential came with the request, or one that is not valid any more."""

    code = "unauthenticated"


class Refused(DataSpaceError):
    """The caller is known and lacks the right."""

    code = "refused"


class PolicyDenied(Refused):
    """The policy denied the act; `facts["reasons"]` lists its reason codes."""

    code = "policy-denied"


class NotFound(DataSpaceError):
    """There is no such thing, or it is another participant's: the two are told alike."""

    code = "not-found"


class Conflict(DataSpaceError):
    """The act contradicts the state it meets."""

    code = "conflict"


class IllegalTransition(Conflict):
    """A protocol message that its state table does not allow."""

    code = "illegal-transition"


class Malformed(DataSpaceError):
    """The input breaks its format; the one error of parsers of untrusted bytes."""

    code = "malformed"


class TooSlow(Malformed):
    """The input comes too slowly; what is there of it is not taken."""

    code = "too-slow"


class TooLarge(Malformed):
    """The input passes a limit of size."""

    code = "too-large"


class Unsupported(Malformed):
    """The input is of a kind that is not taken here."""

    code = "unsupported-format"


class Unprocessable(Malformed):
    """The input is well formed and cannot be accepted."""

    code = "unprocessable"


class TooCostly(Malformed):
    """The work was stopped at its limit of time or memory."""

    code = "too-costly"


class TooMany(DataSpaceError):
    """The caller asks too often or too much at once; later may work."""

    code = "too-many"


class Unavailable(DataSpaceError):
    """A part the service needs did not answer; nothing was done."""

    code = "unavailable"


class OutOfSpace(Unavailable):
    """The service's disk is full; nothing was done, and what only reads goes on."""

    code = "out-of-space"


class VerificationError(DataSpaceError):
    """Evidence does not hold: a wrong hash, signature, proof or format."""

    code = "verification-failed"
