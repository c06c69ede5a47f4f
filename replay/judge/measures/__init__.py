"""What is measured of a run: the SLO language, metrics, figures with their intervals."""
