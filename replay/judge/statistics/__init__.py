"""Methods under every verdict, each with its source: quantiles, shares, differences, dependence."""
