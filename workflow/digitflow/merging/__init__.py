"""From models' probabilities to one submission."""
