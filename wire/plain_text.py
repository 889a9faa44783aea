"""Words from outside in a sentence of ours."""


def one_line(text: str, longest: int = 300) -> str:
    """*text* without what ends a line or steers a terminal, cut to about *longest* characters."""
    line = "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in " ".join(text.split()))
    return line if len(line) <= longest else f"{line[:longest]}…"
