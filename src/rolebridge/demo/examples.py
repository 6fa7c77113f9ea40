"""The example mapping files as the package carries them, and the question to ask about them."""

from __future__ import annotations

from importlib.resources import files
from typing import Final

ASKED_ABOUT: Final = ("ana.ruiz", "cityscapes")
"""The user and the project of the first question to ask: there is a winner, a lock, and three kinds of losers."""


def shipped_mappings() -> dict[str, str]:
    """Return the texts of the shipped mapping files by name, `mappings/acme-vision.yaml`, in order of their names.

    They are named as they are in the project's own folder, so that places in messages lead there.
    """
    folder = files("rolebridge.demo").joinpath("mappings")
    texts = {
        f"mappings/{file.name}": file.read_text(encoding="utf-8")
        for file in folder.iterdir()
        if file.name.endswith(".yaml")
    }
    return dict(sorted(texts.items()))
