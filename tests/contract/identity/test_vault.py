"""Microsoft's `azure-keyvault-secrets`, unmodified, finds in the stand-in a Key Vault."""

from __future__ import annotations

from datetime import timedelta

import pytest
import requests
from azure.core.credentials import AccessToken
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceNotFoundError,
    ServiceResponseError,
)
from azure.identity import DefaultAzureCredential
from azure.keyvault.secrets import SecretClient

from local.identity import OFFICER, USER, Fault, LocalIdentity
from local.identity.tokens import Bearer


def code(caught) -> tuple[int, str]:
    return caught.value.status_code, caught.value.error.code


def test_the_challenge_is_answered_with_a_token(azure, client):
    """The first request carries none; the library checks the challenge's resource and comes back with one."""
    azure.vault.put("a", "one")
    azure.clear_requests()
    assert client().get_secret("a").value == "one"
    asked = [(seen.part, seen.token) for seen in azure.requests if seen.part == "vault"]
    assert asked == [("vault", False), ("vault", True)]


def test_the_fixture_is_a_running_vault(local_identity, monkeypatch):
    """Its environment is all that the library needs, beside the certificate."""
    local_identity.vault.put("a", "one")
    for name, value in local_identity.environment.items():
        monkeypatch.setenv(name, value)
    verify = str(local_identity.ca_file)
    with (
        DefaultAzureCredential() as who,
        SecretClient(local_identity.vault_url, who, connection_verify=verify) as vault,
    ):
        assert vault.get_secret("a").value == "one"


def test_versions(client):
    """Every set is a version; the newest is given unless another is named."""
    vault = client()
    first = vault.set_secret("a", "one", content_type="text/plain", tags={"of": "test"})
    vault.set_secret("A", "two")
    assert vault.get_secret("a").value == "two"
    again = vault.get_secret("a", first.properties.version)
    assert (again.value, again.properties.content_type, again.properties.tags) == ("one", "text/plain", {"of": "test"})
    assert {one.version for one in vault.list_properties_of_secret_versions("a")} >= {first.properties.version}
    assert len(list(vault.list_properties_of_secret_versions("a"))) == 2


def test_lists_come_in_pages_without_values(azure, client):
    """Sixty secrets are three pages; none carries its value."""
    for number in range(60):
        azure.vault.put(f"s{number:02}", f"marked-{number}")
    pages = [[one.name for one in page] for page in client().list_properties_of_secrets().by_page()]
    assert [len(page) for page in pages] == [25, 25, 10]
    assert [name for page in pages for name in page] == [f"s{number:02}" for number in range(60)]
    token = client()._client._config.credential.get_token("https://vault.azure.net/.default").token
    told = requests.get(
        f"{azure.vault_url}/secrets?api-version=7.4",
        headers={"Authorization": f"Bearer {token}"},
        verify=str(azure.ca_file),
        timeout=10,
    )
    assert told.status_code == 200
    assert "marked" not in told.text


def test_a_disabled_secret_is_not_given(client):
    """403; enabled again it is."""
    vault = client()
    vault.set_secret("a", "one", enabled=False)
    with pytest.raises(HttpResponseError) as caught:
        vault.get_secret("a")
    assert code(caught) == (403, "Forbidden")
    vault.update_secret_properties("a", enabled=True)
    assert vault.get_secret("a").value == "one"


def test_an_expired_secret_is_given_and_says_so(client, time):
    """As the service: the time is told, the getting is not hindered."""
    vault = client()
    until = time() - timedelta(days=1)
    vault.set_secret("a", "one", expires_on=until, not_before=until - timedelta(days=1))
    found = vault.get_secret("a")
    assert found.properties.expires_on == until.replace(microsecond=0)


@pytest.mark.parametrize("name", ["a_b", "a.b", "x" * 128])
def test_names_are_letters_digits_and_hyphens(client, name):
    """Others are refused."""
    with pytest.raises(HttpResponseError) as caught:
        client().set_secret(name, "one")
    assert caught.value.status_code == 400


def test_deleted_secrets_are_kept_recovered_and_purged(azure, client, time):
    """A deleted name is taken until it is recovered, purged, or its time is over."""
    azure.rights.grant(azure.client_id, "Key Vault Administrator")
    vault = client()
    vault.set_secret("a", "one")
    gone = vault.begin_delete_secret("a").result()
    assert gone.recovery_id.endswith("/deletedsecrets/a")
    with pytest.raises(ResourceNotFoundError):
        vault.get_secret("a")
    with pytest.raises(ResourceExistsError):
        vault.set_secret("a", "two")
    assert [one.name for one in vault.list_deleted_secrets()] == ["a"]
    vault.begin_recover_deleted_secret("a").result()
    assert vault.get_secret("a").value == "one"
    vault.begin_delete_secret("a").result()
    vault.purge_deleted_secret("a")
    vault.set_secret("a", "three")
    vault.begin_delete_secret("a").result()
    time.pass_by(days=91)
    with pytest.raises(ResourceNotFoundError):
        client().get_deleted_secret("a")


def test_purge_protection(time, credential, monkeypatch):
    """A protected vault purges nothing, whoever asks."""
    with LocalIdentity(clock=time, purge_protection=True) as azure:
        azure.rights.grant(azure.machine_id, "Key Vault Administrator")
        for name, value in azure.environment.items():
            monkeypatch.setenv(name, value)
        verify = str(azure.ca_file)
        with (
            DefaultAzureCredential() as who,
            SecretClient(azure.vault_url, who, connection_verify=verify, retry_total=0) as vault,
        ):
            vault.set_secret("a", "one")
            assert vault.begin_delete_secret("a").result().properties.recovery_level == "Recoverable"
            with pytest.raises(HttpResponseError, match="purge protection"):
                vault.purge_deleted_secret("a")


def test_rights(azure, client):
    """A user reads and lists; an officer also sets; a stranger does neither."""
    azure.vault.put("a", "one")
    azure.rights.grant(azure.client_id, USER)
    assert client().get_secret("a").value == "one"
    assert [one.name for one in client().list_properties_of_secrets()] == ["a"]
    with pytest.raises(HttpResponseError) as caught:
        client().set_secret("a", "two")
    assert code(caught) == (403, "Forbidden")
    azure.rights.grant(azure.client_id, OFFICER)
    client().set_secret("a", "two")
    azure.rights.revoke(azure.client_id)
    with pytest.raises(HttpResponseError, match="not authorized"):
        client().get_secret("a")


def test_throttling_is_waited_out(azure, client):
    """429 with Retry-After; the library tries again."""
    azure.vault.put("a", "one")
    azure.inject(Fault(part="vault", path="/secrets/a", status=429, retry_after_s=0, times=2))
    assert client(retry_total=3, retry_backoff_factor=0).get_secret("a").value == "one"


def test_a_limit_over_ten_seconds(azure, client, time):
    """Beyond the limit 429, until time has passed."""
    azure.vault.put("a", "one")
    azure.vault.limit = 2
    vault = client()
    vault.get_secret("a"), vault.get_secret("a")
    with pytest.raises(HttpResponseError) as caught:
        vault.get_secret("a")
    assert code(caught) == (429, "Throttled")
    time.pass_by(seconds=11)
    assert vault.get_secret("a").value == "one"


def test_ended_and_foreign_tokens_are_refused(azure, client):
    """A token that has ended leads to a new one; one for another service to nothing."""
    azure.vault.put("a", "one")
    vault = client()
    vault.get_secret("a")
    azure.issuer.expire_all()
    with pytest.raises(ClientAuthenticationError):
        vault.get_secret("a")  # the library keeps its token for an hour, and says so

    class Foreign:
        def get_token(self, *scopes, **_):
            text = azure.issuer.issue(Bearer(azure.client_id, azure.tenant_id), "https://elsewhere", azure.authority)
            return AccessToken(text, 2_000_000_000)

    with pytest.raises(ClientAuthenticationError):
        client(Foreign()).get_secret("a")


def test_a_cut_connection(azure, client):
    """No answer at all, once."""
    azure.vault.put("a", "one")
    azure.inject(Fault(part="vault", cut=True))
    with pytest.raises(ServiceResponseError):
        client().get_secret("a")
    assert client().get_secret("a").value == "one"
