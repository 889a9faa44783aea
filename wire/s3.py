"""What both sides assume of S3."""

import re

from wire.limits import MIB

ADDRESS_VALID_S = 24 * 3600
"""a job may wait that long in RunPod's queue (its default ``ttl``)"""
PART_BYTES = 16 * MIB
"""of an upload in parts; Amazon allows 10,000 parts, from 5 MiB each"""

_VOLUME = re.compile(r"//s3api-(?P<region>[a-z0-9-]+)\.runpod\.io")
_NAMED = re.compile(r"[/.](?:s3[.-](?P<amazon>[a-z]{2}-[a-z0-9-]+)|(?P<own>[a-z]{3}\d))\.")


def region_of(endpoint_url: str) -> str:
    """The region that a request has to be signed for, as far as the address tells; most servers want Amazon's first.

    >>> region_of("https://s3.eu-central-1.amazonaws.com"), region_of("https://s3api-eu-ro-1.runpod.io")
    ('eu-central-1', 'EU-RO-1')
    >>> region_of("https://fra1.digitaloceanspaces.com"), region_of("http://127.0.0.1:9000")
    ('fra1', 'us-east-1')
    """
    if match := _VOLUME.search(endpoint_url):
        return match["region"].upper()
    match = _NAMED.search(endpoint_url)
    return (match["amazon"] or match["own"]) if match else "us-east-1"
