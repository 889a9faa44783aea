"""Where the sandbox endpoint is, which stands in for RunPod on this machine."""

SANDBOX_HOST = "127.0.0.1"
SANDBOX_ID = "sandbox"


def sandbox_url(port: int) -> str:
    """The address of the sandbox endpoint's API.

    >>> sandbox_url(8190)
    'http://127.0.0.1:8190/v2'
    """
    return f"http://{SANDBOX_HOST}:{port}/v2"
