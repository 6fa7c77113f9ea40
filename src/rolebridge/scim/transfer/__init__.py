"""Directories in files and from other servers: read row by row, imported in batches, exported again."""
