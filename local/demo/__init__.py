"""`make demo`: the cities of the world are synced into a local Dataverse, by the same commands that anybody types."""
