"""Work that the service does after it has answered: bulk deletes as system jobs, and rows whose time is over."""
