"""`host.json` and `local.settings.json`."""

from __future__ import annotations

import json
import logging
from datetime import timedelta
from pathlib import Path

import pytest

from local.host import appsettings, hostfile
from local.host.refusals import HostError


def _host(tmp_path: Path, document: object) -> hostfile.HostFile:
    path = tmp_path / "host.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document), "utf-8")
    return hostfile.read(path)


def test_defaults_are_those_of_azure(tmp_path: Path) -> None:
    """The smallest file gives prefix, renewal, sessions and idle time as the documentation says."""
    config = _host(tmp_path, {"version": "2.0"})
    bus = config.extensions.service_bus
    assert config.extensions.http.route_prefix == "api"
    assert config.function_timeout == timedelta(minutes=30)
    assert (bus.max_auto_lock_renewal_duration, bus.max_concurrent_sessions) == (timedelta(minutes=5), 8)
    assert bus.session_idle_timeout == timedelta(minutes=1)


def test_time_spans_and_levels(tmp_path: Path) -> None:
    """Days too; no time-out at all; the longest category that is named counts."""
    levels = {"default": "Warning", "Function": "Information", "Function.tick": "None"}
    document = {"version": "2.0", "functionTimeout": "-1", "logging": {"logLevel": levels}}
    config = _host(tmp_path, document | {"extensions": {"serviceBus": {"maxAutoLockRenewalDuration": "1.02:03:04"}}})
    assert config.function_timeout is None
    assert config.extensions.service_bus.max_auto_lock_renewal_duration == timedelta(
        days=1, hours=2, minutes=3, seconds=4
    )
    assert (config.level("Host"), config.level("Function.other")) == (logging.WARNING, logging.INFO)
    assert config.level("Function.tick.User") > logging.CRITICAL


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ("{", "is no JSON"),
        ([], "the file"),
        ({}, "version: Field required"),
        ({"version": "2.0", "routePrefix": "x"}, "routePrefix: is not known here"),
        ({"version": "2.0", "functionTimeout": "00:61:00"}, "functionTimeout: is no time span"),
        ({"version": "2.0", "extensions": {"eventHubs": {}}}, "extensions.eventHubs: is not known here"),
        ({"version": "2.0", "extensions": {"serviceBus": {"maxConcurrentCalls": 0}}}, "maxConcurrentCalls"),
        ({"version": "2.0", "logging": {"logLevel": {"default": "Loud"}}}, "is no level"),
    ],
)
def test_every_mistake_has_its_place(tmp_path: Path, document: object, told: str) -> None:
    """What Azure would pass over in silence is an error."""
    with pytest.raises(HostError, match=told):
        _host(tmp_path, document)


def test_without_host_json_nothing_starts(tmp_path: Path) -> None:
    """The message says what the least is."""
    with pytest.raises(HostError, match="is not there"):
        hostfile.read(tmp_path / "host.json")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("nonsense", "is no JSON"),
        ("[]", "must be an object"),
        ('{"Values": {"A": 1, "B": "x"}}', "A must be text"),
        ('{"IsEncrypted": true, "Values": {}}', "is encrypted"),
    ],
)
def test_wrong_local_settings_are_told(tmp_path: Path, text: str, told: str) -> None:
    """Never with a value: they may be secrets."""
    (tmp_path / "local.settings.json").write_text(text, "utf-8")
    with pytest.raises(HostError, match=told):
        appsettings.read(tmp_path / appsettings.FILE)


def test_settings_in_bindings(tmp_path: Path) -> None:
    """`%NAME%` is looked up; what is not set is named."""
    assert appsettings.read(tmp_path / appsettings.FILE) == {}
    assert appsettings.resolved("a-%X%-b", {"X": "1"}, where="it") == "a-1-b"
    with pytest.raises(HostError, match="names the setting Y, which is not set"):
        appsettings.resolved("%Y%", {}, where="it")
