"""Many proofs from one reading: each is the one that is built alone, at every size of a log."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from dataspace.errors import NotFound
from dataspace.proof.checkpoint import Checkpoint
from dataspace.proof.key import Verifier
from dataspace.proof.merkle import leaf_hash, verify_inclusion
from dataspace.proof.receipt import InclusionProof, Receipt, decode_hashes
from dataspace.proof.record import Record
from dataspace.transfer.proofs import prove
from tests.ledger.conftest import Ledger


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    made = Ledger(f"sqlite:///{tmp_path}/space.db", tmp_path / "keys")
    yield made
    made.database.close()


@pytest.mark.parametrize("size", [2, 3, 5, 255, 256, 257, 258, 511, 512, 513, 770])
def test_each_proof_is_the_one_that_is_built_alone(ledger: Ledger, size: int) -> None:
    ledger.grow(size - 1)
    wanted = {index for index in (0, 1, 2, 254, 255, 256, 257, 511, 512, size - 1) if index < size}
    with ledger.database.reading() as session:
        checkpoint, proved = prove(session, wanted)
        alone = {index: ledger.log.receipt(session, index) for index in wanted}
    assert proved.keys() == wanted
    for index, one in proved.items():
        proof = InclusionProof(index, decode_hashes(one.hashes), checkpoint)
        record = Record.from_json({"record": one.fields(), "salts": one.salts})
        assert Receipt(record, proof).to_bytes() == alone[index].to_bytes()


def test_every_proof_of_a_log_of_three_tiles_leads_to_its_root(ledger: Ledger) -> None:
    ledger.grow(600)
    with ledger.database.reading() as session:
        checkpoint, proved = prove(session, range(ledger.size()))
    head = Checkpoint.open(checkpoint, Verifier.parse(ledger.log.vkey()))
    for index, one in proved.items():
        leaf = leaf_hash(Record.from_json({"record": one.fields(), "salts": one.salts}).entry())
        verify_inclusion(leaf, index, head.size, decode_hashes(one.hashes), root=head.root)


def test_what_is_erased_is_left_out(ledger: Ledger) -> None:
    ledger.grow(9)
    ledger.database.commit(lambda session: ledger.log.erase(session, 4, "a test"))
    with ledger.database.reading() as session:
        assert sorted(prove(session, range(3, 7))[1]) == [3, 5, 6]


def test_an_entry_beyond_the_log_is_not_found(ledger: Ledger) -> None:
    with ledger.database.reading() as session, pytest.raises(NotFound):
        prove(session, [0])
    ledger.grow(2)
    with ledger.database.reading() as session, pytest.raises(NotFound):
        prove(session, [1, 99])
