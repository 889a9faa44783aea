"""The token: where a request carries it, what stays of a request without it, and the cookie."""

from http.cookies import SimpleCookie

import pytest

from proxy.addons.access import Access, token_in_header, tokens_in_query, without_cookies, without_tokens

TOKEN = "a+token/with=signs&more"
ACCESS = Access(TOKEN, 8189)


@pytest.mark.parametrize(
    ("path", "tokens"),
    [
        ("/", []),
        ("/?", []),
        ("/?token=abc", ["abc"]),
        ("/queue?x=1&token=abc&token=def", ["abc", "def"]),
        ("/?token=a%2Bb%26c", ["a+b&c"]),
        ("/?token=a+b", ["a+b"]),
        ("/?%74oken=abc", ["abc"]),
        ("/?token", [""]),
        ("/?tokens=abc&TOKEN=abc", []),
        ("/?x=?token=abc", []),
        ("/token=abc", []),
    ],
)
def test_a_token_in_the_address_is_the_parameter_of_that_name(path: str, tokens: list[str]) -> None:
    assert tokens_in_query(path) == tokens


@pytest.mark.parametrize(
    ("authorization", "token"),
    [
        ("Bearer abc", "abc"),
        ("bearer  abc ", "abc"),
        ("token abc", "abc"),
        ("Basic abc", None),
        ("abc", None),
        ("", None),
        ("Bearer", ""),
    ],
)
def test_a_script_sends_it_as_jupyters_do(authorization: str, token: str | None) -> None:
    assert token_in_header(authorization) == token


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("/?token=secret", "/"),
        ("/view?filename=a%20b.png&token=secret&type=output", "/view?filename=a%20b.png&type=output"),
        ("/?token=secret&token=secret", "/"),
        ("/?%74oken=secret&a", "/?a"),
        ("/?token=of-a-custom-node", "/?token=of-a-custom-node"),
        ("/a?b=c+d&e=%zz&&f", "/a?b=c+d&e=%zz&f"),
    ],
)
def test_only_our_token_is_taken_out_of_an_address(path: str, kept: str) -> None:
    assert without_tokens(path, lambda token: token == "secret") == kept


@pytest.mark.parametrize(
    ("cookies", "kept"),
    [
        ("", ""),
        ("a=1", "a=1"),
        ("comfy_runpod_8189=x", ""),
        ("a=1; comfy_runpod_8189=x; b=2", "a=1; b=2"),
        ("comfy_runpod_8189=x; a=1; comfy_runpod_9000=y", "a=1"),
    ],
)
def test_comfyui_gets_no_cookie_of_a_proxy(cookies: str, kept: str) -> None:
    assert without_cookies(cookies) == kept


@pytest.mark.parametrize("wrong", ["", TOKEN[:-1], f"{TOKEN}x", TOKEN.upper(), "é" * 23, "\udcff"])
def test_a_token_is_right_when_it_is_the_same(wrong: str) -> None:
    assert ACCESS.is_token(TOKEN)
    assert not ACCESS.is_token(wrong)
    assert not ACCESS.has_cookie(f"comfy_runpod_8189={wrong}")


def test_the_cookie_stands_for_the_token_and_does_not_hold_it() -> None:
    (cookie,) = SimpleCookie(ACCESS.cookie(secure=False)).values()

    assert TOKEN not in ACCESS.cookie(secure=False)
    assert cookie.key == "comfy_runpod_8189"
    assert (cookie["path"], cookie["samesite"], cookie["httponly"], cookie["secure"]) == ("/", "Lax", True, "")
    assert SimpleCookie(ACCESS.cookie(secure=True))["comfy_runpod_8189"]["secure"] is True
    assert not ACCESS.is_token(cookie.value)


def test_a_cookie_opens_the_proxy_that_has_its_token_and_port() -> None:
    sent = ACCESS.cookie(secure=False).partition(";")[0]

    assert Access(TOKEN, 8189).has_cookie(f"a=1; {sent}; comfy_runpod_8189=planted by another page")
    assert not Access(TOKEN, 9000).has_cookie(sent)
    assert not Access("another token 123", 8189).has_cookie(sent)
    assert not ACCESS.has_cookie(f"x{sent}")
