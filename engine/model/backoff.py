"""How long to wait before trying again."""


def next_delay(attempts: int, jitter: float, *, base_s: float = 0.5, cap_s: float = 30.0) -> float:
    """Seconds to wait after *attempts* failures in a row; *jitter* in [0, 1) spreads clients by up to a half."""
    delay: float = min(cap_s, base_s * 2.0 ** min(attempts, 16))
    return delay * (1 - jitter / 2)
