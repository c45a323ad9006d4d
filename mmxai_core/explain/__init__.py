"""See DESIGN: explain."""
