"""YAML ↔ core: mapping files and catalogues become values with a place on everything that can be blamed.

`load_mapping_set` turns the texts of an organization's mapping files into one `MappingSet`, or into all the diagnostics
that say why not: a set with any error is no set. `shipped_catalogues` and `load_catalogue` do the same for platforms.
Everything after this package can trust the values: names exist, patterns are compiled, conditions parse.
"""

from rolebridge.mapfile.catalogue import load_catalogue, shipped_catalogues

__all__ = ["load_catalogue", "shipped_catalogues"]
