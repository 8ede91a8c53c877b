from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from dataspace.moment import written

ZONES = st.timedeltas(timedelta(hours=-23), timedelta(hours=23)).map(timezone)
FIRST = datetime(1, 1, 2, tzinfo=UTC)
MOMENTS = st.builds(
    lambda since, zone: (FIRST + since).astimezone(zone),
    st.timedeltas(timedelta(), timedelta(days=3_650_000)),
    ZONES,
)


def test_a_moment_is_written_in_utc_to_the_microsecond() -> None:
    noon = datetime.fromisoformat("2026-03-01T12:00:00+08:00")
    assert written(noon) == "2026-03-01T04:00:00.000000Z"


@given(MOMENTS, MOMENTS)
def test_what_is_written_has_the_order_of_the_moments_and_is_read_back(
    one: datetime, other: datetime
) -> None:
    assert (written(one) < written(other)) == (one < other)
    assert datetime.fromisoformat(written(one)) == one
