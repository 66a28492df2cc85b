"""The credentials of basic authentication, hashed as ingress controllers read them. Pure, but for the salt.

The password is generated: 24 letters and digits, 142 bits. No number of guesses a second finds it, so a hash that is slow on purpose buys
nothing, and a proxy pays for it with every request. A salt keeps equal passwords from looking alike.
"""

from __future__ import annotations

import base64
import hashlib
import secrets

_CRYPT_ALPHABET = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def basic_auth(password: str, user: str) -> dict[str, str]:
    """Return the data of the Secret for basic authentication.

    `username` and `password` for people and for the verification; `htpasswd`, which the F5 controller reads, for nginx; `auth`, which
    community controllers read: some of them are not nginx, so it has the one salted format that all of them support.
    """
    return {
        "username": user,
        "password": password,
        "htpasswd": f"{user}:{salted_sha1(password, secrets.token_bytes(16))}",
        "auth": f"{user}:{apr1(password, ''.join(secrets.choice(_CRYPT_ALPHABET) for _position in range(8)))}",
    }


def salted_sha1(password: str, salt: bytes) -> str:
    """Return a password as `{SSHA}`, one round of SHA-1 over password and salt (nginx documentation, "auth_basic_user_file")."""
    digest = hashlib.sha1(password.encode() + salt, usedforsecurity=False).digest()
    return "{SSHA}" + base64.b64encode(digest + salt).decode()


def apr1(password: str, salt: str) -> str:
    """Return a password as `$apr1$`, a thousand rounds of MD5 (Apache documentation, "Password Formats"). `salt` has up to 8 characters."""
    word, salted = password.encode(), salt.encode()

    def md5(data: bytes) -> bytes:
        return hashlib.md5(data, usedforsecurity=False).digest()

    mixed = md5(word + salted + word)
    start = word + b"$apr1$" + salted + (mixed * (len(word) // 16 + 1))[: len(word)]
    bits = len(word)
    while bits:
        start += b"\0" if bits & 1 else word[:1]
        bits >>= 1
    digest = md5(start)
    for turn in range(1000):
        part = word if turn & 1 else digest
        part += salted if turn % 3 else b""
        part += word if turn % 7 else b""
        digest = md5(part + (digest if turn & 1 else word))
    triples = ((0, 6, 12), (1, 7, 13), (2, 8, 14), (3, 9, 15), (4, 10, 5))
    numbers = [(digest[high] << 16 | digest[middle] << 8 | digest[low], 4) for high, middle, low in triples]
    numbers.append((digest[11], 2))
    encoded = "".join(_CRYPT_ALPHABET[number >> 6 * place & 63] for number, length in numbers for place in range(length))
    return f"$apr1${salt}${encoded}"
