"""What a person can set about one running bridge: read once, checked whole, refused when unsafe.

A setting comes from the environment (`ROLEBRIDGE_DATABASE_URL`), else from a TOML file (`database_url`), else
it has its default. `load` reports every problem at once, each with the variable or the file and key that
caused it. `Settings.for_serving` adds what only a server must fulfil, so that a command that merely reads
needs no secret key. `SETTINGS` is the one list of names, defaults and meanings; documentation is derived from
it.

The lowest floor: imports nothing of ours, and only the command line and the composition root import it.
"""

from __future__ import annotations

from rolebridge.settings.loading import load
from rolebridge.settings.readers import KEY_BYTES, MOST_KEYS, Bind
from rolebridge.settings.readers import secret_key as read_secret_key
from rolebridge.settings.safety import EXAMPLE_SECRET_KEY
from rolebridge.settings.table import CONFIG_VARIABLE, DEFAULT_FILE, PREFIX, SETTINGS, Setting, markdown_table
from rolebridge.settings.values import ServingSettings, Settings, SettingsError, redacted_url

__all__ = [
    "CONFIG_VARIABLE",
    "DEFAULT_FILE",
    "EXAMPLE_SECRET_KEY",
    "KEY_BYTES",
    "MOST_KEYS",
    "PREFIX",
    "SETTINGS",
    "Bind",
    "ServingSettings",
    "Setting",
    "Settings",
    "SettingsError",
    "load",
    "markdown_table",
    "read_secret_key",
    "redacted_url",
]
