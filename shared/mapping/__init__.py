"""From a source record to the destination's words: columns, choices, dates, money and lookups, as SQL."""
