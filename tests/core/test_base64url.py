"""base64url, without padding."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rolebridge.core.base64url import decode, encode


@given(st.binary(max_size=70))
def test_what_is_encoded_is_read_again(raw: bytes) -> None:
    """Whatever the bytes, their text has only letters, digits, `-` and `_`, and stands for them."""
    text = encode(raw)
    assert not set(text) - set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
    assert decode(text) == raw


@pytest.mark.parametrize("text", ["QQ==", "+/8", "Q Q", "QQ\n", "Q\u0661", "Q"])
def test_any_other_text_is_refused(text: str) -> None:
    """Padding, the other alphabet, white space, digits of other scripts and a length that no bytes have."""
    with pytest.raises(ValueError, match=r"no base64url|number of data characters"):
        decode(text)
