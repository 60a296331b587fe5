"""What is said of one part reaches that part: parameters, outputs, conditions, settings, doors."""

from __future__ import annotations

import re

import pytest
from tree_sitter import Node

from tests.unit.infra.bicep import INFRA, ROOT, Declaration, literal, members, read, text

MAIN = read(INFRA / "main.bicep")
COMPUTED = {
    "environmentName": "plainName",
    "tags": "allTags",
    "redundancy": "storageRedundancy",
    "privateOnly": "privateNetworking",
    "tier": "chosenBusTier",
    "namespaceName": "'sb-${namePrefix}-${plainName}-${suffix}'",
    "vaultName": "'kv${suffix}'",
    "delegation": "hosting == 'flex' ? 'Microsoft.App/environments' : 'Microsoft.Web/serverFarms'",
    "appName": "'func-${namePrefix}-${plainName}-${suffix}'",
    "planName": "'plan-${namePrefix}-${plainName}'",
    "busHost": "bus.outputs.host",
    "subnetId": "privateNetworking ? network.outputs.appSubnetId : ''",
    "signInTenantId": "empty(signInTenantId) ? tenant().tenantId : signInTenantId",
    "enabled": "alertsEnabled",
    "displayName": "'Dynamics Sync ${environmentName}'",
    "budgetName": "'budget-${namePrefix}-${plainName}'",
    "amount": "monthlyBudget",
    "startDate": "budgetStart",
    "contactEmail": "alertEmail",
}
"""What a module is given under another name than that of the parameter or output which it comes from."""
CONDITIONS = {
    ("main.bicep", "network"): "privateNetworking",
    ("main.bicep", "budget"): "monthlyBudget > 0",
    ("access.bicep", "jobsScale"): "exactScaling",
    ("access.bicep", "eventsScale"): "exactScaling",
    ("access.bicep", "secretsWrite"): "secretsFromPage",
    ("access.bicep", "secretsOfficer"): "!empty(secretsOfficerId)",
    ("app.bicep", "flexApp"): "flex",
    ("app.bicep", "classicApp"): "!flex",
    ("alerts.bicep", "group"): "makesGroup",
    ("alerts.bicep", "secretEnds"): "enabled && !(empty(actionGroupId) && empty(alertEmail))",
}
ROLES = {
    "storageBlobDataOwner": "b7e6dc6d-f1e8-4753-8033-0f276bb0955b",
    "storageBlobDataContributor": "ba92f5b4-2d11-453d-a403-e96b0029c9fe",
    "storageBlobDataReader": "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1",
    "storageTableDataContributor": "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3",
    "serviceBusDataReceiver": "4f6d3b9b-027b-4f4c-9142-0e5a2a2247e0",
    "serviceBusDataSender": "69a216fc-b8fb-44d8-bc22-1f3c2cd27a39",
    "serviceBusDataOwner": "090c5cfd-751d-490a-894a-3ce6f1109419",
    "keyVaultSecretsUser": "4633458b-17de-408a-b874-0445c86b69e6",
    "keyVaultSecretsOfficer": "b86a8fe4-44ce-4948-aee5-eccb2c155cd7",
    "monitoringMetricsPublisher": "3913510d-42f4-4e42-8a64-420c390055eb",
}
"""Ids of built-in roles. Source: Microsoft Learn, "Azure built-in roles"."""
SETTINGS = {
    "AzureWebJobsStorage__accountName": "hostAccountName",
    "AzureWebJobsStorage__credential": "'managedidentity'",
    "AzureWebJobsStorage__clientId": "appClientId",
    "AzureWebJobsDisableHomepage": "'true'",
    "APPLICATIONINSIGHTS_CONNECTION_STRING": "insightsConnection",
    "APPLICATIONINSIGHTS_AUTHENTICATION_STRING": "'ClientId=${appClientId};Authorization=AAD'",
    "AZURE_CLIENT_ID": "appClientId",
    "OVERRIDE_USE_MI_FIC_ASSERTION_CLIENTID": "appClientId",
    "WEBSITE_AUTH_AAD_ALLOWED_TENANTS": "signInTenantId",
    "DYNSYNC_BUS__fullyQualifiedNamespace": "busHost",
    "DYNSYNC_BUS__credential": "'managedidentity'",
    "DYNSYNC_BUS__clientId": "appClientId",
    "DYNSYNC_KEY_VAULT_URL": "vaultUrl",
    "DYNSYNC_STATE_TABLES": "stateTablesUrl",
    "DYNSYNC_STATE_BLOBS": "stateBlobsUrl",
    "DYNSYNC_STATE_IDENTITY": "appClientId",
    "DYNSYNC_SOURCE_STORAGE": "sourcesBlobsUrl",
    "DYNSYNC_SOURCE_IDENTITY": "sourcesClientId",
    "DYNSYNC_RETENTION_DAYS": "string(retentionDays)",
    "DYNSYNC_KEY_SYNCS": "keySyncs",
    "DYNSYNC_TENANT_ID": "signInTenantId",
    "DYNSYNC_API_CLIENT_ID": "signInClientId",
    "DYNSYNC_UPLOAD_MB": "string(uploadMB)",
    "DYNSYNC_LANES": "string(lanes)",
}
OUTPUTS = {
    "AZURE_TENANT_ID": "empty(signInTenantId) ? tenant().tenantId : signInTenantId",
    "AZURE_RESOURCE_GROUP": "group.name",
    "DYNSYNC_APP_NAME": "app.outputs.appName",
    "DYNSYNC_APP_URL": "app.outputs.appUrl",
    "DYNSYNC_SIGN_IN_IS_ON": "!empty(signInClientId)",
    "DYNSYNC_KEY_VAULT_URL": "vault.outputs.vaultUrl",
    "DYNSYNC_SOURCE_STORAGE": "storage.outputs.sourcesBlobsUrl",
    "DYNSYNC_APP_CLIENT_ID": "identities.outputs.appClientId",
    "DYNSYNC_APP_PRINCIPAL_ID": "identities.outputs.appPrincipalId",
    "DYNSYNC_PACKAGE_CONTAINER": "storage.outputs.packageContainerUrl",
    "DYNSYNC_BUS_HOST": "bus.outputs.host",
}
"""Whoever may see a deployment sees these: names, addresses and ids."""
ZONES = {
    "blob": "'privatelink.blob.${environment().suffixes.storage}'",
    "queue": "'privatelink.queue.${environment().suffixes.storage}'",
    "table": "'privatelink.table.${environment().suffixes.storage}'",
    "vault": "'privatelink.vaultcore.azure.net'",
    "namespace": "'privatelink.servicebus.windows.net'",
}
"""Source: Microsoft Learn, "Azure Private Endpoint private DNS zone values"."""


def module(name: str) -> dict[str, Declaration]:
    """The resources of a module, by name."""
    return read(INFRA / f"modules/{name}.bicep").of("resource")


def at(node: Node, *path: str) -> Node:
    for name in path:
        node = members(node)[name][1]
    return node


def said(node: Node, *path: str) -> str:
    return " ".join(text(at(node, *path)).split())


def table(name: str, variable: str) -> dict[str, str]:
    node = read(INFRA / f"modules/{name}.bicep").of("var")[variable].value
    assert node is not None
    return {key: text(value) for key, (_, value) in members(node).items()}


@pytest.mark.parametrize("one", MAIN.of("module").values(), ids=lambda one: one.name)
def test_a_module_gets_what_its_parameter_is_called(one: Declaration) -> None:
    """By the name of the parameter or output; what is called otherwise stands in the list."""
    for name, (_, value) in members(at(one.body, "params")).items():
        given = text(value)
        by_name = given == name or re.fullmatch(rf"\w+\.outputs\.{name}", given)
        assert by_name or given == COMPUTED.get(name) or name == "targets", f"{name}: {given}"


def test_the_app_begins_when_its_rights_are_there() -> None:
    """Otherwise its first start fails for want of them."""
    assert [text(item) for item in at(MAIN.of("module")["app"].body, "dependsOn").named_children] == ["access"]


def test_conditions_are_those_that_are_meant() -> None:
    """Everything that is made only sometimes, and when."""
    found = {}
    for path in [INFRA / "main.bicep", *sorted((INFRA / "modules").glob("*.bicep"))]:
        for kind in ("resource", "module"):
            for one in read(path).of(kind).values():
                condition = next((child for child in one.node.children if child.type == "if_statement"), None)
                if condition is not None:
                    head = text(condition).partition("{")[0].strip().removeprefix("if").strip()
                    found[path.name, one.name] = head[1:-1]
    assert found == CONDITIONS
    assert text(MAIN.of("var")["chosenBusTier"].value) == "privateNetworking ? 'Premium' : busTier"  # type: ignore[arg-type]


def test_roles_are_those_of_azure() -> None:
    """Name by name; every principal of the app is a service principal."""
    assert {name: value.strip("'") for name, value in table("access", "roles").items()} == ROLES
    for name, one in module("access").items():
        if not one.existing:
            kind = said(one.body, "properties", "principalType")
            assert kind == ("secretsOfficerType" if name == "secretsOfficer" else "'ServicePrincipal'"), name


def test_outputs_lead_to_their_own_part() -> None:
    """An output of the host's account is the host's; the deployment tells names and addresses, and no connection."""
    for name, one in read(INFRA / "modules/storage.bicep").of("output").items():
        part = next(part for part in ("host", "state", "sources", "package") if name.startswith(part))
        symbols = set(re.findall(r"\b(host|state|sources)\.", text(one.value)))  # type: ignore[arg-type]
        assert symbols == {"host" if part == "package" else part}, name
    assert {name: text(one.value) for name, one in MAIN.of("output").items()} == OUTPUTS  # type: ignore[arg-type]


def test_every_setting_has_its_own_value() -> None:
    """The app's identity here, the sources' there; nothing crosswise."""
    found = table("app", "settings")
    assert {name: found.get(name) for name in SETTINGS} == SETTINGS
    assert set(found) - set(SETTINGS) == {"DYNSYNC_MEMORY_MB", "DYNSYNC_DISK_MB", "DYNSYNC_MAX_SLICE_S"}


def test_settings_of_ones_own_outlive_a_deployment() -> None:
    """A deployment sets all settings anew; those of a parameter are among them, and the plan's have the last word."""
    app = read(INFRA / "modules/app.bicep").of("var")
    assert text(app["allSettings"].value) == (  # type: ignore[arg-type]
        "union(settings, moreSettings, flex ? {} : union(classicSettings, planSettings))"
    )
    assert text(app["planSettings"].value) == "hosting == 'premium' ? premiumSettings : dedicatedSettings"  # type: ignore[arg-type]
    assert said(module("app-settings")["appSettings"].body, "properties") == "settings"
    assert "settings: allSettings" in (INFRA / "modules/app.bicep").read_text("utf-8")


@pytest.mark.parametrize("name", ["flexApp", "classicApp"])
def test_both_kinds_of_app_are_entered_and_left_alike(name: str) -> None:
    """Both identities, the network, the plan."""
    body = module("app")[name].body
    assert said(body, "identity", "userAssignedIdentities") == "{ '${appIdentityId}': {} '${sourcesIdentityId}': {} }"
    assert said(body, "properties", "virtualNetworkSubnetId") == "empty(subnetId) ? null : subnetId"
    assert said(body, "properties", "serverFarmId") == "plan.id"
    assert literal(at(body, "properties", "siteConfig", "scmMinTlsVersion")) == "1.2"


def test_flex_takes_its_package_by_identity() -> None:
    """And runs the Python that everything is tested with."""
    app = read(INFRA / "modules/app.bicep")
    config = at(app.of("resource")["flexApp"].body, "properties", "functionAppConfig")
    assert said(config, "deployment", "storage", "authentication", "type") == "'UserAssignedIdentity'"
    assert said(config, "deployment", "storage", "authentication", "userAssignedIdentityResourceId") == "appIdentityId"
    assert said(config, "deployment", "storage", "value") == "packageContainerUrl"
    assert said(config, "runtime", "version") == "pythonVersion"
    assert text(app.of("var")["pythonVersion"].value).strip("'") == (ROOT / ".python-version").read_text().strip()  # type: ignore[arg-type]
    assert said(config, "scaleAndConcurrency", "maximumInstanceCount") == "max(maximumInstances, 40)"


def test_each_plan_has_a_size_of_its_own_kind() -> None:
    """Who chooses only `premium` or `dedicated` gets the smallest of that kind, not a size of the other."""
    plans = read(INFRA / "modules/app.bicep").of("var")["plans"].value
    smallest = {name: value.strip("'") for name, value in table("app", "smallest").items()}
    sizes = read(INFRA / "main.bicep").of("param")["planSize"]
    assert {name: one[:-1] for name, one in smallest.items()} == {"premium": "EP", "dedicated": "P0v"}
    assert set(smallest.values()) <= {literal(one) for one in sizes.decorators["allowed"].named_children}  # type: ignore[union-attr]
    assert literal(sizes.value) == ""  # type: ignore[arg-type]
    assert plans is not None
    for kind in smallest:
        assert said(plans, kind, "name") == f"empty(planSize) ? smallest.{kind} : planSize"
    assert text(read(INFRA / "modules/app.bicep").of("resource")["plan"].body).count("sku: plans[hosting]") == 1


def test_premium_in_a_private_network_still_grows() -> None:
    """The platform cannot look into a private namespace, so the running app tells how long the queues are."""
    config = at(module("app")["classicApp"].body, "properties", "siteConfig")
    assert said(config, "functionsRuntimeScaleMonitoringEnabled") == "hosting == 'premium' && !empty(subnetId)"


def test_who_signs_in_is_of_the_tenant_and_meant_for_the_app() -> None:
    """Issuer, audiences, https, and the app's identity instead of a client secret."""
    properties = at(module("app-settings")["signIn"].body, "properties")
    entra = at(properties, "identityProviders", "azureActiveDirectory")
    assert said(entra, "enabled") == said(properties, "platform", "enabled") == "!empty(signInClientId)"
    assert said(entra, "registration", "clientId") == "signInClientId"
    assert said(entra, "registration", "clientSecretSettingName") == "'OVERRIDE_USE_MI_FIC_ASSERTION_CLIENTID'"
    issuer = "'${environment().authentication.loginEndpoint}${signInTenantId}/v2.0'"
    assert said(entra, "registration", "openIdIssuer") == issuer
    audiences = [text(one) for one in at(entra, "validation", "allowedAudiences").named_children]
    assert audiences == ["signInClientId", "'api://${signInClientId}'"]
    assert literal(at(properties, "httpSettings", "requireHttps")) is True
    assert literal(at(properties, "login", "tokenStore", "enabled")) is False


def test_what_is_deleted_comes_back() -> None:
    """Secrets, blobs and containers, for the same number of days."""
    vault = at(module("vault")["vault"].body, "properties")
    assert literal(at(vault, "enableSoftDelete")) is True
    assert said(vault, "softDeleteRetentionInDays") == "softDeleteDays"
    for name in ("hostBlobs", "stateBlobs", "sourceBlobs"):
        for policy in ("deleteRetentionPolicy", "containerDeleteRetentionPolicy"):
            kept = said(module("storage")[name].body, "properties", policy)
            assert kept == "{ enabled: true, days: softDeleteDays }", name


def test_who_read_what_is_written_down() -> None:
    """Vault, state and queues have their records switched on."""
    for name, resource, categories in (
        ("vault", "logs", {"AuditEvent"}),
        ("storage", "stateLogs", {"StorageRead", "StorageDelete"}),
        ("bus", "logs", {"OperationalLogs"}),
    ):
        logs = at(module(name)[resource].body, "properties", "logs").named_children
        assert {literal(at(one, "category")) for one in logs} == categories
        assert all(literal(at(one, "enabled")) is True for one in logs)
        assert said(module(name)[resource].body, "properties", "workspaceId") == "workspaceId"


def test_public_doors_are_shut_with_the_switch() -> None:
    """Both the door and its rule, of every account, of the vault and of the namespace; nothing is public by itself."""
    storage = module("storage")
    rules = table("storage", "rules")
    assert rules == {"defaultAction": "privateOnly ? 'Deny' : 'Allow'", "bypass": "'AzureServices'"}
    for name in ("host", "state", "sources"):
        properties = at(storage[name].body, "properties")
        assert (said(properties, "publicNetworkAccess"), said(properties, "networkAcls")) == ("closed", "rules")
        assert literal(at(properties, "allowCrossTenantReplication")) is False
        assert literal(at(properties, "defaultToOAuthAuthentication")) is True
    for name in ("packages", "containers"):
        assert said(storage[name].body, "properties") == "{ publicAccess: 'None' }"
    vault = at(module("vault")["vault"].body, "properties")
    assert said(vault, "networkAcls", "defaultAction") == "privateOnly ? 'Deny' : 'Allow'"
    closed = "privateOnly ? 'Disabled' : 'Enabled'"
    namespace = at(module("bus")["namespace"].body, "properties")
    assert said(vault, "publicNetworkAccess") == said(namespace, "publicNetworkAccess") == closed
    assert text(read(INFRA / "modules/storage.bicep").of("var")["closed"].value) == closed  # type: ignore[arg-type]


def test_queues_give_slices_and_batches_their_time() -> None:
    """Locks as long as they may be; several tries; change messages live as long as their parameter says."""
    queues = module("bus")
    for name in ("jobs", "events"):
        properties = at(queues[name].body, "properties")
        assert literal(at(properties, "lockDuration")) == "PT5M"
        assert 5 <= int(str(literal(at(properties, "maxDeliveryCount")))) <= 10
    assert said(queues["events"].body, "properties", "defaultMessageTimeToLive") == "eventTimeToLive"


def test_every_private_endpoint_leads_to_its_part_and_has_its_name() -> None:
    """Target, kind and zone belong together; each zone is linked to the network, each endpoint to its zone."""
    assert table("network", "zones") == ZONES
    parts = read(INFRA / "modules/network.bicep").of("var")["parts"].value
    assert [literal(one) for one in parts.named_children] == list(ZONES)  # type: ignore[union-attr]
    wanted = {
        "host": ("storage.outputs.hostAccountId", {"blob", "queue", "table"}),
        "state": ("storage.outputs.stateAccountId", {"blob", "table"}),
        "sources": ("storage.outputs.sourcesAccountId", {"blob"}),
        "vault": ("vault.outputs.vaultId", {"vault"}),
        "bus": ("bus.outputs.namespaceId", {"namespace"}),
    }
    found: dict[str, set[tuple[str, object]]] = {}
    for one in at(MAIN.of("module")["network"].body, "params", "targets").named_children:
        owner = str(literal(at(one, "name"))).partition("-")[0]
        found.setdefault(owner, set()).add((said(one, "id"), literal(at(one, "part"))))
    assert found == {owner: {(target, part) for part in kinds} for owner, (target, kinds) in wanted.items()}
    network = module("network")
    endpoint = text(network["endpoint"].body)
    assert "privateLinkServiceId: target.id" in endpoint
    assert "groupIds: [target.part]" in endpoint
    assert "'${network.id}/subnets/endpoints'" in endpoint
    assert "zones[targets[number].part]" in text(network["names"].body)
    assert said(network["link"].body, "properties", "virtualNetwork") == "{ id: network.id }"
    output = read(INFRA / "modules/network.bicep").of("output")["appSubnetId"].value
    assert text(output) == "'${network.id}/subnets/app'"  # type: ignore[arg-type]
    assert "properties: { serviceName: delegation }" in text(network["network"].body)
