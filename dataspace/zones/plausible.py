"""Whether values that have the form of something are likely to be it, when no name says so.

Many things have the form of a mobile number or of a name: serial numbers do,
and the classes of a school. Values with a check digit need no such doubt.
"""

from collections.abc import Callable, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataspace.zones import diagnoses
from dataspace.zones.distribution import Values, runs
from dataspace.zones.schema import Check

_FEW = 20  # distinct values from which a spread can be told
_MOST = 10_000  # distinct values that are looked at
# The prefixes that carriers of the mainland have (MIIT's numbering plan; 14 is partly for machines).
_CARRIERS = r"^(\+?86[- ]?)?1(3\d|4[05-9]|5[0-35-9]|6[2567]|7[0-8]|8\d|9[0-35-9])"
# Made-up numbers, which have 0000 where real ones have the area, are not asked for their carrier.
_MADE_UP = r"^1\d{2}0000\d{4}$"


def plausible(check: Check | None, values: Values) -> bool:
    """Tell whether a column's values may be what a check of their form says."""
    doubt = _DOUBTS.get(check) if check else None
    return doubt is None or doubt(values.distinct.slice(0, _MOST))


def _share(values: pa.StringArray, pattern: str) -> float:
    return float(pc.mean(pc.match_substring_regex(values, pattern)).as_py() or 0)


def _mobile(values: pa.StringArray) -> bool:
    if len(values) >= _FEW and runs(values):
        return False
    return _share(values, rf"{_CARRIERS}|{_MADE_UP}") >= 0.95


def _serial(values: pa.StringArray) -> bool:
    """Passports of one country begin with few letters; what follows does not count up."""
    return not (len(values) >= _FEW and runs(values)) and _share(values, r"^[EG]") >= 0.8


def _person_name(values: pa.StringArray) -> bool:
    """Names of persons have several family names; few end with numerals, as `高一` and `方案二` do."""
    families = len(pc.unique(pc.utf8_slice_codeunits(values, 0, 1)))
    numbered = _share(values, r"[一二三四五六七八九十甲乙丙丁0-9]$|[市区县镇乡村路街道部科组店型类级]$")
    return len(values) >= 5 and families >= max(3, min(8, len(values) // 50)) and numbered < 0.2


def _ip(values: pa.StringArray) -> bool:
    """Octets go to 255; the parts of a version stay small."""
    return _share(values, r":|(^|\.)\d{3}(\.|$)") >= 0.5


def _icd10(values: pa.StringArray) -> bool:
    """Of all letters with two digits a tenth is no code; codes of products use them alike."""
    known = pc.is_in(pc.utf8_slice_codeunits(values, 0, 3), value_set=pa.array(diagnoses.CATEGORIES))
    return float(pc.mean(known).as_py() or 0) >= 0.97


def _coordinate(values: pa.StringArray) -> bool:
    """A single number may be anything; a pair of precise ones is a place."""
    return _share(values, r"\.\d{3,}[^.]+\.\d{3,}") >= 0.9


def _sex(values: pa.StringArray) -> bool:
    return (
        len(values) >= 2 and _share(values, r"^([男女]性?|[Mm]ale|[Ff]emale|MALE|FEMALE|未知|未说明)$") == 1
    )


def _division(values: pa.StringArray) -> bool:
    """Two digits are the code of a province when nearly all provinces are there, and no other number."""
    short = _share(values, r"^\d{2}$")
    return len(values) >= (25 if short > 0.5 else 3)


def _date(values: pa.StringArray) -> bool:
    """Eight digits are a date when the years they tell are near one another or of a life."""
    compact = values.filter(pc.match_substring_regex(values, r"^\d{8}$"))
    if not len(compact):
        return True
    years = pc.cast(pc.utf8_slice_codeunits(compact, 0, 4), pa.int32()).to_numpy(zero_copy_only=False)
    return bool(np.all((years >= 1880) & (years <= 2100)))


_DOUBTS: Mapping[Check, Callable[[pa.StringArray], bool]] = {
    Check.MOBILE: _mobile,
    Check.PASSPORT: _serial,
    Check.PERSON_NAME: _person_name,
    Check.IP: _ip,
    Check.ICD10: _icd10,
    Check.COORDINATE: _coordinate,
    Check.SEX: _sex,
    Check.DIVISION: _division,
    Check.DATE: _date,
}
