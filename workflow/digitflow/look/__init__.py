"""What a person looks at: figures, suspicious labels, sheets of images."""
