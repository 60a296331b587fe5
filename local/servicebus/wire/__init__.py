"""AMQP 1.0 on a socket: connections, sessions, links, and what they say to the queues.

Source: OASIS AMQP Version 1.0, Part 2: Transport and Part 5: Security (2012-10-29); "AMQP 1.0 in Azure Service Bus:
request-response-based operations" (Microsoft Learn, 2025).
"""
