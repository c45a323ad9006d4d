"""The paper's experiments: models and rivals on one cohort, same splits, same budget, results as files."""
