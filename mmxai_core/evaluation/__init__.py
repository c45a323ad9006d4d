"""How good a model is: metrics with intervals, calibration, localisation, and paired comparisons."""
