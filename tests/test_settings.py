"""Settings are read once, strictly."""

from pathlib import Path

import pytest

from dataspace.errors import Malformed
from dataspace.settings import Settings


def test_what_is_not_set_has_its_default_under_the_home() -> None:
    settings = Settings.from_environment({"DATASPACE_HOME": "/srv/space"})
    assert settings.database == "sqlite:////srv/space/dataspace.db"
    assert (settings.keys, settings.home) == ("file:/srv/space/keys", Path("/srv/space"))


def test_a_misspelt_setting_is_an_error_that_lists_the_right_ones() -> None:
    with pytest.raises(Malformed, match=r"unknown setting DATASPACE_ANKOR.*DATASPACE_ANCHOR"):
        Settings.from_environment({"DATASPACE_ANKOR": "evm:local"})


@pytest.mark.parametrize("value", ["many", "-1", "", "1.5"])
def test_a_number_that_is_none_is_an_error_with_its_name(value: str) -> None:
    with pytest.raises(Malformed, match=r"DATASPACE_WORKERS.*whole number"):
        Settings.from_environment({"DATASPACE_WORKERS": value})


def test_other_variables_are_not_settings() -> None:
    assert Settings.from_environment({"PATH": "/bin", "DATASPACE_TOKEN": "x"}) == Settings()


@pytest.mark.parametrize(("name", "value"), [("WORKER", "sometimes"), ("WORKERS", "0")])
def test_a_value_that_is_not_one_of_those_taken_is_an_error_that_lists_them(name: str, value: str) -> None:
    with pytest.raises(Malformed, match=f"DATASPACE_{name} is .* want"):
        Settings.from_environment({f"DATASPACE_{name}": value})
