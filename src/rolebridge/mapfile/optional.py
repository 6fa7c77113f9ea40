"""What every reader of a catalogue's sections shares: values of keys that may be left out."""

from __future__ import annotations

from enum import StrEnum
from typing import TypeVar

from rolebridge.mapfile import reading
from rolebridge.mapfile.reading import Sink
from rolebridge.mapfile.yamlsource import Node, Scalar

Choice = TypeVar("Choice", bound=StrEnum)


class OptionalReader:
    """Reads nodes that are None where their key is absent; what is wrong with the others goes to the sink."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    def _id(self, node: Node | None, what: str) -> str | None:
        text = reading.read_text(node, what, self._sink) if node is not None else None
        return reading.read_id(text, what, self._sink) if text is not None else None

    def _text(self, node: Node | None, what: str) -> str | None:
        text = reading.read_text(node, what, self._sink) if node is not None else None
        return text.text if text is not None else None

    def _texts(self, node: Node | None, what: str) -> list[Scalar]:
        return reading.read_texts(node, what, self._sink) if node is not None else []

    def _flag(self, node: Node | None, what: str) -> bool:
        return node is not None and bool(reading.read_flag(node, what, self._sink))

    def _number(self, node: Node | None, what: str) -> int:
        return (reading.read_number(node, what, self._sink) or 0) if node is not None else 0

    def _choice(self, node: Node | None, what: str, choices: type[Choice], default: Choice) -> Choice:
        if node is None:
            return default
        chosen = reading.read_choice(node, what, [choice.value for choice in choices], self._sink)
        return choices(chosen) if chosen is not None else default

    def _words(self, node: Node | None, section: str, what: str) -> dict[str, str]:
        """Return the ids of a section with the platform's words for each."""
        found: dict[str, str] = {}
        for entry in reading.read_entries(node, section, self._sink) if node is not None else ():
            id_ = self._id(entry.key, f"{what}'s id")
            words = reading.read_text(entry.value, f"{what}'s words", self._sink)
            if id_ is not None and words is not None:
                found[id_] = words.text
        return found
