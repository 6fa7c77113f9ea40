"""The composition root: what a process is made of, put together in one place.

`installation` opens the database and builds the use cases over it; `wsgi` puts the faces in front of them. They are
apart because most commands of the command line serve no HTTP, and Flask takes its time to import.
"""

from rolebridge.app.installation import Installation, open_installation

__all__ = ["Installation", "open_installation"]
