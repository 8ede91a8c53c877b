"""What noise a query asks for, as it crosses HTTP."""

from typing import Annotated, Any

import msgspec

from dataspace.privacy.noise import Mechanism
from dataspace.web.schemas import Epsilon, In


class NoiseBody(In):
    """The noise of an aggregate: each number gets some, and the answer costs epsilon (`privacy.noised`)."""

    epsilon: Epsilon
    max_rows: Annotated[
        int, msgspec.Meta(description="the most rows of one subject that count", examples=[1])
    ] = 1
    bounds: Annotated[
        dict[str, tuple[int, int]],
        msgspec.Meta(
            description="low and high of each column that is summed: values outside count as these",
            examples=[{"income": [0, 200_000]}],
        ),
    ] = msgspec.field(default_factory=dict)
    mechanism: Annotated[
        Mechanism, msgspec.Meta(description="the distribution of the noise", examples=["laplace"])
    ] = Mechanism.LAPLACE

    def asked(self) -> dict[str, Any]:
        """Return it as the journey takes it."""
        bounds = {name: list(bound) for name, bound in self.bounds.items()}
        return {**msgspec.structs.asdict(self), "bounds": bounds}
