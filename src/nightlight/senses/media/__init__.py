"""Pictures: decode hostile bytes safely, hash them, and look the hashes up in the banks.

`screen_bytes` turns a file's bytes into a `ScreenedMedia` and never raises. The two sensors put what the banks know of an event's
fingerprints into `Features.media`. Importing this package is cheap; pillow, numpy and numba are loaded by the first picture.
"""

from nightlight.senses.media.limits import DEFAULT_LIMITS, MediaLimits
from nightlight.senses.media.screen import ScreenedMedia, screen_bytes, warm_up
from nightlight.senses.media.sensors import ExactMatchSensor, LikenessSensor

__all__ = ["DEFAULT_LIMITS", "ExactMatchSensor", "LikenessSensor", "MediaLimits", "ScreenedMedia", "screen_bytes", "warm_up"]
