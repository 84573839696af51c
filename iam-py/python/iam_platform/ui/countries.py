"""Countries and their time zones, as the IANA time zone database names them."""

from __future__ import annotations

import functools
from importlib import resources


@functools.cache
def names() -> dict[str, str]:
    """ISO 3166 codes with the countries' names, in the order of the names."""
    rows = sorted((columns[1], columns[0]) for columns in _rows("iso3166.tab"))
    return {code: name for name, code in rows}


@functools.cache
def zones(country: str | None = None) -> tuple[str, ...]:
    """The time zones of a country, or all of them where it has none that is known."""
    known = [(columns[0], columns[2]) for columns in _rows("zone.tab")]
    return tuple(sorted(zone for code, zone in known if code == country) or sorted(zone for _, zone in known))


def _rows(file: str) -> list[list[str]]:
    text = (resources.files("tzdata") / "zoneinfo" / file).read_text(encoding="utf-8")
    return [line.split("\t") for line in text.splitlines() if line and not line.startswith("#")]
