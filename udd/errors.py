"""The two ways in which a run ends early, each told in one line."""


class UserError(Exception):
    """Something the user can mend: one line that names the file or key, what was found, what was expected, what to do."""


class Stopped(Exception):
    """The run ended early at a checkpoint (time limit or SIGTERM); nothing is lost."""
