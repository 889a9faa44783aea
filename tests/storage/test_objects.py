"""What is said of a bucket to people."""

from pydantic import SecretStr

from storage.objects import S3Location


def test_the_keys_to_a_bucket_are_never_shown() -> None:
    place = S3Location("https://host", "bucket", "EU-RO-1", SecretStr("user_key"), SecretStr("rps_secret"))

    assert "bucket" in repr(place)
    assert "user_key" not in repr(place)
    assert "rps_secret" not in repr(place)
