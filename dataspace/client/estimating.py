"""What a consumer can know before it asks: a query's cost, its expected error, how many more are left."""

from collections.abc import Mapping
from typing import Any

from dataspace.client.http import Http
from dataspace.client.providing import part


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
    """Return the member `noise` of a query; none where nothing is asked of it."""
    if not epsilon and not noise:
        return {}
    bounds = {name: list(bound) for name, bound in noise.get("bounds", {}).items()}
    return {"noise": {**noise, "epsilon": epsilon, **({"bounds": bounds} if bounds else {})}}
