"""What people see: one module per screen."""
