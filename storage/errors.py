"""The error that user input causes."""


class InputError(ValueError):
    """
    Input that headrace cannot accept.

    The message is one sentence for the user: what is wrong, where, and the remedy.
    The command line prints it without a traceback and exits with status 2.
    """
