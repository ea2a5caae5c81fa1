"""What everything else is built on: errors, files that appear whole, archives, progress, checksums."""
