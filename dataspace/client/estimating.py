"""What a consumer can know before it asks: a query's cost, its expected error, how many more are left."""

from collections.abc import Mapping
from typing import Any

from dataspace.client.http import Http
from dataspace.client.providing import part
from dataspace.errors import Malformed


class Estimating:
    """Estimates; the service reads no data for them, and charges nothing."""

    _http: Http

    def estimate(
        self,
        agreement: str,
        sql: str,
        *,
        epsilon: int = 0,
        rows: int | None = None,
        points: int | None = None,
        **noise: Any,
    ) -> dict[str, Any]:
        """Return what an aggregate would cost, its expected error, and what is left; `words` say it.

        `epsilon` and `noise` as in `query`. Errors are compared with a group of
        `rows`, by default all of the dataset, or a tenth of it. With `points`,
        hundredths of a percent, `needed` is the epsilon that meets them: 500 is +-5 %.
        """
        body = {"sql": sql, "rows": rows, "points": points, **noised(epsilon, noise)}
        return dict(self._http.post(f"/api/agreements/{part(agreement)}/estimates", body))


def noised(epsilon: int, noise: Mapping[str, Any]) -> dict[str, Any]:
    """Return the member `noise` of a query; none where nothing is asked of it.

    Raises:
        Malformed: epsilon is no whole number of millionths, or bounds are no pairs by column.

    """
    if not noise and epsilon == 0:
        return {}
    bounds = noise.get("bounds", {})
    if not isinstance(bounds, Mapping):
        raise Malformed("want bounds by column, such as bounds={'income': (0, 200_000)}")
    pairs = {name: list(low_high(bound, name)) for name, bound in bounds.items()}
    return {"noise": {**noise, "epsilon": millionths(epsilon), **({"bounds": pairs} if pairs else {})}}


def millionths(epsilon: object, least: int = 1) -> int:
    """Return an epsilon that is one; Malformed otherwise, before anything is sent or charged."""
    if type(epsilon) is not int or epsilon < 1:
        raise Malformed(f"epsilon is {epsilon!r}: want a whole number of millionths, 500_000 for 0.5")
    if epsilon < least:
        raise Malformed(f"epsilon is {epsilon} millionths: want at least {least}, 500_000 for 0.5")
    return epsilon


def low_high(bound: Any, column: str) -> tuple[int, int]:
    """Return the bounds of a column that are a pair; Malformed otherwise."""
    match bound:
        case (low, high) if type(low) is type(high) is int:
            return low, high
    raise Malformed(f"the bounds of {column} are {bound!r}: want a pair of whole numbers, (low, high)")
