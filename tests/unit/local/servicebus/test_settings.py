"""The file of queues."""

from __future__ import annotations

from pathlib import Path

import pytest

from local.servicebus import settings
from local.servicebus.refusals import DocumentError


def read(tmp_path: Path, text: str) -> settings.NamespaceSettings:
    path = tmp_path / "queues.yaml"
    path.write_text(text, encoding="utf-8")
    return settings.read(path)


def test_the_queues_of_the_product_are_there() -> None:
    """Jobs without sessions, events with them."""
    queues = settings.default().queues
    assert {name: queue.sessions for name, queue in queues.items()} == {"sync-jobs": False, "sync-events": True}


def test_what_is_left_out_is_as_the_service_has_it(tmp_path: Path) -> None:
    """Ten deliveries, a minute's lock, no end of life, 256 KB."""
    queue = read(tmp_path, "queues: { a: {}, b: { lock_s: 0.5, ttl_s: 2, duplicates_s: 3 } }").queues["a"]
    assert (queue.max_delivery_count, queue.lock_ms, queue.ttl_ms, queue.duplicates_ms) == (10, 60_000, None, None)
    assert queue.max_size_bytes == 262_144
    other = read(tmp_path, "queues: { b: { lock_s: 0.5, ttl_s: 2, duplicates_s: 3 } }").queues["b"]
    assert (other.lock_ms, other.ttl_ms, other.duplicates_ms) == (500, 2000, 3000)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("queues: { a: { lock: 3 } }", "queues.a.lock"),
        ("queues: { a: { lock_s: 0 }, b: { max_delivery_count: 0 } }", "queues.b.max_delivery_count"),
        ("queues: { a: { lock_s: 301 } }", "queues.a.lock_s"),
        ("queues: {}", "queues"),
        ("queues: { '/a': {} }", "queues"),
        ("queues: { Jobs: {}, jobs: {} }", "jobs stands twice"),
        ("[", "cannot be read as YAML"),
        ("", "queues.yaml"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, text: str, told: str) -> None:
    """A wrong setting, an unknown one, a name twice, no YAML."""
    with pytest.raises(DocumentError, match=told):
        read(tmp_path, text)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    """The message names the file."""
    with pytest.raises(DocumentError, match=r"none\.yaml: cannot be read"):
        settings.read(tmp_path / "none.yaml")
