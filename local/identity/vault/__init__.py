"""Key Vault: secrets and their versions, deleted ones, rights."""
