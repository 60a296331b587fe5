"""The store in Azure: tables for jobs, leases and outcomes; blobs for the files of a job and for the longest texts.

One partition per sync holds all that a lease protects, so that one transaction can hold it all together:

    lease                       who holds the sync, until when, in which epoch
    fence!<epoch>               there while that epoch lasts; `fence!free` while nobody holds the lease
    job!<age>!<id>              one job; the newest sorts first
    open!<id>                   a job that is not finished
    chunk!<id>!<number>         what became of a chunk
    cancel!<id>                 somebody asked the job to stop
    artifact!<id>!<name>        which blob is this file of the job
    file!<digest>               a file that was read

Every write of a holder carries a write to its fence in the same transaction. Who takes the lease over deletes the fence
and makes the next one, so a holder that was overtaken finds no fence, and its whole transaction is refused.

Two more partitions lead to jobs: `ids` by id, `ages` over all syncs by age. They may lead to a job that is not there (a
process died between the two writes); such a line is passed over.

Source: "Performing entity group transactions" (Azure Table storage), 2026: at most 100 operations and 4 MiB, one
partition. "Understanding the Table service data model", 2026: 1 MiB per entity, 64 KiB per property, 1 KiB per key.
"""

from shared.state.azure.connecting import Account, connect, opened
from shared.state.azure.state import AzureState

__all__ = ["Account", "AzureState", "connect", "opened"]
