"""The deployment, the settings sample, `wiring` and the functions say the same."""

from __future__ import annotations

import json
import re

from shared.wiring.settings import Settings
from tests.unit.infra.bicep import INFRA, ROOT, literal, members, read, text

APP = read(INFRA / "modules/app.bicep")
EXAMPLES = {
    "hostAccountName": "sthostabc",
    "insightsConnection": "InstrumentationKey=00000000-0000-0000-0000-000000000000",
    "appClientId": "11111111-1111-1111-1111-111111111111",
    "sourcesClientId": "22222222-2222-2222-2222-222222222222",
    "signInClientId": "33333333-3333-3333-3333-333333333333",
    "signInTenantId": "44444444-4444-4444-4444-444444444444",
    "busHost": "sb-dynsync-dev-abc.servicebus.windows.net",
    "vaultUrl": "https://kvabc.vault.azure.net",
    "stateTablesUrl": "https://ststateabc.table.core.windows.net",
    "stateBlobsUrl": "https://ststateabc.blob.core.windows.net",
    "sourcesBlobsUrl": "https://stsrcabc.blob.core.windows.net",
    "keySyncs": "accounts-from-erp,contacts",
    "string(retentionDays)": "90",
    "string(uploadMB)": "10",
    "string(lanes)": "64",
    "flex ? jobMemory[string(instanceMemoryMB)] : '2048'": "768",
    "flex ? '600' : '20000'": "600",
    "'ClientId=${appClientId};Authorization=AAD'": "ClientId=1;Authorization=AAD",
}
"""What the expressions of the settings come to in a deployment."""
LOCAL_ONLY = {
    "AzureWebJobsStorage": "in Azure the host's storage is entered by identity (AzureWebJobsStorage__…)",
    "FUNCTIONS_WORKER_RUNTIME": "Flex Consumption says it elsewhere; the other plans set it",
    "DYNSYNC_BUS": "in Azure the queues are entered by identity",
    "DYNSYNC_STATE": "in Azure the state is kept in a storage account",
    "DYNSYNC_STATE_SECRET": "in Azure the state is entered by identity",
    "DYNSYNC_SYNCS": "the folder's usual name, within the package",
    "DYNSYNC_CA_FILE": "public authorities",
    "DYNSYNC_THREADS": "the default suits every instance",
    "DYNSYNC_DEVELOPER": "never in Azure",
    "DYNSYNC_APP_URL": "the platform tells where the app is; who puts a domain of their own before it sets this",
}
"""Settings that the sample has and the deployment does not, and why."""
PLATFORM = {"DYNSYNC_BUS__credential"}
"""Read by the Functions host alone."""


def settings() -> dict[str, str]:
    node = APP.of("var")["settings"].value
    assert node is not None
    found = {}
    for name, (_, value) in members(node).items():
        known = literal(value)
        found[name] = known if isinstance(known, str) else EXAMPLES[text(value)]
    return found


def sample() -> set[str]:
    return set(json.loads((ROOT / "local.settings.sample.json").read_text("utf-8"))["Values"])


def read_by_wiring() -> set[str]:
    return set(re.findall(r'"(DYNSYNC_[A-Za-z_]+)"', (ROOT / "shared/wiring/settings.py").read_text("utf-8")))


def test_the_deployment_sets_only_what_is_read() -> None:
    """Every setting of ours in Bicep is one that wiring reads."""
    ours = {name for name in settings() if name.startswith("DYNSYNC_")}
    assert ours - PLATFORM - read_by_wiring() == set()


def test_sample_and_deployment_have_the_same_settings() -> None:
    """What stands in the sample is set in Azure too, or there is a reason why not."""
    assert sample() - set(settings()) == set(LOCAL_ONLY)
    ours = {name for name in settings() if name.startswith("DYNSYNC_")}
    assert ours - PLATFORM - sample() == set()


def test_wiring_takes_what_the_deployment_sets() -> None:
    """The settings of a deployment are sound, and keep state, queues and secrets in Azure by identity."""
    made = Settings.from_environment(settings())
    assert made.state_in_azure
    assert made.state_identity == made.bus_identity == EXAMPLES["appClientId"]
    assert made.source_identity == EXAMPLES["sourcesClientId"]
    assert made.bus is None
    assert made.bus_namespace == EXAMPLES["busHost"]
    assert made.key_vault_url == EXAMPLES["vaultUrl"]
    assert not made.developer


def test_memory_is_known_for_every_size() -> None:
    """Each size of a Flex instance has its working memory, less than the instance."""
    table = APP.of("var")["jobMemory"].value
    sizes = APP.of("param")["instanceMemoryMB"].decorators["allowed"]
    assert table is not None
    assert sizes is not None
    found = {int(name): int(str(literal(value))) for name, (_, value) in members(table).items()}
    assert set(found) == {literal(size) for size in sizes.named_children}
    assert all(64 <= memory <= size / 2 for size, memory in found.items())


def test_the_functions_listen_where_the_deployment_has_queues() -> None:
    """Queue names and the connection's name are the same in function_app.py and in Bicep."""
    source = (ROOT / "function_app.py").read_text("utf-8")
    queues = {
        literal(members(one.body)["name"][1]) for one in read(INFRA / "modules/bus.bicep").of("resource").values()
    }
    listened = set(re.findall(r'queue_name="([^"]+)"', source))
    assert listened
    assert listened <= queues
    assert set(re.findall(r'connection="([^"]+)"', source)) == {"DYNSYNC_BUS"}
    assert {"DYNSYNC_BUS__fullyQualifiedNamespace", "DYNSYNC_BUS__credential", "DYNSYNC_BUS__clientId"} <= set(
        settings()
    )


def test_a_slice_ends_before_the_host_ends_it() -> None:
    """The slice of a job is shorter than the host's limit, and its message's lock is renewed that long."""
    host = json.loads((ROOT / "host.json").read_text("utf-8"))
    slice_s = int(settings()["DYNSYNC_MAX_SLICE_S"])

    def seconds(span: str) -> int:
        hours, minutes, rest = map(int, span.split(":"))
        return hours * 3600 + minutes * 60 + rest

    assert slice_s + 120 <= seconds(host["functionTimeout"])
    assert slice_s + 120 <= seconds(host["extensions"]["serviceBus"]["maxAutoLockRenewalDuration"])


def test_outputs_that_are_called_like_settings_are_such_settings() -> None:
    """Who takes azd's variables into a shell, and calls `dynsync` there, gives it nothing that it refuses."""
    outputs = set(read(INFRA / "main.bicep").of("output"))
    assert outputs & sample() == {"DYNSYNC_APP_URL", "DYNSYNC_KEY_VAULT_URL", "DYNSYNC_SOURCE_STORAGE"}
    parameters = json.loads((INFRA / "main.parameters.json").read_text("utf-8"))["parameters"]
    given = {name for entry in parameters.values() for name in re.findall(r"\$\{([A-Z_]+)", str(entry["value"]))}
    assert given & sample() == {"DYNSYNC_KEY_SYNCS"}


def level(category: str) -> str:
    """The least level that the host sends of a category: the longest beginning of its name decides."""
    levels = json.loads((ROOT / "host.json").read_text("utf-8"))["logging"]["logLevel"]
    parts = category.split(".")
    names = [".".join(parts[:count]) for count in range(len(parts), 0, -1)]
    return str(levels[next((name for name in names if name in levels), "default")])


def test_what_the_app_says_is_sent_and_what_costs_is_not() -> None:
    """Every function's own lines reach the alerts. The host's two lines for each change message do not: a million
    messages a day would cost more in logs than in work."""
    source = (ROOT / "function_app.py").read_text("utf-8")
    functions = re.findall(r"^(?:async )?def (\w+)\(", source, flags=re.MULTILINE)
    assert {"scheduled_syncs", "run_job", "apply_events", "web"} <= set(functions)
    assert {level(f"Function.{name}.User") for name in functions} == {"Information"}
    assert {name for name in functions if level(f"Function.{name}") != "Information"} == {"apply_events"}
    sampling = json.loads((ROOT / "host.json").read_text("utf-8"))["logging"]["applicationInsights"]["samplingSettings"]
    assert "Trace" in sampling["excludedTypes"].split(";"), "an alert would miss what was sampled away"
    assert sampling["maxTelemetryItemsPerSecond"] <= 2


def documented() -> dict[str, str]:
    """Each setting of docs/local.md with what stands as its default."""
    page = (ROOT / "docs/local.md").read_text("utf-8")
    rows = re.findall(r"^\| `(DYNSYNC_[A-Za-z_]+)(…?)` \| ([^|]+) \|", page, flags=re.MULTILINE)
    return {name: default.strip("` ") for name, more, default in rows if not more}


def test_the_page_of_settings_is_that_of_wiring_sample_and_deployment() -> None:
    """docs/local.md names each setting once, and each that there is; its defaults are those that wiring takes."""
    page = (ROOT / "docs/local.md").read_text("utf-8")
    told = documented()
    ours = {name for name in sample() if name.startswith("DYNSYNC_")}
    assert set(told) == read_by_wiring() == ours
    assert {name for name in settings() if name.startswith("DYNSYNC_")} - PLATFORM <= set(told)
    assert all(len(re.findall(rf"^\| `{name}` \|", page, flags=re.MULTILINE)) == 1 for name in told)
    source = (ROOT / "shared/wiring/settings.py").read_text("utf-8")
    numbers = dict(re.findall(r'_whole\(environ, "(\w+)", ([\d_]+)', source))
    assert {name: value.replace("_", "") for name, value in numbers.items()} == {
        name: value for name, value in told.items() if value.isdecimal()
    }
    for name, value in re.findall(r'Path\(_text\(environ, "(\w+)"\) or "([^"]+)"\)', source):
        assert told[name] == value
    assert told["DYNSYNC_DEVELOPER"] == "false"
    words = {value for name, value in told.items() if not value.isdecimal()}
    assert words == {"none", "any", "false", ".dynsync", "syncs", "the machine's own", "the system's", "the platform's"}
