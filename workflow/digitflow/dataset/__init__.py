"""Where the images come from and what they are: CSVs, labels, lists, trees, records."""
