"""A service in virtual time: servers with windows of execution time, some users, and a client that never tires."""

from __future__ import annotations

import heapq
import math
import random
from collections import deque
from dataclasses import dataclass, field

from shared.dataverse.throughput.batch_size import BatchSize
from shared.dataverse.throughput.controller import UNTIL_ONE_ENDS, Controller
from shared.dataverse.throughput.told import Limit, Told


@dataclass
class Model:
    """How the service behaves. `counted`: at which moment a request's time counts; `spread`: which server it meets."""

    servers: int = 2
    window_s: float = 300.0
    busy_per_s: float = 4.0
    requests_per_s: float = 20.0
    at_once: int = 52
    call_s: float = 0.05
    row_s: float = 0.004
    counted: str = "end"
    spread: str = "turns"
    hint: int | None = None
    strength: float = math.inf
    """Requests at a time (all users) that run without making each other slower."""
    told_window: bool = True
    refusal_s: float = 0.02
    """How long a refusal is under way; meanwhile others start."""
    weather: float = 0.0
    """How much slower, at most, everything is for the client for minutes at a time."""
    pressure_s: float = 0.0
    """How much longer a pause gets with each request that is sent within it."""
    overhead: float = 0.05
    """The share of its time, at most, that a request takes longer for the client than the service counts."""


@dataclass
class User:
    controller: Controller
    sizes: BatchSize
    turn: int = 0
    uses: list[deque] = field(default_factory=list)
    running: list[int] = field(default_factory=list)
    started: list[list[float]] = field(default_factory=list)
    blocked_until: list[float] = field(default_factory=list)


@dataclass
class Result:
    """What came out between `from_s` and the end."""

    rows: float = 0
    requests: int = 0
    throttled: int = 0
    seconds: float = 0

    @property
    def rate(self) -> float:
        return self.rows / self.seconds

    @property
    def throttled_share(self) -> float:
        return self.throttled / max(self.requests, 1)


class Simulation:
    """Runs `users` against one model for a while."""

    def __init__(self, model: Model, users: int = 1, *, most_rows: int = 1000, most: int = 52, seed: int = 1) -> None:
        self.model, self.random = model, random.Random(seed)
        self.users = [User(Controller(most=most), BatchSize(most=most_rows)) for _ in range(users)]
        for user in self.users:
            user.uses = [deque() for _ in range(model.servers)]
            user.running = [0] * model.servers
            user.started = [[] for _ in range(model.servers)]
            user.blocked_until = [0.0] * model.servers
        self.events: list[tuple] = []
        self.number = 0
        self.levels: list[int] = []

    def run(self, until_s: float, *, from_s: float = 0.0) -> Result:
        result = Result(seconds=until_s - from_s)
        now = 0.0
        while now < until_s:
            wake = min((self.fill(user, now, result, from_s) for user in self.users), default=math.inf)
            following = self.events[0][0] if self.events else math.inf
            now = min(following, now + wake if wake < math.inf else math.inf)
            while self.events and self.events[0][0] <= now:
                self.end(heapq.heappop(self.events), result, from_s)
        return result

    def fill(self, user: User, now: float, result: Result, from_s: float) -> float:
        """Start what may start; how long until more may."""
        while (wait_s := user.controller.wait_s(now)) == 0.0:
            user.controller.started(now)
            self.send(user, now, result, from_s)
        return math.inf if wait_s == UNTIL_ONE_ENDS else wait_s

    def send(self, user: User, now: float, result: Result, from_s: float) -> None:
        server = self.chosen(user)
        result.requests += now >= from_s
        refused = self.pressed(user, server, now) or self.refusal(user, server, now)
        if refused:
            result.throttled += now >= from_s
            self.number += 1
            heapq.heappush(self.events, (now + self.model.refusal_s, self.number, user, refused, now, 0, 0.0))
            return
        rows = user.sizes.rows
        crowd = sum(sum(one.running) for one in self.users) + 1
        seconds = (self.model.call_s + self.model.row_s * rows) * max(1.0, crowd / self.model.strength)
        user.running[server] += 1
        user.started[server].append(now)
        self.number += 1
        slower = self.model.overhead * self.random.random() + self.model.weather * max(0.0, math.sin(now / 40))
        on_the_way = seconds * slower
        heapq.heappush(self.events, (now + seconds + on_the_way, self.number, user, server, now, rows, seconds))

    def end(self, event: tuple, result: Result, from_s: float) -> None:
        now, _, user, server, began, rows, seconds = event
        if isinstance(server, Told):
            user.controller.throttled(now, server, began=began)
            return
        user.running[server] -= 1
        user.started[server].remove(began)
        user.uses[server].append((now, seconds))
        user.controller.answered(now, began, rows)
        if self.model.hint:
            user.controller.hinted(now, self.model.hint)
        user.sizes.took(rows, now - began)
        self.levels.append(user.controller.level)
        if now > from_s:
            result.rows += rows * min(1.0, (now - from_s) / (now - began))

    def chosen(self, user: User) -> int:
        user.turn += 1
        servers = self.model.servers
        return user.turn % servers if self.model.spread == "turns" else self.random.randrange(servers)

    def pressed(self, user: User, server: int, now: float) -> Told | None:
        """A request within a pause is refused, and makes it longer."""
        if now >= user.blocked_until[server]:
            return None
        user.blocked_until[server] += self.model.pressure_s
        pause_s = math.ceil(user.blocked_until[server] - now)
        return Told(Limit.TIME, pause_s, self.model.window_s if self.model.told_window else 300.0)

    def refusal(self, user: User, server: int, now: float) -> Told | None:
        model, uses = self.model, user.uses[server]
        while uses and uses[0][0] <= now - model.window_s:
            uses.popleft()
        window_s = model.window_s if model.told_window else 300.0
        running = sum(now - at for at in user.started[server]) if model.counted == "running" else 0.0
        over = sum(seconds for _, seconds in uses) + running - model.busy_per_s * model.window_s
        if over >= 0:
            pause_s = self.until_room(uses, over, now)
            user.blocked_until[server] = now + pause_s if model.pressure_s else 0.0
            return Told(Limit.TIME, pause_s, window_s)
        if len(uses) >= model.requests_per_s * model.window_s:
            return Told(Limit.REQUESTS, math.ceil(max(1.0, uses[0][0] + model.window_s - now)), window_s)
        if user.running[server] >= model.at_once:
            return Told(Limit.CONCURRENCY, 1.0, window_s)
        return None

    def until_room(self, uses: deque, over: float, now: float) -> float:
        for at, seconds in uses:
            over -= seconds
            if over < 0:
                return math.ceil(max(at + self.model.window_s - now, 1.0))
        return 1.0


def ceiling(model: Model, users: int = 1, rows: int = 1000) -> float:
    """Rows per second that the model allows at most, sustained."""
    by_time = model.servers * model.busy_per_s / (model.call_s / rows + model.row_s)
    by_count = model.servers * model.requests_per_s * rows
    return users * min(by_time, by_count)
