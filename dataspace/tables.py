"""Every stored table in one import: what the migrations compare the database with."""

from sqlmodel import SQLModel

from dataspace.catalog import models as catalog
from dataspace.ledger import models as ledger
from dataspace.negotiation import models as negotiation
from dataspace.participants import models as participants
from dataspace.policy import models as policy
from dataspace.transfer import models as transfer

FOLDERS = (participants, ledger, policy, catalog, negotiation, transfer)

metadata = SQLModel.metadata
