"""Limits on media files, checked on what is decoded, and for pictures before memory is allocated."""

from dataclasses import dataclass
from pathlib import Path

from cmgen.utils.errors import UserError

# Of all channels together, for each second allowed: 8 channels at 48 kHz.
SAMPLES_PER_SECOND = 384_000
# A length of sound in a WAV file from here on, or zero, is none: programs
# leave it when they write to a pipe.
STREAMED_BYTES = 2**31 - 2**16


@dataclass(frozen=True)
class MediaLimits:
    """The most that one file may hold.

    Attributes:
      seconds: of sound or video.
      megapixels: of a picture, or of each picture of a video.
    """

    seconds: float = 3600.0
    megapixels: float = 64.0

    @property
    def pixels(self) -> int:
        return int(self.megapixels * 1e6)

    def check_picture(self, name: Path | str, width: int, height: int) -> None:
        """Raises a UserError for a picture of too many pixels."""
        if width * height > self.pixels:
            raise UserError(
                f"{name}: has {width} x {height} pixels, more than --max_megapixels="
                f"{self.megapixels:g} allows; make it smaller"
            )

    def check_seconds(self, name: Path | str, seconds: float) -> None:
        """Raises a UserError for a sound or video that lasts too long."""
        if seconds > self.seconds:
            raise UserError(
                f"{name}: lasts {seconds:.0f} s or more, --max_seconds={self.seconds:g} are "
                "allowed; cut it into pieces"
            )

    def check_samples(self, name: Path | str, count: int, channels: int) -> None:
        """Raises a UserError for too many samples, `count` in each channel."""
        most = SAMPLES_PER_SECOND * self.seconds
        if count * channels > most:
            raise UserError(
                f"{name}: has {count} samples of {channels} channels, --max_seconds="
                f"{self.seconds:g} allow {most:.0f} in all; mix or resample it, or cut it"
            )


LIMITS = MediaLimits()
