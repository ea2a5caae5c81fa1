"""Fit a model and predict with it: one module a framework, the same shape each."""
