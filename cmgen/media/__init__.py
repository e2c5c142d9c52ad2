"""Sound, pictures and video: files decoded and written, spectrograms, limits, charts."""
