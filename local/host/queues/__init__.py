"""The Service Bus trigger of the local host."""
