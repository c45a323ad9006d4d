"""Analysis of a reader study from its tidy tables: one idea a file, put together by `study_analysis`."""
