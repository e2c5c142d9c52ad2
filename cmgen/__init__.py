"""cmgen: cross-modal audio-visual generation (sound -> picture of the performer, and back)."""

__version__ = "0.1.0"
