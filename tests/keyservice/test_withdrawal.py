"""A withdrawn dataset: the key service forgets it, for good."""

from collections.abc import Iterator

import pytest

from dataspace.errors import Refused
from tests.keyservice.local import decrypted
from tests.keyservice.scene import Scene, scene
from tests.simulator import people


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with scene(tmp_path_factory.mktemp("scene")) as found:
        yield found


def test_a_withdrawn_dataset_is_opened_no_more_and_cannot_be_kept_anew(stage: Scene) -> None:
    """A backup of the platform has the container still: the key service is what forgets."""
    agreed = stage.agreed(people(300))
    first, second = agreed.plan(agreed.groups(district_0=1)), agreed.plan(agreed.groups(district_1=1))
    results = agreed.computed(first), agreed.computed(second)
    agreed.open(first, results[0])
    manifest = agreed.manifest
    stage.space.service.registrar.withdraw(agreed.provider, agreed.registered.dataset)
    for plan, result in zip((first, second), results, strict=True):
        with pytest.raises(Refused, match="forgotten"):
            agreed.open(plan, result)
        # A key service that is not told opens it as before.
        assert decrypted(manifest, result)
    assert agreed.head.manifest not in b"".join(
        path.read_bytes() for path in stage.ours.folder.iterdir() if path.is_file()
    )


def test_a_withdrawal_does_not_wait_for_a_key_service_that_is_away(
    stage: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    agreed = stage.agreed(people(300))
    away = stage.space.service.sealed._keyservice
    url, away.url = away.url, "http://127.0.0.1:9"
    try:
        stage.space.service.registrar.withdraw(agreed.provider, agreed.registered.dataset)
    finally:
        away.url = url
    assert f"forget {agreed.head.id} by hand" in caplog.text
    assert stage.space.kinds()[-1] == "dataset.withdrawn"


def test_what_two_datasets_have_is_forgotten_with_the_last(stage: Scene) -> None:
    agreed = stage.agreed(people(300))
    again = stage.registered(agreed.provider, agreed.container)
    plan = agreed.plan(agreed.groups(district_0=1))
    stage.space.service.registrar.withdraw(agreed.provider, again.dataset)
    agreed.open(plan, agreed.computed(plan))
