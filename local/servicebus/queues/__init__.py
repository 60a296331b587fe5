"""The queues of a namespace, free of any wire: what comes in, who gets it, what becomes of it, and when.

The present is an argument (milliseconds since 1970): nothing here looks at a clock or waits.
"""
