"""See DESIGN: cohorts."""
