"""See DESIGN: figures."""
