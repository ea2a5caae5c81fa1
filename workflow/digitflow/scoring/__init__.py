"""How good the models are: measures, the table of scores, pairs of models."""
