"""Self-driving throughput: how many requests at a time, how many rows in each, and what the wall was.

Decisions are pure and get the time as an argument (`budget`, `controller`, `batch_size`, `wall`); `lanes` acts on them.
"""
