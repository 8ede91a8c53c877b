"""The settings of a DuckDB that holds data which may not leave: those that come before any value.

One thread, so that a sum of doubles is the same each time; no file to spill to;
no extension; nothing of the Python around it.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

CONFINED: Final[Mapping[str, str | int | float | list[str]]] = MappingProxyType(
    {
        "threads": 1,
        "temp_directory": "",
        "autoload_known_extensions": False,
        "autoinstall_known_extensions": False,
        "allow_community_extensions": False,
        "python_enable_replacements": False,
        "max_expression_depth": 250,
    }
)
