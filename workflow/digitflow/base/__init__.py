"""What everything stands on: errors, files that appear whole, archives, progress, checksums."""
