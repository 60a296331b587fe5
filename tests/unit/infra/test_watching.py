"""Whoever is to be told is told: alert rules, metrics, the vault's events, the budget."""

from __future__ import annotations

from shared.wiring.watching import EVERY_MINUTES
from tests.unit.infra.bicep import INFRA, literal, members, read, text
from tests.unit.infra.test_alerts import rules
from tests.unit.infra.test_references import at, module, said


def test_the_budget_speaks_before_and_when_it_is_spent() -> None:
    """To the action group and the mail address."""
    notifications = at(module("budget")["budget"].body, "properties", "notifications")
    told = {}
    for name, (_, one) in members(notifications).items():
        told[name] = (literal(at(one, "threshold")), literal(at(one, "thresholdType")), literal(at(one, "enabled")))
        assert (said(one, "contactGroups"), said(one, "contactEmails")) == ("groups", "mails")
        assert literal(at(one, "operator")) == "GreaterThanOrEqualTo"
    assert told == {"spent80": (80, "Actual", True), "expected100": (100, "Forecasted", True)}


def test_logs_are_kept_where_the_alerts_look() -> None:
    """Application Insights writes into the workspace and nowhere else."""
    insights = at(module("watching")["insights"].body, "properties")
    assert said(insights, "WorkspaceResourceId") == "workspace.id"
    assert literal(at(insights, "IngestionMode")) == "LogAnalytics"


def test_alerts_reach_people() -> None:
    """Every rule is on by the switch, raised by the first row, and told to the group that was given or made."""
    alerts = read(INFRA / "modules/alerts.bicep")
    made = "!empty(actionGroupId) ? [actionGroupId] : makesGroup ? [group.id] : []"
    assert text(alerts.of("var")["told"].value) == made  # type: ignore[arg-type]
    assert text(alerts.of("var")["makesGroup"].value) == "empty(actionGroupId) && !empty(alertEmail)"  # type: ignore[arg-type]
    resources = alerts.of("resource")
    assert "emailAddress: alertEmail" in text(resources["group"].body)
    rule = at(resources["rule"].body, "properties")
    (criterion,) = at(rule, "criteria", "allOf").named_children
    assert (said(rule, "enabled"), said(rule, "scopes"), said(rule, "actions")) == (
        "enabled",
        "[workspaceId]",
        "{ actionGroups: told }",
    )
    assert (literal(at(criterion, "operator")), literal(at(criterion, "threshold"))) == ("GreaterThan", 0)
    assert said(criterion, "query") == "one.query"
    for name, metric, threshold, dimension in (
        ("deadLetters", "DeadletteredMessages", "0", "*"),
        ("backlog", "ActiveMessages", "backlogMessages", "sync-events"),
    ):
        properties = at(resources[name].body, "properties")
        (criterion,) = at(properties, "criteria", "allOf").named_children
        assert literal(at(criterion, "metricName")) == metric
        assert (said(criterion, "operator"), said(criterion, "threshold")) == ("'GreaterThan'", threshold)
        assert f"values: ['{dimension}']" in text(at(criterion, "dimensions"))
        assert (said(properties, "enabled"), "for id in told" in said(properties, "actions")) == ("enabled", True)
    ends = at(resources["secretEnds"].body, "properties")
    kinds = [literal(one) for one in at(ends, "filter", "includedEventTypes").named_children]
    assert kinds == ["Microsoft.KeyVault.SecretNearExpiry", "Microsoft.KeyVault.SecretExpired"]
    assert said(ends, "destination", "properties", "actionGroups") == "told"


def test_a_window_is_long_enough_for_what_its_query_counts() -> None:
    """The app looks every five minutes: two looks at a stranded job fit in, and a few that stay away."""
    back = {str(rule["name"]): int(str(rule["window"])) for rule in rules()}
    often = {str(rule["name"]): int(str(rule["minutes"])) for rule in rules()}
    assert back["job-stranded"] >= 3 * EVERY_MINUTES
    assert back["app-silent"] >= 4 * EVERY_MINUTES
    assert min(back[name] for name in ("parked", "listener-stalled", "lag", "definition-broken")) >= 2 * EVERY_MINUTES
    # Two looks that follow each other, and four at least, fit into one window: so each difference is seen.
    assert back["events-rejected"] >= max(often["events-rejected"] + EVERY_MINUTES, 5 * EVERY_MINUTES)
    rule = at(module("alerts")["rule"].body, "properties")
    assert said(rule, "evaluationFrequency") == "'PT${one.minutes}M'"
    assert said(rule, "windowSize") == "'PT${one.window}M'"


def test_a_trigger_that_takes_nothing_is_told() -> None:
    """A few messages are enough: they wait all of half an hour, and not one is done with. Both at once."""
    properties = at(module("alerts")["untaken"].body, "properties")
    told = [
        tuple(str(literal(at(one, name))) for name in ("metricName", "timeAggregation", "operator", "threshold"))
        for one in at(properties, "criteria", "allOf").named_children
    ]
    assert told == [
        ("ActiveMessages", "Minimum", "GreaterThan", "0"),
        ("CompleteMessage", "Total", "LessThanOrEqual", "0"),
    ]
    assert text(at(properties, "criteria")).count("values: ['sync-events']") == 2
    assert (said(properties, "scopes"), said(properties, "enabled")) == ("[namespaceId]", "enabled")
    assert "for id in told" in said(properties, "actions")
    assert literal(at(properties, "windowSize")) == "PT30M"
