"""What leaves a study: tidy tables, iMRMC files, data dictionary, checklists, figures and the report."""
