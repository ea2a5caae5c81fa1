"""Fit a model and predict with it: one module for each framework, all of the same shape."""
