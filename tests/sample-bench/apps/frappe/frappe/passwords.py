"""`__Auth`: hashed passwords in passlib's pbkdf2-sha256 notation, and values encrypted with encryption_key."""

import hashlib
import hmac
import secrets
from base64 import b64decode, b64encode

from frappe.config import encryption_key
from frappe.context import local

ROUNDS = 29000


def hash_password(password, salt=None):
    salt = salt or secrets.token_bytes(16)
    digest = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, ROUNDS)
    return f"$pbkdf2-sha256${ROUNDS}${encode(salt)}${encode(digest)}"


def encode(data):
    """Base64 as passlib writes it: `.` for `+`, no padding."""
    return b64encode(data).decode().rstrip("=").replace("+", ".")


def decode(text):
    return b64decode(text.replace(".", "+") + "=" * (-len(text) % 4))


def set_auth(doctype, name, fieldname, value, encrypted):
    local.db.sql(
        'insert into "__Auth" (doctype, name, fieldname, password, encrypted) values (%s, %s, %s, %s, %s)'
        " on conflict (doctype, name, fieldname) do update"
        " set password = excluded.password, encrypted = excluded.encrypted",
        (doctype, name, fieldname, value, encrypted),
    )


def get_auth(doctype, name, fieldname, encrypted):
    rows = local.db.sql(
        'select password from "__Auth" where doctype = %s and name = %s and fieldname = %s and encrypted = %s',
        (doctype, name, fieldname, encrypted),
    )
    return rows[0][0] if rows else None


def set_password(user, password):
    set_auth("User", user, "password", hash_password(password), 0)


def check_password(user, password):
    stored = get_auth("User", user, "password", 0)
    if stored is None:
        return False
    salt = decode(stored.split("$")[3])
    return hmac.compare_digest(stored, hash_password(password, salt))


def encrypt(text):
    """A stand-in for Fernet: with another key, decrypting fails. Not meant to keep a secret."""
    key, nonce = encryption_key(local).encode(), secrets.token_bytes(16)
    body = _mask(key, nonce, text.encode())
    return b64encode(nonce + hmac.digest(key, nonce + body, "sha256") + body).decode()


def decrypt(token):
    key, data = encryption_key(local).encode(), b64decode(token)
    nonce, tag, body = data[:16], data[16:48], data[48:]
    if not hmac.compare_digest(tag, hmac.digest(key, nonce + body, "sha256")):
        raise ValueError("Encryption key is invalid! Please check site_config.json")
    return _mask(key, nonce, body).decode()


def _mask(key, nonce, data):
    stream = hashlib.shake_256(key + nonce).digest(len(data))
    return bytes(a ^ b for a, b in zip(data, stream))
