"""The Python SDK of providers, consumers and auditors; keys never leave it.

    with DataSpace(url, token) as space:
        offer = space.catalog()["dataset"][0]["hasPolicy"][0]["@id"]
        agreement = space.negotiate(offer, "statistics")
        answer = space.query(agreement["id"], "SELECT district, COUNT(*) FROM data GROUP BY district")
        answer.rows, answer.units, answer.receipt()
        receipts = space.acknowledge([answer])

What the service refuses is raised as the same error of `dataspace.errors`.
"""

from dataspace.client.answer import Answer
from dataspace.client.joining import joint, prepare_joint
from dataspace.client.layout import Layout
from dataspace.client.space import DataSpace

__all__ = ["Answer", "DataSpace", "Layout", "joint", "prepare_joint"]
