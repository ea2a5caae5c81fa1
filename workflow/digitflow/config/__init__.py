"""The configuration: read, checked, completed with defaults, and what follows from it."""
