"""Folders of recordings become shards: sources, splits, checks against leaks, the cache."""
