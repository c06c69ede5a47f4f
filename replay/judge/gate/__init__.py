"""SLOs held to one run: pass, fail or inconclusive; early, against baselines, or as a rule that ends a run."""
