"""Prepared data: recordings, shards, splits in memory or streamed, batches of windows."""
