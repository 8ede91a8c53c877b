"""A sealed dataset in the catalogue, and its report as everybody reads it."""

from pathlib import Path

from litestar.testing import TestClient

from dataspace import web
from tests.keyservice.scene import scene
from tests.simulator import people
from tests.web.words import PAGE, bearer


def test_a_sealed_dataset_is_listed_and_its_report_can_be_read(tmp_path: Path) -> None:
    with scene(tmp_path) as stage:
        provider, space = stage.space.provider(), stage.space
        found = stage.registered(provider, stage.sealed(people(60)).container.read_bytes())
        with TestClient(web.create(space.service)) as client:
            headers = bearer(space, provider)
            report = client.get(f"/api/datasets/{found.dataset}/report", headers=headers).json()["report"]
            assert report["sealed"]["keyservice"] == stage.ours.identity.public.id
            assert report["forms"] == ["sealed"]
            assert client.get(f"/api/catalog/{found.dataset}", headers=headers).json()["hasPolicy"]
            for path in (f"/catalog/{found.dataset}", f"/portal/datasets/{found.dataset}/report"):
                page = client.get(path, headers={**headers, **PAGE})
                assert page.status_code == 200, (path, page.text[:300])
                assert "district 0" not in page.text
        space.audit()
