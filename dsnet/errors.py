"""The root of the errors that a user can mend: the command line prints their message alone."""


class UserError(Exception):
    """Something given to dsnet is wrong; the message says what, where and what to do."""
