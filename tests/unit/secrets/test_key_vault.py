"""Secrets from Key Vault, through Microsoft's own libraries against the stand-in."""

from __future__ import annotations

import logging
import threading
from datetime import timedelta

import pytest
from starlette.responses import Response

from local.identity import OFFICER, Application, Fault
from shared.errors import AuthenticationError, DynsyncError, NotAllowedError, ThrottledError, UnavailableError
from shared.secrets import KeyVaultSecrets
from shared.values.secrets import SecretState

NAME = "my-sync--secret"
WALL = '{"error": {"code": "Forbidden", "message": "m", "innererror": {"code": "ForbiddenByFirewall"}}}'


def asked(azure) -> int:
    """How often the vault gave the secret."""
    return sum(seen.part == "vault" and seen.token and f"/secrets/{NAME}" in seen.path for seen in azure.requests)


def refused(kind, secrets, name=NAME) -> str:
    with pytest.raises(kind) as caught:
        secrets.get(name)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return str(caught.value)


def test_a_value_is_kept_for_minutes(azure, vault, time):
    """Asked once in five minutes, whatever the case of its name; then again."""
    secrets = vault()
    assert [secrets.get(NAME), secrets.get(NAME.upper())] == ["marked-1", "marked-1"]
    assert asked(azure) == 1
    azure.vault.put(NAME, "marked-2")
    time.pass_by(minutes=4.9)
    assert secrets.get(NAME) == "marked-1"
    time.pass_by(minutes=0.2)
    assert secrets.get(NAME) == "marked-2"


def test_renew_asks_at_once_and_the_newest_version_counts(azure, vault):
    """What was refused is not taken from memory; what is renewed is kept."""
    secrets = vault()
    secrets.get(NAME)
    azure.vault.put(NAME, "marked-2")
    azure.vault.put(NAME, "marked-3")
    assert (secrets.renew(NAME), secrets.get(NAME)) == ("marked-3", "marked-3")
    assert asked(azure) == 2


def test_threads_share_one_request(azure, vault):
    """Eight threads that want one secret at once cause one request."""
    secrets, found = vault(), []
    threads = [threading.Thread(target=lambda: found.append(secrets.get(NAME))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (found, asked(azure)) == (["marked-1"] * 8, 1)


def test_a_missing_secret_says_how_to_set_it(azure, vault):
    """By vault and name."""
    text = refused(AuthenticationError, vault(), "my-sync--other")
    assert f"secret 'my-sync--other' in the key vault {azure.vault_url} was not found" in text
    assert "dynsync secrets set my-sync--other" in text


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda vault, now: vault.update(NAME, enabled=False), "is disabled"),
        (lambda vault, now: vault.update(NAME, expires_at=now - timedelta(days=1)), "expired on 20"),
        (lambda vault, now: vault.update(NAME, not_before=now + timedelta(days=1)), "is not valid before 20"),
        (lambda vault, now: vault.delete(NAME), "was not found"),
        (lambda vault, now: vault.put(NAME, ""), "is empty"),
    ],
)
def test_a_secret_that_cannot_be_used_says_why(azure, vault, time, change, said):
    """Disabled, expired, not valid yet, deleted, empty; with vault and name, without the value."""
    change(azure.vault, time())
    text = refused(AuthenticationError, vault())
    assert said in text
    assert NAME in text
    assert azure.vault_url in text
    assert "marked" not in text


def test_an_identity_without_the_role_is_told_which(azure, vault):
    """The role that it needs: for reading and for setting."""
    azure.rights.revoke(azure.machine_id)
    assert "give it the role 'Key Vault Secrets User'" in refused(AuthenticationError, vault())
    with pytest.raises(AuthenticationError, match="role 'Key Vault Secrets Officer'") as caught:
        vault().put(NAME, "marked-2")
    assert "marked" not in str(caught.value)


def test_no_identity_at_all(azure, vault):
    """A machine whose identity is switched off."""
    azure.add(Application(azure.machine_id, azure.tenant_id, managed=True, enabled=False))
    assert "no identity to ask with" in refused(AuthenticationError, vault())


@pytest.mark.parametrize(
    ("fault", "kind", "said"),
    [
        (Fault(part="vault", status=429, retry_after_s=7), ThrottledError, "run again in 7 s"),
        (Fault(part="vault", status=429, retry_after_s=None), ThrottledError, "run again in 30 s"),
        (Fault(part="vault", status=503), UnavailableError, "is not available (status 503)"),
        (Fault(part="vault", cut=True), UnavailableError, "no answer"),
        (Fault(part="vault", status=400, body="marked"), AuthenticationError, "status 400"),
        (Fault(part="vault", status=200, body="<html>marked"), DynsyncError, "key vault"),
        (
            Fault(part="vault", status=403, body=WALL),
            AuthenticationError,
            "firewall",
        ),
    ],
)
def test_trouble_of_the_vault_in_plain_words(azure, vault, fault, kind, said):
    """What a caller may try again is told apart from what it may not; no reply is quoted."""
    azure.inject(fault)
    text = refused(kind, vault())
    assert said in text
    assert NAME in text or "does not answer as that key vault" in text
    assert "marked" not in text
    assert vault().get(NAME) == "marked-1"


def test_pauses_are_kept_by_the_library(azure, vault):
    """A vault that throttles once is asked again, within one call."""
    azure.inject(Fault(part="vault", status=429, retry_after_s=0))
    assert vault(retries=1).get(NAME) == "marked-1"


def test_a_vault_that_is_not_there(time, azure):
    """Nobody listens: no answer."""
    gone = KeyVaultSecrets("https://127.0.0.1:9", clock=time, verify=str(azure.ca_file), retries=0)
    assert "no answer" in refused(UnavailableError, gone)


def test_a_vault_with_a_foreign_certificate(azure, time):
    """Nothing is asked of a vault that cannot prove its name."""
    stranger = KeyVaultSecrets(azure.vault_url, clock=time, retries=0)
    assert "cannot be verified" in refused(AuthenticationError, stranger)
    assert asked(azure) == 0


@pytest.mark.parametrize("elsewhere", ["https://localhost:{port}/secrets/x", "https://evil.example/secrets/x"])
def test_a_redirect_is_not_followed(azure, vault, elsewhere):
    """The token stays with the vault."""
    target = elsewhere.format(port=azure.vault_url.rpartition(":")[2])
    secrets = vault()
    secrets.get(NAME)
    azure.clear_requests()
    azure.inject(Fault(part="vault", status=307, location=target))
    with pytest.raises(AuthenticationError, match="status 307"):
        secrets.renew(NAME)
    assert [seen.path.partition("?")[0] for seen in azure.requests if seen.part == "vault"] == [f"/secrets/{NAME}/"]


def test_a_next_link_to_another_host_is_not_followed(azure, vault):
    """A list that goes on elsewhere is refused before anything is sent there."""
    port = azure.vault_url.rpartition(":")[2]
    secrets = vault()
    secrets.get(NAME)
    azure.clear_requests()
    page = f'{{"value": [], "nextLink": "https://localhost:{port}/secrets?api-version=7.4&marked=1"}}'
    azure.inject(Fault(part="vault", path="/secrets?", status=200, body=page))
    with pytest.raises(AuthenticationError, match="names another host"):
        secrets.states([])
    assert not any("marked" in seen.path for seen in azure.requests)


def test_a_challenge_for_another_resource_gets_no_token(azure, vault, monkeypatch):
    """A host that asks for another service's token is no vault of ours."""
    monkeypatch.setattr(
        "local.identity.vault.api.VaultApi._challenge",
        lambda self: Response(
            b"", 401, {"WWW-Authenticate": f'Bearer authorization="{self.authority}", resource="https://evil.example"'}
        ),
    )
    assert "names another host" in refused(AuthenticationError, vault())
    assert not any(seen.part == "identity" for seen in azure.requests)


def test_states_tell_what_the_vault_holds(azure, vault, time):
    """Every state by name, values never read."""
    now = time()
    azure.vault.put("a--off", "marked", enabled=False)
    azure.vault.put("a--old", "marked", expires_at=now - timedelta(days=1))
    azure.vault.put("A--soon", "marked", not_before=now + timedelta(days=1))
    azure.clear_requests()
    assert vault().states(["My-sync--gone", NAME]) == {
        "a--off": SecretState.DISABLED,
        "a--old": SecretState.EXPIRED,
        "a--soon": SecretState.NOT_YET,
        "my-sync--gone": SecretState.MISSING,
        NAME: SecretState.SET,
    }
    assert asked(azure) == 0


def test_put_makes_a_version(azure, vault):
    """An officer sets; the value before stays as an older version; the new one counts at once."""
    azure.rights.grant(azure.machine_id, OFFICER)
    secrets = vault()
    secrets.get(NAME)
    secrets.put(NAME, "marked-2")
    assert secrets.get(NAME) == "marked-2"
    assert [one.value for one in azure.vault.versions(NAME)] == ["marked-1", "marked-2"]


def test_the_name_of_a_deleted_secret_is_taken(azure, vault):
    """It says what to do, and does not show the value."""
    azure.rights.grant(azure.machine_id, OFFICER)
    azure.vault.delete(NAME)
    with pytest.raises(NotAllowedError, match="recovered or purged") as caught:
        vault().put(NAME, "marked-2")
    assert "marked" not in str(caught.value)


@pytest.mark.parametrize("value", ["", "abc~DEF.123_x", "a b", "a\n", "x" * 128, "../keys/x", "a/b"])
def test_what_is_no_name_is_never_asked_for(azure, vault, value):
    """A path or a secret in the name's place is refused before a request, and not shown."""
    for call in (vault().get, vault().renew, lambda name: vault().put(name, "marked")):
        with pytest.raises(AuthenticationError, match="where a secret's name is wanted") as caught:
            call(value)
        assert not value or value not in str(caught.value)
    assert azure.requests == []


def test_nothing_shows_a_value(azure, vault, caplog):
    """Neither `repr` nor any log line of ours or the libraries', at the finest level."""
    caplog.set_level(logging.DEBUG)
    secrets = vault()
    secrets.get(NAME)
    azure.rights.grant(azure.machine_id, OFFICER)
    secrets.put(NAME, "marked-2")
    assert "marked" not in repr(secrets) + repr(vars(secrets)) + caplog.text
