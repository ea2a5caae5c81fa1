"""Models' probabilities to one submission."""
