"""Files on disks and objects in buckets, for engine and worker alike: written whole or not at all."""
