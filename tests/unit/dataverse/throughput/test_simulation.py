"""Against any service, the client finds its level by itself, near the ceiling, and is seldom refused."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.unit.dataverse.throughput.simulated import Model, Simulation, ceiling

WINDOW_S = 300.0


def sustained(model: Model, **more: object):
    """Six windows after three to warm up."""
    simulation = Simulation(model, **more)
    return simulation.run(9 * model.window_s, from_s=3 * model.window_s), simulation


@settings(max_examples=examples(15), deadline=None)
@given(
    servers=st.integers(1, 6),
    hint=st.sampled_from([None, 2, 4, 8, 48]),
    row_s=st.sampled_from([0.004, 0.02, 0.1]),
    counted=st.sampled_from(["end", "running"]),
)
def test_it_converges_near_the_ceiling(servers, hint, row_s, counted):
    """At least 95 % of what execution time allows, at most 2 % refused, whatever the servers, their hint and speed."""
    model = Model(servers=servers, hint=hint, row_s=row_s, counted=counted)
    result, simulation = sustained(model)
    rows = simulation.users[0].sizes.rows
    assert result.rate >= 0.95 * ceiling(model, rows=rows)
    assert result.throttled_share <= 0.02


@pytest.mark.parametrize("hint", [None, 4, 8, 48])
def test_two_servers_of_the_usual_speed(hint):
    """There at most 1 % is refused."""
    result, _ = sustained(Model(hint=hint))
    assert result.rate >= 0.95 * ceiling(Model())
    assert result.throttled_share <= 0.01


@pytest.mark.parametrize("seed", range(3))
def test_servers_met_by_chance(seed):
    """Where a balancer sends requests anywhere, servers fill unevenly; still nine tenths are reached."""
    model = Model(servers=2, spread="chance", hint=8)
    result, _ = sustained(model, seed=seed)
    assert result.rate >= 0.9 * ceiling(model)
    assert result.throttled_share <= 0.01


@pytest.mark.parametrize("hint", [8, 48])
@pytest.mark.parametrize("counted", ["end", "running"])
def test_a_way_that_gets_slower_and_faster(hint, counted):
    """What the client measures is up to a third more than the service counts, then less again."""
    model = Model(hint=hint, counted=counted, weather=0.3)
    result, _ = sustained(model)
    assert result.rate >= 0.94 * ceiling(model)
    assert result.throttled_share <= 0.01


@pytest.mark.parametrize("users", [1, 2, 4])
def test_short_windows_lose_little(users):
    """A stop that came back after each window would cost the length of a call each time: nine hundredths."""
    model = Model(window_s=45, hint=8, overhead=0.03, pressure_s=1.0)
    shares = [sustained(model, users=users, seed=seed)[0] for seed in range(2)]
    assert sum(result.rate for result in shares) / 2 >= 0.955 * ceiling(model, users)
    assert max(result.throttled_share for result in shares) <= 0.01


def test_users_add_up():
    """Two and four users do two and four times as much: each has its own limits."""
    one, two, four = (sustained(Model(hint=8), users=users)[0].rate for users in (1, 2, 4))
    assert two >= 0.95 * 2 * one
    assert four >= 0.95 * 4 * one


def test_many_small_requests_are_held_by_their_number():
    """With ten rows a call the number of requests is the limit; it is used, and not run into."""
    model = Model(window_s=30, row_s=0.0005, call_s=0.05, hint=8)
    result, _ = sustained(model, most_rows=10)
    assert result.rate >= 0.9 * ceiling(model, rows=10)
    assert result.throttled_share <= 0.01


def test_a_server_that_is_soon_full_is_not_flooded():
    """Where more requests at a time only make each slower, the level stays near what is useful."""
    model = Model(busy_per_s=1e9, requests_per_s=1e9, strength=6, hint=4)
    result, simulation = sustained(model)
    assert result.rate >= 0.95 * 6 / (0.05 / 1000 + 0.004)
    assert simulation.users[0].controller.level <= 18


def test_a_window_that_is_told_wrongly_is_found_out():
    """A service that names 300 seconds and keeps 60 is asked again soon enough, and not after five minutes."""
    model = Model(window_s=60, told_window=False, hint=8)
    result, _ = sustained(model)
    assert result.rate >= 0.8 * ceiling(model)


@pytest.mark.parametrize("ended_at", ["evenly", "just now"])
def test_what_another_job_used_is_not_taken_for_the_limit(ended_at):
    """A job that starts with the window used up by the one before is refused at once; it does not stand still then."""
    model = Model(hint=8)
    simulation = Simulation(model)
    all_s = model.busy_per_s * model.window_s
    for uses in simulation.users[0].uses:
        steps = 100 if ended_at == "evenly" else 1
        uses.extend((model.window_s * ((step + 0.99) / steps - 1), all_s / steps) for step in range(steps))
    result = simulation.run(9 * model.window_s, from_s=3 * model.window_s)
    assert result.rate >= 0.95 * ceiling(model)
    assert result.throttled_share <= 0.01


def test_a_cap_is_kept():
    """Never more requests at a time than the definition allows."""
    _, simulation = sustained(Model(hint=48), most=3)
    assert max(simulation.levels) <= 3
