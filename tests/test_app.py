"""What a start records: the policy that decides from then on, also when it is an old one again."""

import gzip
import shutil
from pathlib import Path

from dataspace.app import initialise, log_key, open_space
from dataspace.audit.audit import audit
from dataspace.audit.sources import Home
from dataspace.settings import Settings
from tests.simulator import PASSWORD

POLICIES = Path(__file__).parents[1] / "policies"


def _adopted(settings: Settings) -> list[str]:
    """Open the space once, and return the digests of the policies it has adopted."""
    with open_space(settings) as space, space.database.reading() as session:
        records = [record for _, record in space.log.records(session, 0, 1000)]
        return [one.fields["digest"] for one in records if one.fields["kind"] == "policy.adopted"]


def test_going_back_to_an_old_policy_is_an_entry_too(tmp_path: Path) -> None:
    packed_otherwise = tmp_path / "policies"
    shutil.copytree(POLICIES, packed_otherwise)
    bundle = packed_otherwise / "bundle.tar.gz"
    bundle.write_bytes(gzip.compress(gzip.decompress(bundle.read_bytes()), 1, mtime=0))
    first = Settings(home=tmp_path / "home")
    assert initialise(first, "operator", "operator", PASSWORD)
    second = Settings(home=first.home, policy=f"bundle:{packed_otherwise}")
    one = _adopted(first)
    assert len(one) == 1
    two = _adopted(second)
    assert (len(two), len(set(two))) == (2, 2)
    assert _adopted(first) == _adopted(first) == [*two, *one]
    assert audit(Home(first.home), log_key(first)).ok
