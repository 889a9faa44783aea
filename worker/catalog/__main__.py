"""Makes the catalog of an image from what docker/check_nodes.py recorded: ``python -m worker.catalog ANSWERS FILE``.

Run in the image's build. The build's machine has no GPU, and no volume.
"""

import gzip
import json
import sys
from pathlib import Path

from worker.catalog.answers import catalog_of
from worker.catalog.definitions import JobFiles
from worker.catalog.packed import pack


def main(recorded: Path, target: Path) -> None:
    with gzip.open(recorded, "rt", encoding="utf-8") as file:
        found: dict[str, str] = json.load(file)
    catalog = pack(catalog_of(found, JobFiles(), Path("/no-volume-in-a-build")))
    target.write_bytes(catalog.file())


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
