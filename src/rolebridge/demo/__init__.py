"""The sample that a newcomer watches: authored traffic of two identity providers, its mappings, and its player.

`okta-demo.json` and `entra-demo.json` say what each provider sends, as data in the provider's own dialect; `traffic`
reads them, `templates` fills in their placeholders, and `player` sends them over HTTP and checks every answer.
`mappings/` is the project's own folder of example mapping files (a link in the source tree, a folder in the wheel).

Invariant: like the providers themselves, the player looks for everything before it makes it. Playing a cycle again
makes nothing new and leaves the same directory.
"""

from rolebridge.demo.examples import ASKED_ABOUT, shipped_mappings
from rolebridge.demo.player import Played, Player, ReplayFailed
from rolebridge.demo.traffic import Traffic, TrafficError, shipped_traffic

__all__ = [
    "ASKED_ABOUT",
    "Played",
    "Player",
    "ReplayFailed",
    "Traffic",
    "TrafficError",
    "shipped_mappings",
    "shipped_traffic",
]
