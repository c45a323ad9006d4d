"""Results -> Plotly figures and PNG files. Imports no torch; every exported picture says "research use only"."""
