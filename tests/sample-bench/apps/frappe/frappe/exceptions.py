"""Errors with the HTTP status that the web process answers for them."""


class FrappeError(Exception):
    http_status = 500


class ValidationError(FrappeError):
    http_status = 417


class DoesNotExistError(FrappeError):
    http_status = 404


class PermissionDenied(FrappeError):
    http_status = 403


class AuthenticationError(FrappeError):
    http_status = 401


class SiteDoesNotExist(FrappeError):
    """An unknown host (docs/frappe-contract.md#site-of-a-request)."""

    http_status = 404


class SessionStopped(FrappeError):
    """maintenance_mode answers 503 to everything, ping included."""

    http_status = 503


class DuplicateEntryError(FrappeError):
    http_status = 409


class SiteNotSpecified(FrappeError):
    pass


class LockTimeout(FrappeError):
    pass


class InvalidRemoteException(FrappeError):
    pass
