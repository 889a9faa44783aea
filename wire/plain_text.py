"""Words from outside in a sentence of ours."""


def printable(text: str) -> str:
    """*text* with its lines, and without what else steers a terminal."""
    return "".join(sign if sign.isprintable() or sign in "\n\t" else ascii(sign)[1:-1] for sign in text)


def one_line(text: str, longest: int = 300) -> str:
    """*text* without what ends a line or steers a terminal, cut to about *longest* characters."""
    line = printable(" ".join(text.split()))
    return line if len(line) <= longest else f"{line[:longest]}…"
