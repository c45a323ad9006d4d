"""See DESIGN: model."""
