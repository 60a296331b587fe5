"""Real time: messages are gathered, and applied by the same rules as a batch job's records.

hearing     what a sync's definition means for messages
turns       the order of a batch: what is stale, what is folded, what has to wait for another turn
line        one sync's warm connection and working memory; applies a batch
writing     sends what a turn planned
listening   from a message to its outcome: parking, rejects, the ledger, what is wanted of the listener
gathering   messages in flight become one batch
"""
