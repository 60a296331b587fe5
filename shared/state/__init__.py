"""Where jobs, leases, outcomes and a job's files are kept between runs."""
