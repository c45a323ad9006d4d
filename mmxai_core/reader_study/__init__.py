"""See DESIGN: reader_study."""
