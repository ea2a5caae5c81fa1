"""Experiments: one model in many variants, ranked, drawn and shown on a page."""
