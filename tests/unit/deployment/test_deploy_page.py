"""docs/deploy.md: it names only what is there, and names all of it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import click
import pytest

from shared.cli.root import dynsync
from shared.permissions import APP_ROLES
from tests.unit.deployment.test_pipelines import AZ
from tests.unit.infra.bicep import INFRA, literal, read
from tests.unit.infra.test_alerts import rules

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/deploy.md").read_text("utf-8")
MAIN = read(INFRA / "main.bicep")
TYPED = "\n".join(re.findall(r"^```sh\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL))
BY_HAND = {
    "login",
    "ad app delete",
    "storage blob upload",
    "keyvault secret recover",
    "keyvault secret backup",
    "group create",
    "keyvault secret set-attributes",
    "keyvault recover",
    "functionapp keys set",
    "functionapp stop",
    "provider register",
}
"""Commands of the Azure command line that a person types. Source: Microsoft Learn, Azure CLI reference."""


def rows(heading: str) -> list[list[str]]:
    """The cells of the first table below a heading, without its head."""
    part = re.split(rf"^##+ {re.escape(heading)}$", PAGE, maxsplit=1, flags=re.MULTILINE)[1]
    table = re.search(r"(?:^\|.*\n)+", part, flags=re.MULTILINE)
    assert table
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table[0].splitlines()[2:]]


def test_every_parameter_is_there_with_its_default() -> None:
    """The table of parameters is that of main.bicep, in its order of meaning, defaults included."""
    told = {re.sub("`", "", row[0]).strip("| "): row for row in rows("What can be chosen")}
    assert set(told) == set(MAIN.of("param"))
    for name, one in MAIN.of("param").items():
        default = literal(one.value) if one.value is not None else None
        if default not in (None, ""):
            word = str(default).lower() if isinstance(default, bool) else str(default)
            assert told[name][1].startswith(f"`{word}`"), name


def test_variables_of_azd_are_those_of_the_parameter_file() -> None:
    """What `azd env set` is told to set is read by the parameter file or by a hook."""
    document = json.loads((INFRA / "main.parameters.json").read_text("utf-8"))["parameters"]
    given = {name: re.findall(r"\$\{([A-Z_]+)", str(entry["value"]))[0] for name, entry in document.items()}
    told = {re.sub("`", "", row[0]).strip("| "): row[2].strip("` |") for row in rows("What can be chosen")}
    assert {name: variable for name, variable in told.items() if variable} == given
    assert set(re.findall(r"azd env set ([A-Z_]+)", PAGE)) <= {*given.values(), "DYNSYNC_SIGN_IN"}
    assert set(re.findall(r"azd env get-value ([A-Z_]+)", PAGE)) <= {*MAIN.of("output"), *given.values()}


@pytest.mark.parametrize("line", [line for line in TYPED.splitlines() if "./dynsync" in line])
def test_every_command_of_ours_is_there(line: str) -> None:
    """Each command and each of its options."""
    words = line.partition("#")[0].split("./dynsync ")[1].split()
    command: click.Command = dynsync
    while isinstance(command, click.Group):
        command = command.commands[words.pop(0)]
    options = {name for parameter in command.params for name in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= options


def test_the_first_sync_is_told_in_an_order_that_works() -> None:
    """No secret before a definition may name it, no role before a definition can sign in, no doctor before the role."""
    steps = ["azd up", "init accounts-from-erp ", "secrets set", "init accounts-from-erp --force", "check accounts"]
    steps += ["role accounts", "doctor accounts", "plan accounts", "apply JOB", "azd deploy", "run accounts"]
    places = [TYPED.find(step if step.startswith("azd") else f"./dynsync {step}") for step in steps]
    assert -1 not in places, dict(zip(steps, places, strict=True))
    assert places == sorted(places)


def test_other_commands_are_known() -> None:
    """Those of the Azure command line by their words; scripts by their files."""
    said = re.findall(r"`az ([a-z][^`]*)`|^az ([^#\n]*)", PAGE.replace("\n`", "`"), flags=re.MULTILINE)
    for words in (first or second for first, second in said):
        assert any(words.startswith(known) for known in AZ | BY_HAND), words
    for path in re.findall(r"`(tools/[\w-]+|infra/[\w./]+\.(?:json|bicep))`", PAGE):
        assert (ROOT / path).exists(), path


def test_every_alert_is_there() -> None:
    """Name and severity of each rule over the log; and those over queues and vault."""
    told = {row[0].strip("`| "): row[-1].strip("| ") for row in rows("Watching")}
    logged = {str(rule["name"]): str(rule["severity"]) for rule in rules()}
    assert logged.items() <= told.items()
    assert set(told) - set(logged) == {"dead-letters", "backlog", "untaken", "secret-ends"}
    bicep = (INFRA / "modules/alerts.bicep").read_text("utf-8")
    assert all(f"{name}'" in bicep for name in set(told) - set(logged))


def test_every_app_role_is_there() -> None:
    """The four that the registration has."""
    assert {row[0].strip("`| ") for row in rows("Signing in")} == set(APP_ROLES)


def anchor(heading: str) -> str:
    """The link to a heading, as GitHub and Azure DevOps make it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_links_within_the_page_lead_somewhere() -> None:
    """Also the headings that messages of the tools name."""
    headings = re.findall(r"^##+ (.*)$", PAGE, flags=re.MULTILINE)
    assert set(re.findall(r"\]\(#([^)]+)\)", PAGE)) <= {anchor(one) for one in headings}
    for path in [*(ROOT / "tools/deployment").glob("*.py"), ROOT / "azure-pipelines.yml", *INFRA.rglob("*.bicep")]:
        text = " ".join(path.read_text("utf-8").replace("#", " ").split())
        for name in re.findall(r"docs/deploy\.md,? \"?([A-Z][a-z]+(?: [a-z]+)*)", text):
            assert name in headings, f"{path.name} → {name}"


def test_every_product_is_right() -> None:
    """`30 × 2,000 s × 2 GB = 120,000` and the like, to a twentieth."""
    sums = re.findall(r"((?:[\d.,]+(?: million| M)?[^=×|\n]{0,12} × )+\$?[\d.,]+)[^=|\n]{0,20} = \$?([\d.,]+\d)", PAGE)
    assert len(sums) >= 5
    for left, right in sums:
        product = 1.0
        for part in left.split(" × "):
            number = float(re.sub(r"[^\d.]", "", part))
            product *= number * (1e6 if re.search(r"\d (?:million|M)\b", part) else 1)
        told = float(right.replace(",", ""))
        assert any(abs(product / unit - told) <= told / 20 for unit in (1, 1e6)), (left, right, product)


def dollars(text: str) -> float:
    return float(re.sub(r"[^\d.]", "", text))


def test_the_sums_are_right() -> None:
    """The estimate adds up, to the dollar; and what is built on it."""
    *priced, together = rows("What it costs")
    for column in (3, 5):
        assert abs(sum(dollars(row[column]) for row in priced) - dollars(together[column])) <= 0.5
    idle = dollars(together[3])
    told = " ".join(PAGE.split())
    real_time, production = (
        dollars(re.findall(pattern, told)[0])
        for pattern in (r"With the base: \*\*about (\$\d+)", r"begins at \*\*about (\$\d+)")
    )
    assert real_time == idle + 62 + 12 + 135
    assert production == idle + 42 + 2
    assert "about $728" in told
    assert abs(677 + 8 * 7.30 + 5 * 0.50 - 10 - 728) < 0.5


def test_the_alerts_that_are_priced_are_those_that_there_are() -> None:
    """Rules over the log, by how often they look."""
    (row,) = (one for one in rows("What it costs") if "over logs" in one[0])
    often = sum(rule["minutes"] == 5 for rule in rules())
    assert row[2] == f"{often} and {len(rules()) - often}"
    assert dollars(row[3]) == often * 1.5 + (len(rules()) - often) * 0.5
    assert {rule["minutes"] for rule in rules()} <= {5, 15, 30, 60}, "other turns have other prices"


def test_branches_are_looked_at_by_an_identity_of_their_own() -> None:
    """One registration for both environments would let every branch deploy."""
    told = " ".join(PAGE.split())
    assert "register two applications in Entra" in told
    assert "`AZURE_CLIENT_ID` as a variable **of each environment**" in told
    given = {row[0].strip("`"): row[1] for row in rows("From your own pipeline")}
    assert set(given) == {"production", "preview"}
    assert "Contributor" not in given["preview"]


def test_what_cannot_be_changed_later_is_told() -> None:
    """All of it are parameters, and those in which production differs from the defaults are named."""
    (told,) = re.findall(r"^Some of these Azure takes once.*?\n\n", PAGE, flags=re.MULTILINE | re.DOTALL)
    named = set(re.findall(r"`([a-z]\w+)`", told)) - {"flex"}
    assert named <= set(MAIN.of("param"))
    assert {"location", "softDeleteDays", "storageRedundancy", "busTier", "privateNetworking", "hosting"} <= named
