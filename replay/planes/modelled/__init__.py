"""Instances and targets that are modelled: service times, processors, answers."""
