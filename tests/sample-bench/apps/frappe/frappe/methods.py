"""Which functions /api/method/… may call."""

WHITELIST = {}


def whitelist(allow_guest=False):
    """Mark a function as callable over HTTP."""

    def mark(function):
        WHITELIST[f"{function.__module__}.{function.__qualname__}"] = allow_guest
        return function

    return mark
