"""How long to wait before trying again."""


def next_delay(attempts: int, jitter: float = 0.0, *, base_s: float = 0.5, cap_s: float = 30.0) -> float:
    """Seconds to wait before the next try: *base_s* at first (*attempts* is 0), then twice as long each time.

    *jitter* in [0, 1) shortens it by up to a half, so that clients do not all come back at once.
    """
    delay: float = min(cap_s, base_s * 2.0 ** min(attempts, 16))
    return delay * (1 - jitter / 2)
