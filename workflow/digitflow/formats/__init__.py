"""One file format per module: reading and writing, nothing else."""
