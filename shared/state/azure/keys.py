"""Keys of rows and names of blobs: escaped, and so that the newest job sorts first."""

from __future__ import annotations

import hashlib
import re
from datetime import datetime

from shared.state.names import checked
from shared.state.rows import microseconds
from shared.values.files import FileRead

IDS, AGES = "ids", "ages"
SYNCS = "sync!"
"""Begins the name of every sync's partition."""
LEASE = "lease"
WATERMARK = "watermark"
FREE = "fence!free"
_PLAIN = re.compile(r"[A-Za-z0-9._-]")
_LONGEST = 200
_END_OF_TIME_US = 10**18
_LETTERS = "-.0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"
_TURNED = str.maketrans(_LETTERS, _LETTERS[::-1])


def escaped(text: str) -> str:
    """The text in letters, digits, `.`, `_`, `-` and `=`; two texts never share a key, and none is too long for one.

    Keys may not hold `/`, `\\`, `#`, `?` and control characters.
    """
    coded = "".join(
        sign if _PLAIN.match(sign) else "".join(f"={byte:02X}" for byte in sign.encode("utf-8", "surrogatepass"))
        for sign in text
    )
    if len(coded) <= _LONGEST:
        return coded
    return f"{coded[:100]}=={hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()}"


def partition(sync: str) -> str:
    """The partition of a sync."""
    return f"{SYNCS}{escaped(sync)}"


def fence(epoch: int) -> str:
    """The row that is there while an epoch lasts."""
    return f"fence!{epoch:012}"


def age(created_at: datetime, job_id: str) -> str:
    """Sorts the newest first; of one instant the greatest id first."""
    turned = checked(job_id, "job id").translate(_TURNED)
    return f"{_END_OF_TIME_US - microseconds(created_at):020}!{turned}~"


def older_than(before: datetime) -> str:
    """The least `age` of a job that was made before a time."""
    return f"{_END_OF_TIME_US - microseconds(before) + 1:020}"


def of_job(kind: str, job_id: str, rest: str = "") -> str:
    """A row of a job: `chunk!<id>!<rest>`."""
    return f"{kind}!{checked(job_id, 'job id')}!{rest}"


def file_read(file: FileRead) -> str:
    """The row of a file that was read."""
    text = f"{len(file.name)}!{file.name}{file.version}"
    return f"file!{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()}"


def after(prefix: str) -> str:
    """The least key that is greater than all that begin with `prefix`."""
    return prefix[:-1] + chr(ord(prefix[-1]) + 1)
