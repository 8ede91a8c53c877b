"""The terms of an agreement: what is asked of an offer, and what the policy is told of it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from dataspace.catalog.models import Form, Offer
from dataspace.errors import Unprocessable
from dataspace.space import nanoseconds


@dataclass(frozen=True)
class Terms:
    """What is being negotiated about an offer; `units` and `epsilon` are what the agreement grants."""

    purpose: str
    forms: tuple[Form, ...]
    units: int
    epsilon: int
    price: int

    def to_json(self) -> dict[str, Any]:
        """Return the terms as JSON-ready data."""
        return {**asdict(self), "forms": list(self.forms)}


def terms_of(offered: Offer, purpose: str, forms: Sequence[Form], units: int | None) -> Terms:
    """Return the terms that are asked of an offer: all its forms and units, unless less is asked for.

    Raises:
        Unprocessable: more units than the offer has, or none.

    """
    wanted = offered.units if units is None else units
    if not 1 <= wanted <= offered.units:
        raise Unprocessable(f"{wanted} units asked, want 1 to {offered.units}", limit=offered.units)
    return Terms(
        purpose,
        tuple(dict.fromkeys(forms)) or tuple(Form(form) for form in offered.forms),
        wanted,
        offered.epsilon,
        offered.price,
    )


def offer_facts(offer: Offer) -> dict[str, Any]:
    """Return what the policy is told of an offer."""
    return {
        "id": offer.id,
        "purposes": offer.purposes,
        "forms": offer.forms,
        "units": offer.units,
        "min_group": offer.min_group,
        "row_limit": offer.row_limit,
        "expires": nanoseconds(offer.expires),
        "exact": offer.exact,
        "semi_honest": list(offer.semi_honest),
    }
