"""Which Frappe this bench behaves as: 15, or 16 if a test has changed `__version__` (tests/support/generation.rs)."""


def is_frappe_16():
    from frappe import __version__

    return int(__version__.split(".")[0]) >= 16
