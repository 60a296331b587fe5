"""Microsoft's `azure-identity`, unmodified, signs in to the stand-in as to Entra."""

from __future__ import annotations

import ssl
from datetime import timedelta

import jwt
import pytest
import requests
from azure.core.exceptions import ClientAuthenticationError, ServiceRequestError
from azure.identity import CertificateCredential, DefaultAzureCredential, ManagedIdentityCredential

from local.identity import Application, ClientSecret, Fault
from tests.certificates import made

SCOPE = "https://vault.azure.net/.default"
OTHER_TENANT = "1d000000-0000-4000-8000-00000000bbbb"
OTHER_APP = "1d000000-0000-4000-8000-00000000c1d2"


def refused(credential, scope=SCOPE) -> str:
    with pytest.raises(ClientAuthenticationError) as caught:
        credential.get_token(scope)
    return str(caught.value)


def test_a_client_secret_gets_a_signed_token(azure, credential):
    """The token names tenant, application and resource, and its signature holds by the published keys."""
    token = credential().get_token(SCOPE).token
    keys = jwt.PyJWKClient(
        f"{azure.authority}/{azure.tenant_id}/discovery/v2.0/keys",
        ssl_context=ssl.create_default_context(cafile=str(azure.ca_file)),
    )
    claims = jwt.decode(token, keys.get_signing_key_from_jwt(token).key, ["RS256"], audience="https://vault.azure.net")
    assert (claims["tid"], claims["appid"]) == (azure.tenant_id, azure.client_id)
    assert claims["iss"] == f"{azure.authority}/{azure.tenant_id}/v2.0"


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"secret": "wrong"}, "AADSTS7000215"),
        ({"client": "1d000000-0000-4000-8000-000000000000"}, "AADSTS700016"),
        ({"tenant": OTHER_TENANT}, "700016"),
    ],
)
def test_wrong_credentials_have_their_numbers(azure, credential, asked, code):
    """As Entra's: a wrong secret, an unknown application, an application of another tenant."""
    azure.add(Application(OTHER_APP, OTHER_TENANT, (ClientSecret("other"),)))
    assert code in refused(credential(**asked))


def test_each_tenant_has_its_own_applications(azure, credential):
    """Another tenant's application signs in there."""
    azure.add(Application(OTHER_APP, OTHER_TENANT, (ClientSecret("other"),)))
    assert credential(secret="other", tenant=OTHER_TENANT, client=OTHER_APP).get_token(SCOPE).token


def test_secrets_expire_and_applications_are_disabled(azure, credential, time):
    """An expired secret and a disabled application have numbers of their own."""
    until = time() + timedelta(days=1)
    azure.add(Application(OTHER_APP, azure.tenant_id, (ClientSecret("old", until), ClientSecret("new"))))
    assert credential(secret="old", client=OTHER_APP).get_token(SCOPE).token
    time.pass_by(days=2)
    assert "AADSTS7000222" in refused(credential(secret="old", client=OTHER_APP))
    assert credential(secret="new", client=OTHER_APP).get_token(SCOPE).token
    azure.add(Application(OTHER_APP, azure.tenant_id, (ClientSecret("new"),), enabled=False))
    assert "AADSTS7000112" in refused(credential(secret="new", client=OTHER_APP))


@pytest.mark.parametrize(
    ("scope", "code"), [("https://nowhere.example/.default", "AADSTS500011"), ("openid", "AADSTS1002012")]
)
def test_resources_must_be_known(credential, scope, code):
    """No token for a service that the directory does not know."""
    assert code in refused(credential(), scope)


def test_a_certificate_signs_in_by_its_signature(azure):
    """Its own key is let in; another key behind the same claims is not, nor an expired certificate."""
    mine, other, old = made("mine"), made("other"), made("old", days=-1)
    azure.add(Application(OTHER_APP, azure.tenant_id, certificates=(mine.public, old.public)))
    settings = {"authority": azure.authority, "disable_instance_discovery": True, "retry_total": 0}
    settings["connection_verify"] = str(azure.ca_file)

    def signing(certificate: bytes) -> CertificateCredential:
        return CertificateCredential(azure.tenant_id, OTHER_APP, certificate_data=certificate, **settings)

    with signing(mine.whole) as right:
        assert right.get_token(SCOPE).token
    cases = {other.whole: "700027", other.key + mine.public.encode(): "700027", old.whole: "1000502"}
    for certificate, number in cases.items():
        with signing(certificate) as wrong:
            assert f"AADSTS{number}" in refused(wrong)


def test_a_machine_gets_its_tokens_from_its_endpoint(azure, monkeypatch):
    """By the header that only the machine knows; for its own identity, or the one asked for."""
    other = Application(OTHER_APP, azure.tenant_id, managed=True)
    azure.add(other)
    for name, value in azure.environment.items():
        monkeypatch.setenv(name, value)
    with DefaultAzureCredential() as default, ManagedIdentityCredential(client_id=OTHER_APP) as other_one:
        own, asked = default.get_token(SCOPE).token, other_one.get_token(SCOPE).token
    seen = [jwt.decode(token, options={"verify_signature": False})["appid"] for token in (own, asked)]
    assert seen == [azure.machine_id, OTHER_APP]
    with ManagedIdentityCredential(client_id=azure.client_id) as unknown:
        refused(unknown)
    monkeypatch.setenv("IDENTITY_HEADER", "wrong")
    with ManagedIdentityCredential() as stranger:
        refused(stranger)


def test_a_machine_cannot_sign_in_with_a_secret(azure, credential):
    """Its identity is no application that one could sign in as."""
    assert "AADSTS700016" in refused(credential(client=azure.machine_id))


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault(part="entra", status=500, body="<html>"), ClientAuthenticationError),
        (Fault(part="entra", cut=True), ServiceRequestError),
    ],
)
def test_faults_reach_the_library(azure, credential, fault, error):
    """What was injected happens once, and then no more."""
    azure.inject(fault)
    with pytest.raises((error, ClientAuthenticationError, ValueError)):
        credential().get_token(SCOPE)
    assert credential().get_token(SCOPE).token


def test_discovery(azure):
    """OpenID configuration and instance discovery name the stand-in itself; an unknown tenant is refused."""
    ask = lambda path: requests.get(f"{azure.authority}{path}", verify=str(azure.ca_file), timeout=10)  # noqa: E731
    known = ask(f"/{azure.tenant_id}/v2.0/.well-known/openid-configuration").json()
    assert known["token_endpoint"] == f"{azure.authority}/{azure.tenant_id}/oauth2/v2.0/token"
    assert ask(f"/{OTHER_TENANT}/v2.0/.well-known/openid-configuration").json()["error_codes"] == [90002]
    assert (
        ask("/common/discovery/instance?api-version=1.1")
        .json()["tenant_discovery_endpoint"]
        .startswith(azure.authority)
    )
