"""Who waited for whom, inferred from times alone: for recorders and importers that know no more."""
