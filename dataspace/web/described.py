"""What the description of the API holds and the framework does not know: answers of bytes, and headers."""

from typing import Final

from dataspace.wire import ARROW, ENVELOPE, JSON, OCTETS
from dataspace.wire.keyservice import MEDIA_TYPE

_FILE: Final = {"schema": {"type": "string", "format": "binary"}, "example": "<the bytes>"}
_TABLE: Final = {
    "schema": {"type": "object", "description": "columns, rows, and whether small groups were left out"},
    "example": {
        "columns": [{"name": "district", "type": "text"}, {"name": "count", "type": "integer"}],
        "rows": [["东城区", 120], ["西城区", 98]],
        "suppressed": False,
    },
}
# Bodies that handlers answer with as bytes, which the framework knows nothing of.
ANSWERS: Final = {
    "/api/agreements/{agreement}/queries": {JSON: _TABLE, ARROW: _FILE},
    "/api/agreements/{agreement}/encrypted": {ENVELOPE: _FILE},
    "/api/agreements/{agreement}/evaluations": {OCTETS: _FILE},
    "/api/agreements/{agreement}/intersections": {OCTETS: _FILE},
    "/api/agreements/{agreement}/intersections/{job}": {JSON: _FILE},
    "/api/agreements/{agreement}/scores": {ENVELOPE: _FILE},
    "/api/agreements/{agreement}/sealed/layout": {MEDIA_TYPE: _FILE},
    "/api/agreements/{agreement}/sealed/totals": {MEDIA_TYPE: _FILE},
    "/api/agreements/{agreement}/selector-layouts": {JSON: _FILE},
    "/api/agreements/{agreement}/selectors": {ENVELOPE: _FILE},
}
_TUS: Final = ("Tus-Resumable", "the version of tus", "1.0.0")
_OFFSET: Final = ("Upload-Offset", "how many bytes of the file arrived: where these go on", "0")
# Headers that handlers read for themselves: each with what is said of it, and an example.
HEADERS: Final = {
    ("post", "/api/uploads/resumable"): (
        _TUS,
        ("Upload-Length", "the bytes of the whole file", "1048576"),
        (
            "Upload-Metadata",
            "names with their values in base64",
            "zone Y29tbWVyY2U=,filename c2FtcGxlLmNzdg==",
        ),
    ),
    ("patch", "/api/uploads/resumable/{upload}"): (_TUS, _OFFSET),
    ("post", "/api/uploads/resumable/{upload}"): (
        _TUS,
        _OFFSET,
        ("X-HTTP-Method-Override", "the method that is meant: PATCH or DELETE", "PATCH"),
    ),
}
