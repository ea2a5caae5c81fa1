"""Experiments: one model in many variants, ranked, drawn and put on a page."""
