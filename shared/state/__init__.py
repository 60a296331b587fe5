"""Where jobs, leases, outcomes and a job's files are kept between runs."""

from shared.state.local import LocalState

__all__ = ["LocalState"]
