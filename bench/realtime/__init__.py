"""What real time costs, from the queue to the record, beside one call per message."""
