"""Forms as a browser sends them (application/x-www-form-urlencoded), and where to go after one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self
from urllib.parse import parse_qs, unquote, urlsplit

from litestar import Response
from litestar.response import Redirect

from dataspace.errors import Malformed, Unprocessable

_MOST_FIELDS = 20_000


@dataclass(frozen=True)
class Form:
    """The fields of one form, each with its values in the order they were sent."""

    fields: Mapping[str, Sequence[str]]

    @classmethod
    def read(cls, body: bytes, most: int = _MOST_FIELDS) -> Self:
        """Read a form's body of at most so many fields.

        Raises:
            Malformed: it is no form.

        """
        try:
            fields = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=most, errors="strict")
        except ValueError as error:
            raise Malformed("the body is not a well-formed form") from error
        return cls(fields)

    def text(self, name: str, default: str = "") -> str:
        """Return a field's first value, without the blanks around it."""
        return self.fields.get(name, [default])[0].strip()

    def needed(self, name: str) -> str:
        """Return a field's value.

        Raises:
            Unprocessable: it is empty or missing.

        """
        value = self.text(name)
        if not value:
            raise Unprocessable(f"the field {name} is empty", field=name)
        return value

    def all(self, name: str) -> tuple[str, ...]:
        """Return all values of a field, such as the boxes that were ticked."""
        return tuple(self.fields.get(name, ()))

    def has(self, name: str, value: str = "yes") -> bool:
        """Tell whether one of a field's values is this one, such as that of a box that was ticked."""
        return value in self.fields.get(name, ())

    def lines(self, name: str) -> list[str]:
        """Return the lines of a field that are not blank."""
        return [line.strip() for line in self.text(name).splitlines() if line.strip()]

    def changed(self, fields: Mapping[str, Sequence[str]]) -> Self:
        """Return the form with some fields filled in otherwise."""
        return type(self)({**self.fields, **fields})

    def number(self, name: str, default: int = 0) -> int:
        """Return a field as a whole number, `default` when it is empty.

        Raises:
            Unprocessable: it is something else.

        """
        value = self.text(name)
        if not value:
            return default
        if not (value.isascii() and value.isdecimal() and len(value) <= 15):
            raise Unprocessable(f"the field {name} is not a whole number", field=name)
        return int(value)

    def chosen(self, name: str, known: Sequence[str]) -> str:
        """Return a field's value when it is one of `known`.

        Raises:
            Unprocessable: it is another.

        """
        value = self.text(name)
        if value not in known:
            raise Unprocessable(f"the field {name} has none of its values: {', '.join(known)}", field=name)
        return value


def go_to(path: str) -> Response[object]:
    """Send the browser on to a path of this service, as after every form."""
    return Redirect(local_path(path), status_code=303)


def local_path(path: str) -> str:
    r"""Return `path` when it is one of this service's own, otherwise the start page.

    `//host`, `/\host` and what becomes one of them after decoding lead away.
    """
    plain = unquote(path)
    parts = urlsplit(path)
    away = parts.scheme or parts.netloc or plain.startswith("//") or "\\" in plain
    if not path.startswith("/") or away or not plain.isprintable():
        return "/"
    return path
