"""What the deployment promises about keys, rights and doors."""

from __future__ import annotations

import ipaddress
import json
import re

import pytest
from tree_sitter import Node

from shared.permissions import APP_ROLES
from tests.unit.infra.bicep import INFRA, ROOT, BicepFile, Declaration, files, literal, members, read, text

FILES = files()
ACCESS = read(INFRA / "modules/access.bicep")
ROLE = "Microsoft.Authorization/roleAssignments@2022-04-01"


def resources(kind: str) -> list[Declaration]:
    """The resources of a type that the deployment makes."""
    made = [one for file in FILES for one in file.of("resource").values()]
    return [one for one in made if not one.existing and one.spec.split("@")[0] == kind]


def at(node: Node, *path: str) -> Node:
    for name in path:
        node = members(node)[name][1]
    return node


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.path.name)
def test_no_key_and_no_secret_anywhere(file: BicepFile) -> None:
    """Nothing asks for keys, takes a password or holds a connection string with a key."""
    source = file.path.read_text("utf-8")
    assert not re.search(r"listKeys|listAccountSas|AccountKey=|SharedAccessKey|@secure\(|authorizationRules", source)


def test_storage_has_no_keys() -> None:
    """Every storage account refuses shared keys, public blobs, old TLS and plain HTTP."""
    accounts = resources("Microsoft.Storage/storageAccounts")
    assert len(accounts) == 3
    for one in accounts:
        properties = at(one.body, "properties")
        assert literal(at(properties, "allowSharedKeyAccess")) is False
        assert literal(at(properties, "allowBlobPublicAccess")) is False
        assert literal(at(properties, "supportsHttpsTrafficOnly")) is True
        assert literal(at(properties, "minimumTlsVersion")) == "TLS1_2"


def test_identity_is_the_only_way_in() -> None:
    """Service Bus, logs and deployment take no local authentication; the vault takes roles and cannot be purged."""
    (bus,) = resources("Microsoft.ServiceBus/namespaces")
    assert literal(at(bus.body, "properties", "disableLocalAuth")) is True
    (insights,) = resources("Microsoft.Insights/components")
    assert literal(at(insights.body, "properties", "DisableLocalAuth")) is True
    (workspace,) = resources("Microsoft.OperationalInsights/workspaces")
    assert literal(at(workspace.body, "properties", "features", "disableLocalAuth")) is True
    policies = resources("Microsoft.Web/sites/basicPublishingCredentialsPolicies")
    assert {literal(at(one.body, "name")) for one in policies} == {"scm", "ftp"}
    assert all(literal(at(one.body, "properties", "allow")) is False for one in policies)
    (vault,) = resources("Microsoft.KeyVault/vaults")
    assert literal(at(vault.body, "properties", "enableRbacAuthorization")) is True
    assert literal(at(vault.body, "properties", "enablePurgeProtection")) is True


def test_queues_are_as_the_app_needs_them() -> None:
    """Jobs without sessions, events with; both with a limit of tries and an end of life."""
    queues = {
        literal(at(one.body, "name")): at(one.body, "properties")
        for one in resources("Microsoft.ServiceBus/namespaces/queues")
    }
    assert set(queues) == {"sync-jobs", "sync-events"}
    assert literal(at(queues["sync-jobs"], "requiresSession")) is False
    assert literal(at(queues["sync-events"], "requiresSession")) is True
    assert literal(at(queues["sync-events"], "deadLetteringOnMessageExpiration")) is True
    for queue in queues.values():
        assert literal(at(queue, "requiresDuplicateDetection")) is False
        assert isinstance(literal(at(queue, "maxDeliveryCount")), int)
        assert "defaultMessageTimeToLive" in members(queue)


def test_the_app_answers_on_https_only() -> None:
    """Both kinds of app: https, TLS 1.2, no FTP, no remote debugging, an identity."""
    sites = resources("Microsoft.Web/sites")
    assert len(sites) == 2
    for one in sites:
        assert literal(at(one.body, "properties", "httpsOnly")) is True
        config = at(one.body, "properties", "siteConfig")
        assert literal(at(config, "minTlsVersion")) == literal(at(config, "scmMinTlsVersion")) == "1.2"
        assert literal(at(config, "ftpsState")) == "Disabled"
        assert literal(at(config, "remoteDebuggingEnabled")) is False
        assert literal(at(one.body, "identity", "type")) == "UserAssigned"


def test_calls_without_a_sign_in_reach_the_app() -> None:
    """App Service authentication lets them pass, for the app decides; and it is on only with a registration."""
    (sign_in,) = [
        one for one in resources("Microsoft.Web/sites/config") if literal(at(one.body, "name")) == "authsettingsV2"
    ]
    properties = at(sign_in.body, "properties")
    assert literal(at(properties, "globalValidation", "unauthenticatedClientAction")) == "AllowAnonymous"
    assert literal(at(properties, "globalValidation", "requireAuthentication")) is False
    assert text(at(properties, "platform", "enabled")) == "!empty(signInClientId)"


def test_rights_are_given_in_one_file() -> None:
    """No other file makes a role assignment."""
    elsewhere = [
        file.path.name for file in FILES if file is not ACCESS and "roleAssignments" in file.path.read_text("utf-8")
    ]
    assert elsewhere == []


def assignments() -> list[Declaration]:
    return [one for one in ACCESS.of("resource").values() if one.spec == ROLE]


@pytest.mark.parametrize("one", assignments(), ids=lambda one: one.name)
def test_every_right_is_explained(one: Declaration) -> None:
    """A comment right above each assignment says what it is for."""
    lines = ACCESS.path.read_text("utf-8").splitlines()
    above = lines[one.node.start_point[0] - 1]
    assert above.startswith("// ")
    assert len(above) > 20


def granted() -> set[tuple[str, str, str, bool]]:
    """Who gets which role where, and whether only with a switch."""
    found = set()
    for one in assignments():
        role = re.search(r"roles\.(\w+)\)", text(at(one.body, "properties", "roleDefinitionId")))
        assert role
        who, where = text(at(one.body, "properties", "principalId")), text(at(one.body, "scope"))
        found.add((who, role[1], where, one.conditional))
        assert text(at(one.body, "name")) == f"guid({where}.id, {who}, roles.{role[1]})"
    return found


def test_rights_are_the_least() -> None:
    """Exactly these; what is more than running needs hangs on a switch."""
    app, sources = "appPrincipalId", "sourcesPrincipalId"
    assert granted() == {
        (app, "storageBlobDataOwner", "host", False),
        (app, "storageTableDataContributor", "host", False),
        (app, "storageTableDataContributor", "state", False),
        (app, "storageBlobDataContributor", "state", False),
        (sources, "storageBlobDataReader", "sources", False),
        (app, "serviceBusDataReceiver", "jobs", False),
        (app, "serviceBusDataSender", "jobs", False),
        (app, "serviceBusDataReceiver", "events", False),
        (app, "serviceBusDataSender", "events", False),
        (app, "serviceBusDataOwner", "jobs", True),
        (app, "serviceBusDataOwner", "events", True),
        (app, "keyVaultSecretsUser", "vault", False),
        (app, "keyVaultSecretsOfficer", "vault", True),
        ("secretsOfficerId", "keyVaultSecretsOfficer", "vault", True),
        (app, "monitoringMetricsPublisher", "insights", False),
    }


def test_private_networking_reaches_every_part() -> None:
    """With the switch, each part that can be closed has its endpoint, and its public door is shut."""
    main = read(INFRA / "main.bicep")
    network = main.of("module")["network"]
    targets = {literal(at(item, "name")) for item in at(network.body, "params", "targets").named_children}
    assert targets == {
        "host-blob",
        "host-queue",
        "host-table",
        "state-blob",
        "state-table",
        "sources-blob",
        "vault",
        "bus",
    }
    shut = [file.path.stem for file in FILES if "privateOnly ? 'Disabled'" in file.path.read_text("utf-8")]
    assert shut == ["bus", "storage", "vault"]


def test_subnets_lie_within_their_network() -> None:
    """The default ranges are disjoint parts of the network's."""
    main = read(INFRA / "main.bicep").of("param")
    whole, app, endpoints = (
        ipaddress.ip_network(str(literal(main[name].value)))
        for name in ("addressPrefix", "appPrefix", "endpointsPrefix")
    )
    assert app.subnet_of(whole)
    assert endpoints.subnet_of(whole)
    assert not app.overlaps(endpoints)


def test_app_roles_are_those_of_the_app() -> None:
    """The roles of the registration are the four that the app knows, each with an id of its own."""
    roles = json.loads((INFRA / "app-roles.json").read_text("utf-8"))
    assert {role["value"] for role in roles} == set(APP_ROLES)
    assert len({role["id"] for role in roles}) == len(roles)
    assert all(role["isEnabled"] and role["allowedMemberTypes"] == ["User", "Application"] for role in roles)


def test_the_repository_has_no_other_infrastructure() -> None:
    """Everything that is deployed stands in infra/."""
    ignored = {".venv", "tools", "node_modules", "dist"}
    found = [path for path in ROOT.rglob("*.bicep") if not ignored & set(path.relative_to(ROOT).parts)]
    assert all(path.is_relative_to(INFRA) for path in found)
