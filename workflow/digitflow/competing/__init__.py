"""A competitor's loop: download, submit, remember runs, compare them, blend, bring old trainings back."""
