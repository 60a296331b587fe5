"""The memory of real time in Azure Tables, beside the jobs; texts too long for a row are blobs.

    ledger!<sync>     <key>                       the last event of a record
    parked!<sync>     <key>!<number>!<part>       an event that waits
    rejected!<sync>   <number>!<part>             an event that was set aside
    listener!<sync>   wish, pulse                 what is wanted of a listener, and what it has done

A row is changed only as it was read (its ETag); who meets another version reads again and decides again.
"""

from shared.state.azure.events.ledger import AzureLedger
from shared.state.azure.events.listeners import AzureListeners
from shared.state.azure.events.shelf import AzureShelf

__all__ = ["AzureLedger", "AzureListeners", "AzureShelf"]
