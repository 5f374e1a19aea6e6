"""32-bit floats as people wrote them: 0.9 and not 0.8999999761581421."""

from __future__ import annotations

import math
from struct import Struct
from typing import Final

_FLOAT32: Final = Struct("<f")
_pack: Final = _FLOAT32.pack
_ulp: Final = math.ulp
_isfinite: Final = math.isfinite
# Half the distance between 32-bit floats, in units of the distance between 64-bit ones.
_HALF_ULP_FACTOR: Final = 2.0**28
_SMALLEST_NORMAL: Final = 2.0**-126
# So many significant digits always tell two 32-bit floats apart.
_MAX_DIGITS: Final = 9
# Up to so many significant digits survive the way into a normal 32-bit float and back.
_SAFE_DIGITS: Final = 6


def shortest(value: float) -> float:
    """The double with the shortest decimal that reads back to `value`, a 32-bit float.

    Infinities, NaN and signed zeros stay as they are. Called for every event: probabilities, the
    usual case, take arithmetic only, in which every product below is exact.
    """
    if 0.1 <= value < 1.0:
        half = _ulp(value) * _HALF_ULP_FACTOR
        short = round(value * 1e6) / 1e6
        if -half < short - value < half:
            return short
        short = round(value * 1e7) / 1e7
        if -half < short - value < half:
            return short
        short = round(value * 1e8) / 1e8
        if -half < short - value < half:
            return short
        return round(value * 1e9) / 1e9
    return _shortest(value)


def _shortest(value: float) -> float:
    if not _isfinite(value) or value == 0.0:
        return value
    packed = _pack(value)
    # Below the normal range fewer digits are safe, so shorter decimals may do.
    is_normal = abs(value) >= _SMALLEST_NORMAL
    for digits in range(_SAFE_DIGITS if is_normal else 1, _MAX_DIGITS):
        short = float(f"{value:.{digits}g}")
        if _pack(short) == packed:
            return short
        longer = _away_from_zero(value, digits)
        if longer is not None and _pack(longer) == packed:
            return longer
    return float(f"{value:.{_MAX_DIGITS}g}")


def _away_from_zero(value: float, digits: int) -> float | None:
    """The next longer-than-`value` decimal of so many digits, where rounding may go that far.

    Only powers of two have unequal neighbours: a decimal further away on the outer side may still
    read back, while the nearest one, on the inner side, does not.
    """
    mantissa, _ = math.frexp(value)
    if abs(mantissa) != 0.5:
        return None
    text = f"{value:.{digits - 1}e}"
    number, exponent = text.split("e")
    if abs(float(text)) > abs(value):
        return None
    scaled = int(number.replace(".", ""))
    scaled += 1 if scaled > 0 else -1
    return float(f"{scaled}e{int(exponent) - digits + 1}")
