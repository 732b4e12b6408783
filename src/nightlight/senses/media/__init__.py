"""Pictures: decode hostile bytes safely, hash them, and look the hashes up in the banks.

`screen_bytes` turns a file's bytes into a `ScreenedMedia` and never raises; `Decoders` does the same in confined processes, for bytes
from strangers. The two sensors put what the banks know of an event's
fingerprints into `Features.media`. Importing this package is cheap; pillow, numpy and numba are loaded by the first picture.
"""

from nightlight.senses.media.crops import derived_crops
from nightlight.senses.media.limits import DEFAULT_LIMITS, MediaLimits
from nightlight.senses.media.screen import ScreenedMedia, screen_bytes, warm_up
from nightlight.senses.media.sensors import ExactMatchSensor, LikenessSensor, look_up, look_up_many
from nightlight.senses.media.workers import Decoders

__all__ = [
    "DEFAULT_LIMITS",
    "Decoders",
    "ExactMatchSensor",
    "LikenessSensor",
    "MediaLimits",
    "ScreenedMedia",
    "derived_crops",
    "look_up",
    "look_up_many",
    "screen_bytes",
    "warm_up",
]
