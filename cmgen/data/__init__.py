"""From files to batches: sources are read, prepared into shards, loaded and cut into windows."""
