"""The setting by which a private certificate authority is trusted; the bench's servers have one."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.errors import RefuseError
from shared.wiring.settings import Settings


def test_without_the_setting_the_public_authorities_are_trusted() -> None:
    """No setting: no bundle of our own."""
    assert Settings.from_environment({}).ca_file is None


def test_a_bundle_is_taken_by_its_path(tmp_path: Path) -> None:
    """The file that is named is the one that is used."""
    bundle = tmp_path / "authority.pem"
    bundle.write_text("-----BEGIN CERTIFICATE-----\n", encoding="ascii")
    assert Settings.from_environment({"DYNSYNC_CA_FILE": str(bundle)}).ca_file == bundle


def test_a_bundle_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """A wrong path is said at the start, and never means that nothing is verified."""
    with pytest.raises(RefuseError, match="DYNSYNC_CA_FILE"):
        Settings.from_environment({"DYNSYNC_CA_FILE": str(tmp_path / "none.pem")})
