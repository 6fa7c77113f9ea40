"""YAML ↔ core: mapping files and catalogues become values with a place on everything that can be blamed.

`read_mapping_dir` reads a folder, `load_mapping_set` turns the texts of an organization's mapping files into one
`MappingSet`, or into all the diagnostics that say why not: a set with any error is no set. `shipped_catalogues` and
`load_catalogue` do the same for platforms, and `load_cases` for the cases that test a mapping. Everything after this
package can trust the values: names exist, patterns and conditions are compiled.

`yamlsource` is the only caller of the YAML library, `reading` the typed reader over its nodes; `workspace`, `rules`,
`patterns`, `conditions` and `names` read one mapping file, `checks` looks at what its rules do to each other;
`variables` and `layers` work on documents before they are read.
"""

from rolebridge.mapfile.cases import load_cases
from rolebridge.mapfile.catalogue import load_catalogue, shipped_catalogues
from rolebridge.mapfile.files import UnreadableFiles, holds_cases, holds_mapping, holds_variables, read_mapping_dir
from rolebridge.mapfile.mapping import files_digest, load_mapping_set

__all__ = [
    "UnreadableFiles",
    "files_digest",
    "holds_cases",
    "holds_mapping",
    "holds_variables",
    "load_cases",
    "load_catalogue",
    "load_mapping_set",
    "read_mapping_dir",
    "shipped_catalogues",
]
