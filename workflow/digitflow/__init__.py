"""digitflow: from a pixel CSV to PNG trees, IDX and RecordIO files, trained models and a submission."""
