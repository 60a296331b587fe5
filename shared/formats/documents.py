"""Texts that hold several messages: a JSON list, one value, or one value a line."""

from __future__ import annotations

from shared.json_text import DECODER, text_of


def split(text: bytes) -> list[bytes]:
    """The documents of a text: the items of a JSON list, one value, or one value a line. Numbers keep their digits.

    Raises:
        ValueError: it is none of these; the message says where.
    """
    whole, first = text.decode("utf-8-sig").strip(), ""
    try:
        value, end = DECODER.raw_decode(whole)
    except ValueError as error:
        value, end, first = None, 0, str(error)
    if end == len(whole) and whole:
        return [_written(item) for item in value] if isinstance(value, list) else [whole.encode()]
    lines = [line.strip() for line in whole.splitlines() if line.strip()]
    if len(lines) < 2:
        raise ValueError(f"it is not valid JSON ({first})" if not end else "something follows behind its JSON value")
    for number, line in enumerate(lines, 1):
        _check(line, number)
    return [line.encode() for line in lines]


def _written(item: object) -> bytes:
    return (text_of(item) or "null").encode()


def _check(line: str, number: int) -> None:
    try:
        _, end = DECODER.raw_decode(line)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"line {number} is not valid JSON ({error})") from None
    if end != len(line):
        raise ValueError(f"line {number} goes on behind its JSON value, at character {end + 1}")
