"""Encodings that have one spelling: what is written otherwise is refused."""

import binascii
from base64 import b64decode, b64encode

from dataspace.errors import VerificationError


def decode_base64(text: str, what: str) -> bytes:
    """Return the bytes of standard base64 with padding, in its only spelling.

    Raises:
        VerificationError: `text` is anything else.

    """
    try:
        data = b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise VerificationError(f"malformed {what}: not base64") from error
    if b64encode(data).decode() != text:
        raise VerificationError(f"malformed {what}: base64 with stray bits")
    return data


def is_unicode(text: str) -> bool:
    """Return whether `text` has a UTF-8 form: no lone surrogate is in it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
