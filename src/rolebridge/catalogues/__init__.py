"""The role models of the platforms, one YAML file each: data only, no code.

`mapfile.catalogue` reads them (`docs/reference/catalogue.schema.json` describes the format), and the resolver executes
them all in the same way: whatever makes one platform differ from another stands here. What could be doubted carries the
platform's own sentence as its source, so that a reader can judge it; where a platform states nothing (which of two
groups wins, say) the file states nothing either, and the mapping has to.
"""
