"""All syncs: those of a folder's files, and those that were edited in the app."""

from shared.definitions.catalogue.both import RECENT_S, Catalogue
from shared.definitions.catalogue.edits import Edit, noted, told
from shared.definitions.catalogue.files import REACH_FILE
from shared.definitions.catalogue.reading import Read, definition_hash, examine, text_hash

__all__ = [
    "REACH_FILE",
    "RECENT_S",
    "Catalogue",
    "Edit",
    "Read",
    "definition_hash",
    "examine",
    "noted",
    "text_hash",
    "told",
]
