"""Messages of real time: from a body to events, in one of four formats. Pure; everything in a message is hostile."""

from shared.formats.documents import split
from shared.formats.reading import MOST_EVENTS, read_message
from shared.formats.shape import Passed, Shape, Told

__all__ = ["MOST_EVENTS", "Passed", "Shape", "Told", "read_message", "split"]
