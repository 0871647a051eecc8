"""The errors that a user can cause: one sentence each, with what arrived and what to do."""


class UserError(Exception):
    """Something that the user can put right; the command line prints it and exits with 1."""


class SettingError(UserError, ValueError):
    """A setting that cannot be used; the command line prints it and exits with 2."""


class DivergedError(UserError):
    """Training produced numbers that are not finite."""
